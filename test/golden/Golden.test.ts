/** Every history that a release has written is read and replayed by this one, to the same outcome. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Stream } from "effect"
import * as OrchestrationEvent from "../../src/core/OrchestrationEvent.ts"
import { isEnd } from "../../src/durable/RunHistory.ts"
import type { StoredEvent } from "../../src/event-store/Envelope.ts"
import * as EventCodec from "../../src/event-store/EventCodec.ts"
import * as Memory from "../../src/backends/Memory.ts"
import { Parcels, Shipped } from "../cqrs/parcels.ts"
import { plainExit } from "../durable/program.ts"
import { programs } from "../durable/programs.ts"
import { all, logOf, remember } from "./golden.ts"
import { carryOut } from "./runs.ts"

const runs = all("runs")
const codec = EventCodec.make(OrchestrationEvent.OrchestrationEvent)

/** What the engine adds when it takes a run over, before the run goes on. */
const takeover = new Set(["RunRecovered", "RunPaused"])

const withoutStack = (data: unknown): unknown =>
  JSON.parse(JSON.stringify(data, (key, value: unknown) => (key === "stack" ? undefined : value)))

const streamsOf = (events: ReadonlyArray<StoredEvent>): ReadonlyMap<string, ReadonlyArray<StoredEvent>> => {
  const streams = new Map<string, Array<StoredEvent>>()
  for (const event of events) streams.set(event.stream, [...(streams.get(event.stream) ?? []), event])
  return streams
}

describe("golden runs", () => {
  it("there are some of each program, at least of the first release", () =>
    assert.includeMembers(
      runs.filter(({ release }) => release === "0.1").map(({ name }) => name),
      ["saga", "signals", "task-graph", "continued-as-new", "child", "patched", "cancelled-saga", "supervisor"]
    ))

  for (const { events, name, release } of runs) {
    it(`${release}: ${name}: every event decodes`, () => {
      for (const event of events) {
        const decoded = codec.decode(event)
        assert.isTrue(Result.isSuccess(decoded), Result.isFailure(decoded) ? decoded.failure.message : "")
      }
    })

    it.effect(`${release}: ${name}: replays to its outcome, and no step runs again`, () =>
      Effect.gen(function* () {
        const program = programs.find((one) => one.name.replaceAll(" ", "-") === name)
        assert.isDefined(program, "the program of a golden history must stay; write another one instead of changing it")
        const made = program!.make()
        // As the log was right before its runs ended.
        const state = yield* remember(events.filter(({ type }) => !isEnd(type)))
        const { exit, problems } = yield* carryOut(made, state, Effect.void)
        assert.isDefined(exit, "it waits for something that never comes")
        assert.deepStrictEqual(plainExit(exit!), plainExit(made.expected))
        assert.deepStrictEqual(problems, [])
        assert.deepStrictEqual(made.outside, [])
        const after = streamsOf(yield* logOf(state))
        for (const [stream, before] of streamsOf(events)) {
          const shape = ({ data, meta, type }: StoredEvent) => ({ type, path: meta.path, data: withoutStack(data) })
          const now = after.get(stream)!.filter(({ type }) => !takeover.has(type))
          const written = before.filter(({ type }) => !takeover.has(type))
          // A run that had not ended when the recording did goes on from there.
          const isOpen = !before.some(({ type }) => isEnd(type))
          assert.deepStrictEqual((isOpen ? now.slice(0, written.length) : now).map(shape), written.map(shape))
        }
      })
    )
  }
})

describe("golden streams", () => {
  const streams = all("streams")

  it("there are some", () => assert.isAbove(streams.length, 0))

  for (const { events, name, release } of streams) {
    it.effect(`${release}: ${name}: is read as what it means today`, () =>
      Effect.gen(function* () {
        const state = yield* remember(events)
        const read = yield* Stream.runCollect(Parcels.read("1")).pipe(
          Effect.provide(Memory.storesOf(state), { local: true })
        )
        assert.deepStrictEqual(
          read.map(({ event }) => event),
          [2, 7, 2, 7].map((kilos) => Shipped.make({ grams: kilos * 1000, carrier: kilos > 5 ? "freight" : "post" }))
        )
        const { meta } = read[0]!.stored
        assert.deepStrictEqual(meta, { timestamp: 1, correlationId: "c", causationId: "d", user: { by: "ann" } })
      })
    )
  }
})
