/**
 * What goes on while things break: appends, runs, a live subscription and a durable subscriber, and what each was told.
 *
 * Whoever meets a typed, retryable error tries the very same thing again, as a careful user would. Anything else that
 * goes wrong ends the load, and with it the test.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Agent from "../../src/core/Agent.ts"
import * as Task from "../../src/core/Task.ts"
import type { Engine } from "../../src/durable/Engine.ts"
import * as Orchestration from "../../src/durable/Orchestration.ts"
import * as Step from "../../src/durable/Step.ts"
import * as Timer from "../../src/durable/Timer.ts"
import type { NewEvent, StoredEvent, StreamId } from "../../src/event-store/Envelope.ts"
import { EventStore } from "../../src/event-store/EventStore.ts"
import type { EventStoreError, VersionConflict } from "../../src/event-store/EventStoreError.ts"
import * as Subscriber from "../../src/events/Subscriber.ts"
import type { Persistence } from "../../src/persistence/Persistence.ts"
import type { Load } from "./Faults.ts"

/** What the load was told, to be held against the log. */
export interface Witness {
  /** Acknowledged events of the appenders, by id. */
  readonly acknowledged: Map<string, { readonly stream: string; readonly version: number }>
  /** Accepted runs, and their outcomes as far as they are known. */
  readonly runs: Map<string, { readonly expected: string; outcome: string | undefined }>
  /** What the live subscription heard, in its order. */
  readonly heard: Array<StoredEvent>
  /** What the durable subscriber handled, in its order. */
  readonly handled: Array<StoredEvent>
  /** Typed errors that were answered by another try. */
  refused: number
}

export interface Workload extends Load<EventStore | Persistence | Engine | Orchestration.Registered<"Chaos">> {
  readonly witness: Witness
  readonly layer: Layer.Layer<Orchestration.Registered<"Chaos">, unknown, Engine>
}

const appenders = 4
const runners = 3
const between = "4 millis"
const nap = Schedule.spaced("25 millis")

const Work = Task.make("Work", { input: { n: Schema.Int }, output: Schema.Int })

const Chaos = Orchestration.make("Chaos", {
  input: { key: Schema.String, n: Schema.Int },
  output: Schema.String,
  key: ({ key }) => key,
  run: ({ n }) =>
    Effect.gen(function* () {
      const first = yield* work.run({ n })
      const parts = yield* Step.forEach([1, 2, 3], (part) => work.run({ n: part }), { concurrency: 3 })
      yield* Timer.sleep(5)
      const last = yield* work.run({ n: first })
      return `${last} ${parts.join(" ")}`
    }).pipe(Effect.orDie) as Effect.Effect<string>
})

const work = Agent.make("work", { task: Work, run: ({ n }) => Effect.succeed(n + 1) })

const outcomeOf = (n: number) => `${n + 2} 2 3 4`

/** Event ids that are the same at every try. */
const eventId = (appender: number, count: number) =>
  `00000000-0000-7000-8${String(appender).padStart(3, "0")}-${String(count).padStart(12, "0")}`

const isRefusal = (error: VersionConflict | EventStoreError) =>
  error._tag === "EventStoreError" && error.reason._tag === "StoreUnavailable"

