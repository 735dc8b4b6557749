/**
 * What holds after every fault.
 *
 *   X1. Nothing acknowledged is lost: every acknowledged event lies in the log where its writer was told.
 *   X2. Versions are gapless, no step has two outcomes, a run begins and ends once (`LogAudit`), positions grow.
 *   X3. Every accepted run ended, with the outcome it has without faults.
 *   X4. Nothing is written twice: no id occurs twice, and no appender's event that its writer does not know.
 *   X5. A live subscription heard every event at least once, and for the first time in the order of the log.
 *   X6. A durable subscriber handled every event at least once, and for the first time in the order of its stream.
 */
import * as Arr from "effect/Array"
import type { StoredEvent } from "../../src/event-store/Envelope.ts"
import * as LogAudit from "../../src/testing/LogAudit.ts"
import type { Witness } from "./Workload.ts"

/** One sentence for each violation. */
export const problems = (witness: Witness, log: ReadonlyArray<StoredEvent>): ReadonlyArray<string> => [
  ...lost(witness, log),
  ...LogAudit.problems(log).map((problem) => `X2: ${problem}`),
  ...positions(log),
  ...unfinished(witness, log),
  ...strangers(witness, log),
  ...unheard("X5", witness.heard, log),
  ...disorder("X5", firsts(witness.heard)),
  ...unheard("X6", witness.handled, log),
  ...byStream(firsts(witness.handled)).flatMap((events) => disorder("X6", events))
]

const lost = ({ acknowledged }: Witness, log: ReadonlyArray<StoredEvent>): ReadonlyArray<string> => {
  const byId = new Map(log.map((event) => [event.id as string, event]))
  return [...acknowledged].flatMap(([id, { stream, version }]) => {
    const event = byId.get(id)
    if (event === undefined) return [`X1: ${stream}@${version} was acknowledged and is lost`]
    return event.stream === stream && event.version === version
      ? []
      : [`X1: ${stream}@${version} was acknowledged and lies at ${event.stream}@${event.version}`]
  })
}

const positions = (log: ReadonlyArray<StoredEvent>): ReadonlyArray<string> =>
  log.flatMap(({ position }, index) =>
    index === 0 || position > log[index - 1]!.position ? [] : [`X2: position ${position} follows a higher one`]
  )

const unfinished = ({ runs }: Witness, log: ReadonlyArray<StoredEvent>): ReadonlyArray<string> => {
  const ends = new Set(log.filter(({ type }) => type === "RunCompleted").map(({ stream }) => stream as string))
  return [...runs].flatMap(([id, { expected, outcome }]) => {
    if (!ends.has(`run/${id}`)) return [`X3: run ${id} was accepted and has no end in the log`]
    return outcome === expected ? [] : [`X3: run ${id} ended with "${outcome}" instead of "${expected}"`]
  })
}

const strangers = ({ acknowledged }: Witness, log: ReadonlyArray<StoredEvent>): ReadonlyArray<string> => {
  const seen = new Set<string>()
  return log.flatMap(({ id, stream, version }) => {
    if (seen.has(id)) return [`X4: ${stream}@${version} has an id that the log has already`]
    seen.add(id)
    return stream.startsWith("chaos/") && !acknowledged.has(id)
      ? [`X4: ${stream}@${version} was written and nobody was told`]
      : []
  })
}

/** Each event as it was heard for the first time. */
const firsts = (heard: ReadonlyArray<StoredEvent>): ReadonlyArray<StoredEvent> => {
  const known = new Set<string>()
  return heard.filter(({ id }) => !known.has(id) && known.add(id))
}

const byStream = (events: ReadonlyArray<StoredEvent>): ReadonlyArray<ReadonlyArray<StoredEvent>> =>
  Object.values(Arr.groupBy(events, ({ stream }) => stream))

const place = ({ stream, version }: StoredEvent) => `${stream}@${version}`

const unheard = (
  invariant: string,
  heard: ReadonlyArray<StoredEvent>,
  log: ReadonlyArray<StoredEvent>
): ReadonlyArray<string> => {
  const known = new Set(heard.map(({ id }) => id))
  const inLog = new Set(log.map(({ id }) => id))
  return [
    ...log.filter(({ id }) => !known.has(id)).map((event) => `${invariant}: ${place(event)} was not heard`),
    ...heard.filter(({ id }) => !inLog.has(id)).map((event) => `${invariant}: ${place(event)} is not in the log`)
  ]
}

const disorder = (invariant: string, events: ReadonlyArray<StoredEvent>): ReadonlyArray<string> =>
  events.flatMap((event, index) =>
    index === 0 || event.position > events[index - 1]!.position
      ? []
      : [`${invariant}: ${place(event)} was heard after ${place(events[index - 1]!)}`]
  )
