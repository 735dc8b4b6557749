/** S1, S2, S5, S7, S10 around every crash: the process is killed before and after each of its durable mutations. */
import { assert, it } from "@effect/vitest"
import { Effect, Layer, Schedule } from "effect"
import { EventStore, Persistence, type StoredEvent, StreamId, Subscriber } from "../../src/index.ts"
import { CrashSweep } from "../../src/testing/index.ts"

const streams = ["order/1", "order/2", "order/3"] as const
const types = ["A", "Bad", "C", "D"] as const

/** The same events in every process: the log takes each once. */
const appendAll = EventStore.EventStore.use((store) =>
  Effect.forEach(
    types.flatMap((type, number) => streams.map((stream, of) => ({ stream, type, number, of }))),
    ({ number, of, stream, type }) =>
      store.append(
        StreamId.make(stream),
        [{ id: `00000000-0000-7000-8000-0000000000${of}${number}`, type, data: {} }],
        "Any"
      )
  )
)

const settled = (subscriber: Parameters<typeof Subscriber.lag>[0]) =>
  Effect.repeat(
    Effect.map(Subscriber.lag(subscriber), ({ events }) => events),
    { until: (events) => events === 0, schedule: Schedule.spaced("1 second") }
  )

/** Each event once, in order, for the first time it was handled. */
const inOrder = (handled: ReadonlyArray<string>, expected: ReadonlyArray<string>) => {
  for (const stream of streams) {
    const own = [...new Set(handled.filter((one) => one.startsWith(`${stream} `)))]
    assert.deepStrictEqual(
      own,
      expected.map((type) => `${stream} ${type}`)
    )
  }
}

const world = { layer: Layer.empty }
const options = { partitions: 2, concurrency: 2, buffer: 4, retry: Schedule.recurs(1) } as const

it.effect("S1, S2, S10: a killed subscriber skips no event, and keeps the order of each stream", () =>
  Effect.gen(function* () {
    const report = yield* CrashSweep.run(() => {
      const handled: Array<string> = []
      const subscriber = Subscriber.make("plain", {
        ...options,
        streamPrefix: "order/",
        handler: ({ stream, type }) => Effect.sync(() => void handled.push(`${stream} ${type}`))
      })
      return {
        ...world,
        scenario: Effect.gen(function* () {
          yield* appendAll
          yield* Effect.scoped(Effect.andThen(Subscriber.start(subscriber), settled(subscriber)))
          return yield* Subscriber.deadLetterCount(subscriber)
        }),
        invariant: Effect.sync(() => inOrder(handled, types))
      }
    })
    assert.isAbove(report.crashes, 40)
  })
)

/** Writes the types of a stream, in the order in which they came. */
const written = ({ stream, type }: StoredEvent) =>
  Effect.map(
    Persistence.use((persistence) => persistence.get("written", stream)),
    (found) => [
      {
        collection: "written",
        id: stream,
        body: { types: [...((found?.body["types"] as ReadonlyArray<string> | undefined) ?? []), type] },
        expected: found?.version ?? 0
      }
    ]
  )

for (const [onPoison, expected] of [
  ["skip", ["A", "C", "D", "Bad"]],
  ["park-stream", ["A", "Bad", "C", "D"]]
] as const) {
  const trial = () => {
    const subscriber = Subscriber.make("writing", {
      ...options,
      onPoison,
      streamPrefix: "order/",
      handler: {
        write: (event, { isRedriven }) =>
          event.type === "Bad" && !isRedriven ? Effect.fail("not now") : Effect.orDie(written(event))
      }
    })
    return {
      ...world,
      scenario: Effect.gen(function* () {
        yield* appendAll
        yield* Effect.scoped(
          Effect.gen(function* () {
            const { nudge } = yield* Subscriber.start(subscriber)
            yield* settled(subscriber)
            yield* Subscriber.redrive(subscriber, "all")
            yield* nudge
            yield* Effect.repeat(Subscriber.deadLetterCount(subscriber), {
              until: (count) => count === 0,
              schedule: Schedule.spaced("1 second")
            })
          })
        )
        const found = yield* Persistence.use((persistence) => persistence.query("written"))
        return found.map(({ body, id }) => [id, body["types"]])
      })
    }
  }

  it.effect(`S5, S7: what is written is written once around every crash, dead letters included (${onPoison})`, () =>
    Effect.gen(function* () {
      const report = yield* CrashSweep.run(() => {
        let found: unknown
        const { scenario, ...rest } = trial()
        return {
          ...rest,
          scenario: Effect.tap(scenario, (outcome) => Effect.sync(() => (found = outcome))),
          invariant: Effect.sync(() =>
            assert.deepStrictEqual(
              found,
              streams.map((stream) => [stream, expected])
            )
          )
        }
      })
      assert.isAbove(report.crashes, 40)
      assert.deepStrictEqual(report.unfired, [])
    })
  )
}
