import { assert, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, Layer, Schedule, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../src/backends/Memory.ts"
import { Agent, Engine, Orchestration, Saga, Signal, Task } from "../../src/index.ts"

class SoldOut extends Schema.TaggedError<SoldOut>()("SoldOut", {}) {}
const once = { retry: Schedule.recurs(0) }

it.effect("P4 typed failure of parallel group + failing compensation is CompensationFailed", () => Effect.gen(function*() {
  const exit = yield* Effect.exit(Effect.gen(function*() {
    yield* Effect.void.pipe(Saga.undo(() => Effect.fail("no"), { name: "a" }))
    yield* Effect.all([Effect.andThen(Effect.yieldNow, Effect.fail(new SoldOut())), Effect.never], { concurrency: 2 })
  }).pipe(Saga.transaction("t", once)))
  assert.isTrue(Exit.isFailure(exit))
  if (Exit.isFailure(exit)) assert.deepStrictEqual(exit.cause.reasons.map((r) => r._tag === "Fail" ? (r.error as any)._tag : r._tag), ["CompensationFailed"])
}))

it.effect("P4b fail with interrupts in one cause", () => Effect.gen(function*() {
  const exit = yield* Effect.exit(Effect.gen(function*() {
    yield* Effect.void.pipe(Saga.undo(() => Effect.fail("no"), { name: "a" }))
    yield* Effect.failCause(Cause.combine(Cause.fail(new SoldOut()), Cause.interrupt(1)))
  }).pipe(Saga.transaction("t", once)))
  if (Exit.isFailure(exit)) assert.deepStrictEqual(exit.cause.reasons.map((r) => r._tag === "Fail" ? (r.error as any)._tag : r._tag), ["CompensationFailed"])
}))

it.effect("P3 forked child registers late", () => Effect.gen(function*() {
  const log: Array<string> = []
  const gate = yield* Deferred.make<void>()
  yield* Effect.gen(function*() {
    yield* Effect.forkChild(Effect.andThen(Deferred.await(gate), Effect.sync(() => void log.push("late"))).pipe(Saga.undo(() => Effect.sync(() => void log.push("undo late")))), { startImmediately: true })
    yield* Effect.fail(new SoldOut())
  }).pipe(Saga.transaction("t", once), Effect.exit)
  yield* Deferred.succeed(gate, undefined)
  for (let i = 0; i < 10; i++) yield* Effect.yieldNow
  assert.deepStrictEqual(log, ["late", "undo late"])
}))

const Word = Schema.Struct({ word: Schema.String })
const Note = Task.make("Note", { input: Word, output: Word, error: SoldOut })
const leaf = (name: string, run: (w: string) => Effect.Effect<unknown, SoldOut, never>) => Agent.make(name, { task: Note, run: (i) => Effect.as(run(i.word), i) })

it.effect("P1 inner transaction in the body of a step", () => Effect.gen(function*() {
  const log: Array<string> = []
  const say = (s: string) => Effect.sync(() => void log.push(s))
  const body = leaf("body", () => say("x").pipe(Saga.undo(() => say("undo x")), Saga.transaction("inner"), Effect.orDie))
  const fail = leaf("fail", () => Effect.fail(new SoldOut()))
  const O = Orchestration.make("O", { input: {}, output: Word, error: Schema.Union([SoldOut, Saga.CompensationFailed]), key: () => "k",
    run: () => Effect.gen(function*() {
      yield* body.run({ word: "w" }).pipe(Saga.undo(() => say("undo body")))
      return yield* fail.run({ word: "w" })
    }).pipe(Saga.transaction("outer"), Effect.catchTag("ContractViolation", Effect.die)) })
  yield* Effect.gen(function*() {
    const h = yield* O.start({})
    yield* Effect.exit(h.await)
  }).pipe(Effect.provide(O.layer.pipe(Layer.provideMerge(Memory.layer))))
  assert.deepStrictEqual(log, ["x", "undo body"])
}))

it.live("P13 engine stops while a compensation waits", () => Effect.gen(function*() {
  const log: Array<string> = []
  const seat = leaf("seat", () => Effect.sync(() => void log.push("seat")))
  const release = leaf("release", () => Effect.andThen(Effect.sync(() => void log.push("release")), Effect.fail(new SoldOut())))
  const fail = leaf("fail", () => Effect.fail(new SoldOut()))
  const O = Orchestration.make("O", { input: {}, output: Word, error: Schema.Union([SoldOut, Saga.CompensationFailed]), key: () => "k",
    run: () => Effect.gen(function*() {
      yield* seat.run({ word: "w" }).pipe(Saga.undo((v) => release.run(v), { retry: Schedule.spaced("1 hour") }))
      return yield* fail.run({ word: "w" })
    }).pipe(Saga.transaction("outer"), Effect.catchTag("ContractViolation", Effect.die)) })
  yield* Effect.gen(function*() {
    yield* O.start({})
    while (!log.includes("release")) yield* Effect.yieldNow
    yield* Effect.sleep(50)
  }).pipe(Effect.provide(O.layer.pipe(Layer.provideMerge(Memory.layer))), Effect.forkDetach, Effect.flatMap((f) => Effect.andThen(Effect.sleep(1500), Effect.sync(() => assert.isDefined(f.pollUnsafe(), "hangs")))))
}), 6000)

it.effect("P2 lost owner during compensation: plain compensations", () => Effect.gen(function*() {
  const log: Array<string> = []
  const state = Memory.makeState()
  const gate = yield* Deferred.make<void>()
  const seat = leaf("seat", () => Effect.sync(() => void log.push("seat")))
  const release = leaf("release", () => Effect.andThen(Effect.sync(() => void log.push("release")), Deferred.await(gate)))
  const fail = leaf("fail", () => Effect.fail(new SoldOut()))
  const O = Orchestration.make("O", { input: {}, output: Word, error: Schema.Union([SoldOut, Saga.CompensationFailed]), key: () => "k",
    run: () => Effect.gen(function*() {
      yield* seat.run({ word: "w" }).pipe(Saga.undo(() => Effect.sync(() => void log.push("plain"))))
      yield* seat.run({ word: "w" }).pipe(Saga.undo((v) => release.run(v)))
      return yield* fail.run({ word: "w" })
    }).pipe(Saga.transaction("outer"), Effect.catchTag("ContractViolation", Effect.die)) })
  const f = yield* Effect.forkChild(Effect.gen(function*() {
    yield* O.start({})
    while (!log.includes("release")) yield* Effect.yieldNow
  }).pipe(Effect.provide(O.layer.pipe(Layer.provideMerge(Memory.layerOf(state))))))
  for (let i = 0; i < 300; i++) yield* Effect.yieldNow
  yield* Deferred.succeed(gate, undefined)
  yield* Fiber.join(f)
  assert.deepStrictEqual(log, ["seat", "seat", "release"])
}))
