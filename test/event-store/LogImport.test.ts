import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Memory from "../../src/backends/Memory.ts"
import type { Json, StoredEvent, StreamId } from "../../src/event-store/Envelope.ts"
import * as EventStoreLayer from "../../src/event-store/EventStore.ts"
import { EventStore } from "../../src/event-store/EventStore.ts"
import { EventStoreDriver } from "../../src/event-store/EventStoreDriver.ts"
import * as LogExport from "../../src/event-store/LogExport.ts"
import * as LogImport from "../../src/event-store/LogImport.ts"
import { Persistence } from "../../src/persistence/Persistence.ts"
import { backends } from "../backends.ts"
import { dyingStores, fresh, within } from "./dyingStores.ts"

const append = (stream: string, payloads: ReadonlyArray<Json>, expected: number) =>
  EventStore.use((store) =>
    store.append(
      stream as StreamId,
      payloads.map((data, index) => ({
        type: `Type ${index}`,
        schemaVersion: index + 1,
        data,
        meta: { timestamp: 5 + index, correlationId: stream, epoch: 3, user: { odd: "日本\u0000\n😀" } }
      })),
      expected
    )
  )

const odd: ReadonlyArray<Json> = [null, true, -0.5, 1e21, "a\u0000b\u2028\n\r😀\ud800", [], { "": [{ "$.'\"": null }] }]

/** A log of several streams, interleaved, some with a forgotten beginning, one deleted. */
const seed = Effect.gen(function* () {
  const store = yield* EventStore
  yield* append("order/1", odd, 0)
  yield* append("order/2", ["first"], 0)
  yield* append("order/1", ["later"], odd.length)
  yield* append("gone/1", ["x"], 0)
  for (let version = 0; version < 1200; version += 300)
    yield* append(
      "long",
      Array.from({ length: 300 }, () => 1),
      version
    )
  yield* append("order/2", ["second", "third"], 1)
  yield* store.truncateBefore("long" as StreamId, 1150)
  yield* store.truncateBefore("order/2" as StreamId, 3)
  yield* store.delete("gone/1" as StreamId)
  const persistence = yield* Persistence
  yield* persistence.putAll([
    { collection: "kept", id: "a", body: { n: 1 } },
    { collection: "kept", id: "b", body: { n: 2 } },
    { collection: "left", id: "c", body: { n: 3 } }
  ])
})

const portable = ({ position: _, ...event }: StoredEvent) => event

const log = EventStore.use((store) => Effect.map(Stream.runCollect(store.readAll()), (events) => events.map(portable)))

const exported = (options?: LogExport.Options) =>
  Effect.map(Stream.runCollect(LogExport.lines(options)), (lines) => lines)

const imported = (lines: ReadonlyArray<string>) => LogImport.run(Stream.fromIterable(lines))

for (const { layer, name } of backends) {
  describe(`LogImport: ${name}`, () => {
    it.effect("X1, X5: an export reads the same wherever it is imported, and again", () =>
      Effect.gen(function* () {
        const state = Memory.makeState()
        const [lines, original] = yield* within(state)(
          Effect.andThen(seed, Effect.all([exported({ documents: ["kept"] }), log]))
        )
        yield* Effect.gen(function* () {
          const first = yield* imported(lines)
          assert.deepStrictEqual(first, { events: original.length, known: 0, documents: 2, kept: 0, barred: [] })
          assert.deepStrictEqual(yield* log, original)
          const again = yield* imported(lines)
          assert.deepStrictEqual(again, { events: 0, known: original.length, documents: 0, kept: 2, barred: [] })
          assert.deepStrictEqual(yield* log, original)
          assert.strictEqual(yield* EventStore.use((store) => store.version("long" as StreamId)), 1200)
          const documents = yield* Persistence.use((persistence) => persistence.query("kept"))
          assert.deepStrictEqual(
            documents.map(({ body, id }) => [id, body]),
            [
              ["a", { n: 1 }],
              ["b", { n: 2 }]
            ]
          )
          // And on: back to where it came from, nothing is new.
          const back = yield* exported({ documents: ["kept"] })
          assert.strictEqual((yield* within(state)(imported(back))).events, 0)
        }).pipe(Effect.provide(layer, { local: true }))
      })
    )
  })
}

