/**
 * Reads a log as an auditor would, and says what in it cannot be.
 *
 * Invariants of every log:
 *
 *   A1. Versions of a stream are consecutive.
 *   A2. No place in a run has two outcomes.
 *   A3. A run begins once and ends at most once, and nothing follows its end.
 *   A4. No signal is received twice.
 */
import * as Effect from "effect/Effect"
import type { StoredEvent } from "../event-store/Envelope.ts"
import { EventStoreDriver } from "../event-store/EventStoreDriver.ts"
import type { EventStoreError } from "../event-store/EventStoreError.ts"
import * as RunHistory from "../durable/RunHistory.ts"

const pageSize = 10_000

/** Every event of the log, in position order. */
export const readAll: Effect.Effect<ReadonlyArray<StoredEvent>, EventStoreError, EventStoreDriver> = Effect.gen(
  function* () {
    const driver = yield* EventStoreDriver
    const events: Array<StoredEvent> = []
    while (true) {
      const page = yield* driver.readAll({ after: events.at(-1)?.position ?? 0, max: pageSize })
      events.push(...page)
      if (page.length < pageSize) return events
    }
  }
)

/**
 * What is wrong with the log: one sentence for each violation.
 *
 * @category testing
 * @stability experimental
 * @since 0.1.0
 */
export const problems = (events: ReadonlyArray<StoredEvent>): ReadonlyArray<string> => {
  const streams = new Map<string, Array<StoredEvent>>()
  for (const event of events) {
    const known = streams.get(event.stream)
    if (known === undefined) streams.set(event.stream, [event])
    else known.push(event)
  }
  return [...streams].flatMap(([stream, events]) => [
    ...gaps(stream, events),
    ...(stream.startsWith("run/") ? [...contradictions(stream, events), ...misplaced(stream, events)] : [])
  ])
}

const gaps = (stream: string, events: ReadonlyArray<StoredEvent>): ReadonlyArray<string> =>
  events.flatMap((event, index) => {
    const expected = events[0]!.version + index
    return event.version === expected
      ? []
      : [`A1: ${stream} has version ${event.version} where ${expected} was to be expected`]
  })

/** A2 and A4. `RunContinued` begins anew. */
const contradictions = (stream: string, events: ReadonlyArray<StoredEvent>): ReadonlyArray<string> => {
  const found: Array<string> = []
  const outcomes = new Map<string, string>()
  const received = new Set<number>()
  for (const event of events) {
    if (event.type === "RunContinued") outcomes.clear()
    const path = event.meta.path
    if (path !== undefined && RunHistory.isEntry(event.type)) {
      const first = outcomes.get(path)
      if (first === undefined) outcomes.set(path, event.type)
      else found.push(`A2: ${stream} has two outcomes at "${path}": ${first}, then ${event.type}`)
    }
    if (event.type !== "SignalReceived") continue
    const { inbox } = event.data as { readonly inbox: number }
    if (received.has(inbox)) found.push(`A4: ${stream} received signal ${inbox} of its inbox twice`)
    received.add(inbox)
  }
  return found
}

/** A3. */
const misplaced = (stream: string, events: ReadonlyArray<StoredEvent>): ReadonlyArray<string> =>
  events.flatMap((event, index) => {
    if (event.type === "RunStarted" && index > 0) return [`A3: ${stream} begins again at version ${event.version}`]
    if (RunHistory.isEnd(event.type) && index < events.length - 1) {
      return [`A3: ${stream} goes on after its end, ${event.type}, with ${events[index + 1]!.type}`]
    }
    return []
  })
