/** Fibers that a program forks end with what they were forked in: with their transaction, and with their run. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Schema } from "effect"
import { Orchestration, Saga, Step, Timer } from "../../src/index.ts"
import { Simulation } from "../../src/testing/index.ts"
import { everywhere } from "./everywhere.ts"
import * as Trial from "./fuzz/Trial.ts"
import type { Tree } from "./fuzz/Tree.ts"
import { define, type Program, Refused, type World } from "./program.ts"

const undoable = ({ agent }: World, name: string, options: { readonly takes?: string } = {}) =>
  agent(name, options)
    .run({ text: "1" })
    .pipe(Saga.undo(() => agent(`undo ${name}`).run({ text: "1" })))

const forked = <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.forkChild(Step.keyed("forked")(self))

const programs: ReadonlyArray<Program> = [
  define(
    "a forked step that is not done when its transaction fails",
    (here) =>
      Effect.gen(function* () {
        yield* forked(undoable(here, "slow", { takes: "3 seconds" }))
        yield* undoable(here, "quick", { takes: "1 second" })
        return yield* here.agent("bad", { fails: true, takes: "1 second" }).run({ text: "1" })
      }).pipe(Saga.transaction("trip")),
    { expected: Exit.fail(new Refused({ what: "bad" })), effects: ["quick 1", "undo quick 1"] }
  ),

  define(
    "a forked step that is done when its transaction fails",
    (here) =>
      Effect.gen(function* () {
        yield* forked(undoable(here, "quick", { takes: "1 second" }))
        return yield* here.agent("bad", { fails: true, takes: "2 seconds" }).run({ text: "1" })
      }).pipe(Saga.transaction("trip")),
    { expected: Exit.fail(new Refused({ what: "bad" })), effects: ["quick 1", "undo quick 1"] }
  ),

  define(
    "a forked step that its transaction has no use for",
    (here) =>
      Effect.gen(function* () {
        yield* forked(undoable(here, "slow", { takes: "3 seconds" }))
        return yield* undoable(here, "quick", { takes: "1 second" })
      }).pipe(
        Saga.transaction("trip"),
        Effect.flatMap((text) => here.agent("after", { takes: "1 hour" }).run({ text }))
      ),
    { expected: Exit.succeed("after(quick(1))"), effects: ["after quick(1)", "quick 1"] }
  ),

  define(
    "a forked transaction that its program leaves behind",
    (here) =>
      Effect.gen(function* () {
        yield* undoable(here, "quick").pipe(Effect.andThen(Timer.sleep("1 day")), Saga.transaction("trip"), forked)
        return yield* here.agent("b", { takes: "1 second" }).run({ text: "1" })
      }),
    { expected: Exit.succeed("b(1)"), effects: ["b 1", "quick 1", "undo quick 1"] }
  )
]

for (const program of programs) everywhere(program)

describe("a transaction outside of every run", () => {
  it.effect("waits for a forked fiber that cannot be interrupted, and undoes what that has done, before it fails", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const gate = yield* Deferred.make<void>()
      const transaction = yield* Effect.uninterruptible(Deferred.await(gate)).pipe(
        Saga.undo(() => Effect.sync(() => log.push("undone"))),
        Effect.uninterruptible,
        Effect.forkChild({ startImmediately: true }),
        Effect.andThen(Effect.fail(new Refused({ what: "bad" }))),
        Saga.transaction("trip"),
        Effect.onExit(() => Effect.sync(() => log.push("failed"))),
        Effect.flip,
        Effect.forkChild({ startImmediately: true })
      )
      assert.deepStrictEqual(log, [])
      yield* Deferred.succeed(gate, undefined)
      assert.deepStrictEqual(yield* Fiber.join(transaction), new Refused({ what: "bad" }))
      assert.deepStrictEqual(log, ["undone", "failed"])
    })
  )

  it.effect("interrupts what was forked in it before it undoes, and before it succeeds", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const program = (last: Effect.Effect<void, Refused>) =>
        Effect.void.pipe(
          Saga.undo(() => Effect.sync(() => log.push("undone"))),
          Effect.andThen(
            Effect.forkChild(
              Effect.onInterrupt(Effect.never, () => Effect.sync(() => log.push("interrupted"))),
              { startImmediately: true }
            )
          ),
          Effect.andThen(last),
          Saga.transaction("trip"),
          Effect.exit,
          Effect.andThen(Effect.sync(() => log.push("ended")))
        )
      yield* program(Effect.fail(new Refused({ what: "bad" })))
      assert.deepStrictEqual(log.splice(0), ["interrupted", "undone", "ended"])
      yield* program(Effect.void)
      assert.deepStrictEqual(log, ["interrupted", "ended"])
    })
  )

  it.effect("stays uninterruptible where it is", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      yield* Effect.withFiber((fiber) => Effect.sync(() => fiber.interruptUnsafe())).pipe(
        Effect.andThen(Effect.yieldNow),
        Effect.andThen(Effect.sync(() => log.push("done"))),
        Saga.transaction("trip"),
        Effect.uninterruptible,
        Effect.exit
      )
      assert.deepStrictEqual(log, ["done"])
    })
  )
})

const node = (kind: Tree["kind"], id: number, options: { size?: number; kids?: ReadonlyArray<Tree> } = {}): Tree => ({
  kind,
  id,
  size: options.size ?? 0,
  kids: options.kids ?? []
})

describe("whatever happens meanwhile", () => {
  /** Left behind by a program that is cancelled, or that ends first. */
  const leftBehind = [3, 6].map((size) =>
    node("Fork", 1, {
      size,
      kids: [node("Saga", 2, { kids: [node("Undoable", 3, { size: 4 })] })]
    })
  )
  const beside = node("Saga", 0, {
    size: 1,
    kids: [node("All", 1, { kids: [node("Fork", 2, { size: 6, kids: [node("Undoable", 3)] }), node("Fail", 4)] })]
  })

  it.effect("a forked step is undone with its transaction, and before its run has ended", () =>
    Effect.gen(function* () {
      for (const tree of [...leftBehind, beside]) {
        for (let cancelAfter = 0; cancelAfter < 8; cancelAfter++) {
          const cancelled = { ...Trial.calm, cancelAfter: cancelAfter === 0 ? undefined : cancelAfter }
          for (const seed of [undefined, 1, 2, 3, 4, 5]) {
            const live = yield* Trial.run(tree, { ...cancelled, seed })
            const replayed = yield* Trial.run(tree, { ...cancelled, seed, alwaysReplay: true })
            assert.isUndefined(live.wrong ?? replayed.wrong, `seed ${seed}, cancelled after ${cancelAfter}`)
          }
          for (let mutation = 3; mutation < 12; mutation++) {
            const { wrong } = yield* Trial.run(tree, { ...cancelled, crashes: [{ mutation, when: "after" }] })
            assert.isUndefined(wrong, `crashed after ${mutation}, cancelled after ${cancelAfter}`)
          }
        }
      }
    })
  )

  it.effect("memory that is thrown away takes what was under way in a forked fiber along", () =>
    Effect.gen(function* () {
      const tree = node("Fork", 1, { kids: [node("Reconciled", 2, { size: 5 })] })
      for (const seed of [undefined, 810276, 352855, 1, 2, 3]) {
        const { wrong } = yield* Trial.run(tree, { ...Trial.calm, seed, alwaysReplay: true })
        assert.isUndefined(wrong, `seed ${seed}`)
      }
    })
  )

  it.effect("memory that is thrown away waits for what cannot be interrupted", () =>
    Effect.gen(function* () {
      let [atWork, most] = [0, 0]
      const long = Step.run("long", {
        output: Schema.Void,
        run: () =>
          Effect.gen(function* () {
            most = Math.max(most, ++atWork)
            yield* Effect.sleep("5 minutes")
            atWork--
          }).pipe(Effect.uninterruptible)
      })
      const orchestration = Orchestration.make("Long", {
        input: {},
        output: Schema.Void,
        run: () =>
          Effect.gen(function* () {
            const fiber = yield* forked(long)
            yield* Step.now
            yield* Fiber.join(fiber)
          })
      })
      const scenario = Effect.flatMap(orchestration.start({}, { key: "one" }), (handle) => handle.await)
      const plan = { seed: undefined, crashes: [], engine: { alwaysReplay: true } }
      const { exit, problems } = yield* Simulation.run(orchestration, scenario, plan)
      assert.deepStrictEqual([exit, problems, most], [Exit.void, [], 1])
    })
  )

  it.effect("a child is cancelled with its parent, also by an owner that did not start it", () =>
    Effect.gen(function* () {
      const tree = node("Child", 1, {
        kids: [node("Seq", 2, { kids: [node("Sleep", 3, { size: 5 }), node("Say", 4)] })]
      })
      for (let cancelAfter = 1; cancelAfter < 4; cancelAfter++) {
        for (let mutation = 3; mutation < 14; mutation++) {
          for (const when of ["before", "after"] as const) {
            const { wrong } = yield* Trial.run(tree, { ...Trial.calm, cancelAfter, crashes: [{ mutation, when }] })
            assert.isUndefined(wrong, `crashed ${when} ${mutation}, cancelled after ${cancelAfter}`)
          }
        }
      }
    })
  )
})