export const make = (): Workload => {
  const witness: Witness = { acknowledged: new Map(), runs: new Map(), heard: [], handled: [], refused: 0 }
  let stopping = false
  const refused = Effect.sync(() => void witness.refused++)

  const appendTo = Effect.fnUntraced(function* (
    stream: StreamId,
    events: ReadonlyArray<NewEvent>,
    expected: number | "NoStream" | "Any"
  ) {
    const store = yield* EventStore
    const appended = yield* store.append(stream, events, expected).pipe(
      Effect.tapError(() => refused),
      Effect.retry({ while: isRefusal, schedule: nap })
    )
    events.forEach(({ id }, index) =>
      witness.acknowledged.set(id!, { stream, version: appended.version - events.length + 1 + index })
    )
    return appended.version
  })

  const appender = Effect.fnUntraced(function* (self: number) {
    let version = 0
    let count = 0
    const next = (): NewEvent => ({ id: eventId(self, ++count), type: "Appended", data: { count } })
    while (!stopping) {
      version = yield* appendTo(`chaos/${self}` as StreamId, [next(), next()], version === 0 ? "NoStream" : version)
      yield* appendTo("chaos/shared" as StreamId, [next()], "Any")
      yield* Effect.sleep(between)
    }
  })

  const runner = Effect.fnUntraced(function* (self: number) {
    for (let n = 0; !stopping; n++) {
      const start = Chaos.start({ key: `${self}-${n}`, n })
      const handle = yield* start.pipe(
        Effect.tapError(() => refused),
        Effect.retry({ while: ({ _tag }) => _tag === "EngineError", schedule: nap })
      )
      const run: { expected: string; outcome: string | undefined } = { expected: outcomeOf(n), outcome: undefined }
      witness.runs.set(handle.id, run)
      // Lost here, it goes on as soon as somebody finds it: it is accepted, so it ends.
      run.outcome = yield* handle.await.pipe(
        Effect.tapError(() => refused),
        Effect.retry({ while: ({ _tag }) => _tag === "EngineError" || _tag === "Fenced", schedule: nap })
      )
    }
  })

  const listen = Effect.gen(function* () {
    const store = yield* EventStore
    yield* Effect.suspend(() =>
      store
        .subscribe({ after: witness.heard.at(-1)?.position ?? 0 })
        .pipe(Stream.runForEach((event) => Effect.sync(() => void witness.heard.push(event))))
    ).pipe(
      Effect.tapError(() => refused),
      Effect.retry(nap)
    )
  })

  const Handler = Subscriber.make("chaos", {
    handler: (event) => Effect.sync(() => void witness.handled.push(event)),
    lease: "3 seconds"
  })
  const subscribe = Subscriber.start(Handler).pipe(
    Effect.tapError(() => refused),
    Effect.retry(nap),
    Effect.andThen(Effect.never),
    Effect.scoped
  )

  const hearAll = Effect.gen(function* () {
    const store = yield* EventStore
    const head = yield* Effect.retry(store.head, nap)
    yield* Effect.repeat(
      Effect.sync(
        () => (witness.heard.at(-1)?.position ?? 0) >= head && distinct(witness.handled) >= distinct(witness.heard)
      ),
      { until: (all) => all, schedule: nap }
    )
  })

  const range = (count: number) => Array.from({ length: count }, (_, index) => index)
  const clients = [...range(appenders).map(appender), ...range(runners).map(runner)]
  return {
    witness,
    layer: Chaos.layer,
    load: Effect.all(clients, { concurrency: "unbounded", discard: true }).pipe(
      Effect.andThen(hearAll),
      Effect.raceFirst(listen),
      Effect.raceFirst(subscribe)
    ),
    stop: Effect.sync(() => void (stopping = true)),
    acknowledged: () => witness.acknowledged.size,
    progress: (events) =>
      Effect.suspend(() => {
        const target = witness.acknowledged.size + events
        const ended = endedRuns(witness)
        return Effect.repeat(
          Effect.sync(() => witness.acknowledged.size >= target && endedRuns(witness) > ended),
          { until: (enough) => enough, schedule: nap }
        )
      }).pipe(
        Effect.timeoutOrElse({
          duration: "60 seconds",
          orElse: () => Effect.fail(new Error(`the load makes no progress any more: ${describe(witness)}`))
        }),
        Effect.asVoid
      )
  }
}

const distinct = (events: ReadonlyArray<StoredEvent>) => new Set(events.map(({ id }) => id)).size

const endedRuns = ({ runs }: Witness) => [...runs.values()].filter(({ outcome }) => outcome !== undefined).length

/** What the load has seen, in half a sentence. */
export const describe = (witness: Witness): string =>
  `${witness.acknowledged.size} events acknowledged, ${witness.heard.length} heard, ${witness.handled.length} handled, ` +
  `${endedRuns(witness)} of ${witness.runs.size} runs ended, ${witness.refused} tries refused`
