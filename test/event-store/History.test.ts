import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { NewEvent, StreamId } from "../../src/event-store/Envelope.ts"
import { EventStore } from "../../src/event-store/EventStore.ts"
import * as EventStream from "../../src/event-store/EventStream.ts"
import * as History from "../../src/event-store/History.ts"
import { backends } from "../backends.ts"

const Added = Schema.TaggedStruct("Added", { amount: Schema.Int })
const Cleared = Schema.TaggedStruct("Cleared", {})
const Counters = EventStream.make("counter", { events: Schema.Union([Added, Cleared]) })

const fold: History.Fold<number, typeof Added.Type | typeof Cleared.Type> = {
  decode: Counters.codec.decode,
  initialState: 0,
  evolve: (sum, event) => (event._tag === "Added" ? sum + event.amount : 0)
}

const instant = (millis: number) => DateTime.makeUnsafe(millis)

/** Version n is written at the n-th of these times. */
const write = (id: string, times: ReadonlyArray<number>) =>
  EventStore.use((store) =>
    store.append(
      Counters.streamId(id),
      times.map((timestamp, index) => ({
        type: "Added",
        data: { amount: 10 ** index },
        meta: { timestamp, correlationId: `c${index % 2}` }
      })),
      0
    )
  )

const at = (id: string, moment: History.Moment, from: Partial<typeof fold> = {}) =>
  Effect.map(History.at(Counters.streamId(id), moment, { ...fold, ...from }), ({ state, version }) => [state, version])

for (const { layer, name } of backends) {
  describe(`History: ${name}`, () => {
    it.effect("H1, H2: the state at any version or instant", () =>
      Effect.gen(function* () {
        yield* write("a", [10, 20, 30])
        for (const [version, state] of [0, 1, 11, 111].entries()) {
          assert.deepStrictEqual(yield* at("a", { version }), [state, version])
        }
        assert.deepStrictEqual(yield* at("a", { version: 9 }), [111, 3])
        const instants: ReadonlyArray<readonly [number, number, number]> = [
          [9, 0, 0],
          [10, 1, 1],
          [29, 11, 2],
          [30, 111, 3],
          [99, 111, 3]
        ]
        for (const [millis, state, version] of instants) {
          assert.deepStrictEqual(yield* at("a", { instant: instant(millis) }), [state, version])
        }
        assert.deepStrictEqual(yield* at("unknown", { version: 3 }), [0, 0])
        // A writer whose clock was behind wrote version 3.
        yield* write("b", [10, 30, 20])
        assert.deepStrictEqual(yield* at("b", { instant: instant(25) }), [1, 1])
      }).pipe(Effect.provide(layer))
    )

    it.effect("H3: a forgotten beginning is an error, unless the state before what is kept is given", () =>
      Effect.gen(function* () {
        yield* write("a", [10, 20, 30, 40])
        yield* EventStore.use((store) => store.truncateBefore(Counters.streamId("a"), 3))
        const error = yield* Effect.flip(at("a", { version: 4 }))
        assert.strictEqual(error._tag, "HistoryForgotten")
        assert.match(error.message, /"counter\/a" is kept from version 3 on, but its state begins with version 1/)
        assert.strictEqual((yield* Effect.flip(at("a", { instant: instant(99) })))._tag, "HistoryForgotten")
        assert.deepStrictEqual(yield* at("a", { version: 3 }, { initialState: 5, initialVersion: 2 }), [105, 3])
      }).pipe(Effect.provide(layer))
    )

    it.effect("an event that does not decode is named; one behind the moment does no harm", () =>
      Effect.gen(function* () {
        yield* write("a", [10])
        const bad: NewEvent = { type: "Added", data: { amount: "x" }, meta: { timestamp: 20 } }
        yield* EventStore.use((store) => store.append(Counters.streamId("a"), [bad], 1))
        assert.deepStrictEqual(yield* at("a", { version: 1 }), [1, 1])
        assert.include((yield* Effect.flip(at("a", { version: 2 }))).message, `event 2 of stream "counter/a"`)
      }).pipe(Effect.provide(layer))
    )

    it.effect("H4: pages, one after the other, are what a search finds", () =>
      Effect.gen(function* () {
        for (const id of ["a", "b", "other"]) yield* write(id, [10, 20, 30, 40, 50])
        const all = yield* EventStore.use((store) => Stream.runCollect(store.readAll()))
        const filters: ReadonlyArray<
          readonly [History.Filter, (timestamp: number, stream: string, c: string) => boolean]
        > = [
          [{}, () => true],
          [{ correlationId: "c1" }, (_, __, c) => c === "c1"],
          [{ since: instant(20), until: instant(40) }, (timestamp) => timestamp >= 20 && timestamp < 40],
          [
            { streamPrefix: "counter/b", correlationId: "c0", since: instant(30) },
            (timestamp, stream, c) => stream === "counter/b" && c === "c0" && timestamp >= 30
          ],
          [{ types: ["Nothing"] }, () => false],
          [{ runId: "r" }, () => false]
        ]
        for (const [filter, keeps] of filters) {
          const wanted = all
            .filter(({ meta, stream }) => keeps(meta.timestamp, stream, meta.correlationId!))
            .map(({ position }) => position)
          const searched = yield* Stream.runCollect(History.search(filter))
          assert.deepStrictEqual(
            searched.map(({ position }) => position),
            wanted
          )
          for (const [limit, maxScanned] of [
            [1, 100],
            [2, 3],
            [100, 1],
            [wanted.length || 1, 100]
          ] as const) {
            const paged: Array<number> = []
            let next: number | undefined = 0
            let pages = 0
            while (next !== undefined) {
              const page: History.Page = yield* History.page(filter, { after: next, limit, maxScanned })
              assert.isAtMost(page.events.length, limit)
              paged.push(...page.events.map(({ position }) => position))
              next = page.next
              assert.isAtMost(++pages, 20)
            }
            assert.deepStrictEqual(paged, wanted)
          }
        }
      }).pipe(Effect.provide(layer))
    )
  })
}

describe("History", () => {
  it.effect("every state is the fold of a prefix", () =>
    Effect.gen(function* () {
      const store = yield* EventStore
      yield* write("a", [1, 2, 3])
      yield* store.append("counter/a" as StreamId, [{ type: "Cleared", data: {} }], 3)
      const states = yield* Stream.runCollect(History.states(Counters.streamId("a"), fold))
      assert.deepStrictEqual(
        states.map(({ event, state, version }) => [state, version, event?.version]),
        [
          [0, 0, undefined],
          [1, 1, 1],
          [11, 2, 2],
          [111, 3, 3],
          [0, 4, 4]
        ]
      )
    }).pipe(Effect.provide(backends[0]!.layer))
  )
})
