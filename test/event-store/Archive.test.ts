import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import * as Memory from "../../src/backends/Memory.ts"
import * as Archive from "../../src/event-store/Archive.ts"
import type { StoredEvent, StreamId } from "../../src/event-store/Envelope.ts"
import { EventStore } from "../../src/event-store/EventStore.ts"
import type { EventStoreError } from "../../src/event-store/EventStoreError.ts"
import * as LogImport from "../../src/event-store/LogImport.ts"
import { backends } from "../backends.ts"
import { dyingStores, fresh, within } from "./dyingStores.ts"

const id = (name: string) => name as StreamId
const ids = (...names: ReadonlyArray<string>) => names.map(id)
const day = 86_400_000

const append = (stream: string, types: ReadonlyArray<string>, timestamp: number, expected: number) =>
  EventStore.use((store) =>
    store.append(
      id(stream),
      types.map((type) => ({ type, data: { type }, meta: { timestamp } })),
      expected
    )
  )

const policy: Archive.Policy = {
  streamPrefix: "run/",
  finishedBy: ["Done", "Failed"],
  olderThan: "10 days",
  keep: "nothing",
  companions: (stream) => [id(stream.replace("run/", "inbox/"))]
}

/** A day 100, and streams that finished on other days. */
const seed = Effect.gen(function* () {
  yield* TestClock.setTime(100 * day)
  yield* append("inbox/old", ["Sent", "Sent"], 79 * day, 0)
  yield* append("run/old", ["Began", "Worked", "Done"], 80 * day, 0)
  yield* append(
    "run/long",
    Array.from({ length: 250 }, () => "Worked"),
    80 * day,
    0
  )
  yield* append("run/long", ["Failed"], 81 * day, 250)
  yield* append("run/reopened", ["Began", "Done", "Began"], 80 * day, 0)
  yield* append("run/young", ["Began", "Done"], 95 * day, 0)
  yield* append("order/old", ["Done"], 80 * day, 0)
  yield* append("run/bare", ["Done"], 82 * day, 0)
})

const log = EventStore.use((store) => Stream.runCollect(store.readAll()))
const ofStream = (events: ReadonlyArray<StoredEvent>, stream: string) =>
  events.filter((event) => event.stream === stream)
const archived = (stream: string) => Stream.runCollect(Archive.read(id(stream)))
const names = (events: ReadonlyArray<StoredEvent>): ReadonlyArray<string> => [
  ...new Set(events.map(({ stream }) => stream))
]

for (const { layer, name } of backends) {
  describe(`Archive: ${name}`, () => {
    it.effect("R3, R4: finished streams that are old move into the archive, and nothing else does", () =>
      Effect.gen(function* () {
        yield* seed
        const before = yield* log
        const swept = yield* Archive.sweep(policy, Archive.documents)
        assert.deepStrictEqual(swept.streams, ids("run/old", "run/long", "run/bare"))
        assert.isTrue(swept.complete)
        assert.deepStrictEqual(names(yield* log), ["run/reopened", "run/young", "order/old"])
        for (const stream of ["run/old", "run/long", "run/bare", "inbox/old"]) {
          assert.deepStrictEqual(yield* archived(stream), ofStream(before, stream))
        }
        assert.deepStrictEqual(yield* archived("run/young"), [])
        assert.deepStrictEqual((yield* Archive.sweep(policy, Archive.documents)).streams, ids())
        yield* TestClock.adjust("6 days")
        const next = yield* Archive.sweep(policy, Archive.documents, { after: swept.next })
        assert.deepStrictEqual(next.streams, ids("run/young"))
        yield* Archive.forget(id("run/young"))
        assert.deepStrictEqual(yield* archived("run/young"), [])
      }).pipe(Effect.provide(layer))
    )

    it.effect("of a stream that keeps its last event, version and end stay known; it may go on, and come again", () =>
      Effect.gen(function* () {
        yield* seed
        const keeping: Archive.Policy = { ...policy, keep: "lastEvent" }
        const before = yield* log
        assert.deepStrictEqual((yield* Archive.sweep(keeping, Archive.documents)).streams, ids("run/old", "run/long"))
        assert.deepStrictEqual((yield* Archive.sweep(keeping, Archive.documents)).streams, ids())
        const kept = ofStream(yield* log, "run/old")
        assert.deepStrictEqual(
          kept.map(({ type, version }) => [type, version]),
          [["Done", 3]]
        )
        yield* append("run/old", ["Began", "Done"], 81 * day, 3)
        const after = yield* log
        assert.deepStrictEqual((yield* Archive.sweep(keeping, Archive.documents)).streams, ids("run/old"))
        assert.deepStrictEqual(yield* archived("run/old"), [
          ...ofStream(before, "run/old"),
          ...ofStream(after, "run/old").slice(1)
        ])
      }).pipe(Effect.provide(layer))
    )
  })
}