describe("LogImport", () => {
  it.effect("exports follow one another, and may be of some streams only", () =>
    Effect.gen(function* () {
      const state = Memory.makeState()
      const source = within(state)
      const whole = yield* source(Effect.andThen(append("order/1", [1, 2], 0), exported()))
      const { head } = yield* LogImport.verify(Stream.fromIterable(whole))
      const rest = yield* source(
        Effect.all([append("order/1", [3], 2), append("other/1", [4], 0)]).pipe(
          Effect.andThen(exported({ after: head, streamPrefix: "order/" }))
        )
      )
      const gap = yield* fresh(Effect.flip(imported(rest)))
      assert.strictEqual(
        gap.message,
        `Line 2 of the exported log: event 3 of stream "order/1" has no predecessor in this store: import the part of the log before it first.`
      )
      const both = yield* fresh(Effect.andThen(imported(whole), Effect.andThen(imported(rest), log)))
      assert.deepStrictEqual(both, (yield* source(log)).slice(0, 3))
    })
  )

  it.effect("X3: what the store contradicts is named, and stays as it is", () =>
    Effect.gen(function* () {
      const lines = yield* fresh(Effect.andThen(append("order/1", [1, 2, 3], 0), exported()))
      yield* fresh(
        Effect.gen(function* () {
          yield* append("order/1", [9], 0)
          const before = yield* log
          const error = yield* Effect.flip(imported(lines))
          assert.strictEqual(
            error.message,
            `Line 2 of the exported log: event 1 of stream "order/1" is another one in this store.`
          )
          assert.deepStrictEqual(yield* log, before)
        })
      )
      yield* fresh(
        Effect.gen(function* () {
          yield* imported(lines)
          yield* EventStore.use((store) => store.truncateBefore("order/1" as StreamId, 3))
          assert.deepInclude(yield* imported(lines), { events: 0, known: 3 })
          yield* EventStore.use((store) => store.delete("order/1" as StreamId))
          assert.deepInclude(yield* imported(lines), { events: 0, barred: ["order/1" as StreamId] })
          assert.deepStrictEqual(yield* log, [])
        })
      )
    })
  )

  it.effect("X4: a torn or changed file is told, with its line", () =>
    Effect.gen(function* () {
      const lines = yield* fresh(Effect.andThen(append("order/1", [1, 2], 0), exported()))
      const text = lines.join("")
      const broken: ReadonlyArray<readonly [text: string, line: number, why: RegExp]> = [
        ["", 1, /ends before the end/],
        [lines[0]!, 2, /ends before the end/],
        [lines.slice(0, 2).join(""), 3, /ends before the end/],
        [text.slice(0, lines[0]!.length + 40), 2, /is no JSON/],
        [lines.slice(1).join(""), 1, /does not begin/],
        [text.replace(`"format":1`, `"format":2`), 1, /format 2/],
        [text.replace(`"data":2`, `"data":3`), 4, /was changed/],
        [[lines[0], lines[2], lines[3]].join(""), 3, /counts 2 events/],
        [text.replace(`"type":"Type 1"`, `"type":""`), 3, /neither an event/],
        [`${text}{"event":{}}`, 5, /after the end/],
        [`${text}\n`, 5, /is no JSON/]
      ]
      for (const [text, line, why] of broken) {
        const pieces = Stream.fromIterable<string>(text.match(/[^]{1,7}/g) ?? [])
        for (const error of [
          yield* Effect.flip(LogImport.verify(pieces)),
          yield* fresh(Effect.flip(LogImport.run(pieces)))
        ]) {
          assert.strictEqual(error._tag, "LogFileInvalid", error.message)
          assert.include(error.message, `Line ${line} `)
          assert.match(error.message, why)
        }
      }
      assert.deepInclude(yield* LogImport.verify(Stream.make(text.trimEnd())), { events: 2, documents: 0 })
    })
  )

  it.effect("X2: stopped at any mutation of the store, and made again, it ends the same", () =>
    Effect.gen(function* () {
      const source = Memory.makeState()
      const [lines, original] = yield* within(source)(
        Effect.andThen(seed, Effect.all([exported({ documents: ["kept"] }), log]))
      )
      let crashed = 0
      for (let stop = 1; stop < 40; stop++) {
        for (const when of ["before", "after"] as const) {
          const target = Memory.makeState()
          const exit = yield* Effect.exit(
            imported(lines).pipe(Effect.provide(dyingStores(target, stop, when), { local: true }))
          )
          if (Exit.isFailure(exit)) crashed++
          yield* within(target)(imported(lines))
          assert.deepStrictEqual(yield* within(target)(log), original, `stopped ${when} mutation ${stop}`)
          if (Exit.isSuccess(exit)) stop = 40
        }
      }
      assert.isAtLeast(crashed, 10)
    })
  )

  const Small = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 4 }))
  const Move = Schema.Struct({ stream: Small, count: Small, keep: Small, cut: Schema.Boolean })

  it.effect.prop(
    "X1, X2: any log, imported in any two pieces and then whole",
    [Schema.Array(Move), Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 30 }))],
    ([moves, stop]) =>
      Effect.gen(function* () {
        const source = within(Memory.makeState())
        const versions = new Map<string, number>()
        for (const { count, cut, keep, stream } of moves) {
          const name = `s/${stream}`
          const version = versions.get(name) ?? 0
          yield* source(
            append(
              name,
              Array.from({ length: count }, (_, n) => n),
              version
            )
          )
          versions.set(name, version + count)
          if (cut) yield* source(EventStore.use((store) => store.truncateBefore(name as StreamId, version + keep)))
        }
        const [lines, original] = yield* source(Effect.all([exported(), log]))
        yield* fresh(
          Effect.gen(function* () {
            const torn = yield* Effect.exit(imported(lines.slice(0, stop)))
            assert.strictEqual(Exit.isFailure(torn), stop < lines.length)
            yield* imported(lines)
            assert.deepStrictEqual(yield* log, original)
          })
        )
      })
  )
})

it.effect("X1: events lie in the order of the file, also in a store that takes several batches at a time", () =>
  Effect.gen(function* () {
    const state = Memory.makeState()
    const count = 300
    const file = yield* Effect.gen(function* () {
      for (let n = 0; n < count; n++) yield* append(`order/${n}`, [n], 0)
      return yield* exported()
    }).pipe(within(Memory.makeState()))
    let calls = 0
    // Every other batch takes longer than the one after it.
    const parallel = Layer.effect(
      EventStoreDriver,
      Effect.map(EventStoreDriver, (driver) => ({
        ...driver,
        parallelAppends: 2,
        append: (requests) => {
          const pause = Effect.forEach(Array(calls++ % 2 === 0 ? 50 : 0), () => Effect.yieldNow)
          return Effect.andThen(pause, driver.append(requests))
        }
      }))
    ).pipe(Layer.provideMerge(Memory.storesOf(state)))
    yield* Effect.provide(
      LogImport.run(Stream.fromIterable(file)),
      EventStoreLayer.layer.pipe(Layer.provideMerge(parallel))
    )
    const events = yield* within(state)(log)
    assert.deepStrictEqual(
      events.map(({ stream }) => stream),
      Array.from({ length: count }, (_, n) => `order/${n}`)
    )
  })
)