describe("Archive", () => {
  it.effect(
    "R1, R2: stopped at any mutation, every event is in the log or in the archive, and the next sweep ends it",
    () =>
      Effect.gen(function* () {
        let crashed = 0
        for (const keep of ["nothing", "lastEvent"] as const) {
          crashed += yield* stoppedAnywhere("before", { ...policy, keep })
          crashed += yield* stoppedAnywhere("after", { ...policy, keep })
        }
        assert.isAtLeast(crashed, 30)
      })
  )

  it.effect("R3: a stream that gets an event while it is archived is left for another time", () =>
    Effect.gen(function* () {
      yield* seed
      const sink = (stream: StreamId, events: Stream.Stream<StoredEvent, EventStoreError>) =>
        Effect.tap(Archive.documents(stream, events), () =>
          stream === "run/old" ? append("run/old", ["Reopened"], 99 * day, 3) : Effect.void
        )
      const swept = yield* Archive.sweep({ ...policy, companions: () => [] }, sink)
      assert.deepStrictEqual(swept.streams, ids("run/long", "run/bare"))
      assert.strictEqual(ofStream(yield* log, "run/old").length, 4)
      assert.isBelow(swept.next, 5)
    }).pipe(fresh)
  )

  it.effect("sweeps may be short, and go on where the last one ended", () =>
    Effect.gen(function* () {
      yield* seed
      const streams: Array<string> = []
      let after = 0
      for (const complete of [false, false, true]) {
        const swept = yield* Archive.sweep(policy, Archive.documents, { after, limit: 1 })
        assert.strictEqual(swept.complete, complete)
        streams.push(...swept.streams)
        after = swept.next
      }
      assert.deepStrictEqual(streams, ["run/old", "run/long", "run/bare"])
    }).pipe(fresh)
  )

  it.effect("an archive of lines is imported elsewhere", () =>
    Effect.gen(function* () {
      const files = new Map<string, ReadonlyArray<string>>()
      const sink = Archive.lines((stream, text) =>
        Effect.map(Stream.runCollect(text), (lines) => files.set(stream, lines))
      )
      const before = yield* fresh(
        Effect.gen(function* () {
          yield* seed
          const before = yield* log
          yield* Archive.sweep(policy, sink)
          return before
        })
      )
      assert.deepStrictEqual([...files.keys()], ["inbox/old", "run/old", "run/long", "run/bare"])
      yield* fresh(
        Effect.gen(function* () {
          for (const lines of files.values()) yield* LogImport.run(Stream.fromIterable(lines))
          const types = ofStream(yield* log, "run/long").map(({ id, version }) => [id, version])
          assert.deepStrictEqual(
            types,
            ofStream(before, "run/long").map(({ id, version }) => [id, version])
          )
        })
      )
    })
  )
})

const everythingIsKept = (before: ReadonlyArray<StoredEvent>) =>
  Effect.gen(function* () {
    const now = new Map((yield* log).map((event) => [event.id, event]))
    for (const stream of names(before)) {
      for (const event of yield* archived(stream)) now.set(event.id, event)
    }
    for (const event of before) assert.deepStrictEqual(now.get(event.id), event)
  })

/** Stops a sweep at each of its mutations, looks, and makes it again. Answers how often. */
const stoppedAnywhere = (when: "before" | "after", policy: Archive.Policy) =>
  Effect.gen(function* () {
    const sweep = Archive.sweep(policy, Archive.documents)
    const ended = policy.keep === "nothing" ? [] : ["run/old", "run/long", "run/bare"]
    for (let stop = 1; ; stop++) {
      const state = Memory.makeState()
      const before = yield* within(state)(Effect.andThen(seed, log))
      const exit = yield* Effect.exit(Effect.provide(sweep, dyingStores(state, stop, when), { local: true }))
      yield* within(state)(
        Effect.gen(function* () {
          yield* everythingIsKept(before)
          yield* sweep
          yield* everythingIsKept(before)
          const left = names(yield* log).filter((stream) => /^(run|inbox)/.test(stream))
          assert.sameMembers([...left], [...ended, "run/reopened", "run/young"], `${when} ${stop}`)
        })
      )
      if (Exit.isSuccess(exit)) return stop - 1
    }
  })
