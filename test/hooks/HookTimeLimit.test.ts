/** The time limit of a hook holds also where nothing in its handler can be interrupted. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Logger, Metric } from "effect"
import { TestClock } from "effect/testing"
import { Agent, Hook } from "../../src/index.ts"
import { executions, layerOf, speaker } from "./parts.ts"

const alice = speaker("alice").pipe(Agent.transform(Hook.hooked("talk")))
const stubborn = Effect.uninterruptible(Effect.never)

const lingering = (hook: string) =>
  Effect.map(
    Metric.snapshot,
    (all) =>
      all.find(({ attributes, id }) => id === "tutti_hooks_lingering" && attributes?.["hook"] === hook)?.state as
        | { readonly value: number }
        | undefined
  )

const logs = () => {
  const logged: Array<string> = []
  const logger = Logger.make<unknown, void>(
    ({ logLevel, message }) => void logged.push(`${logLevel} ${String(message)}`)
  )
  return { logged, layer: Logger.layer([logger]) }
}

describe("the time limit", () => {
  for (const phase of ["pre", "post"] as const) {
    it.effect(`is kept, and what goes on is counted and told of until it ends: ${phase}`, () =>
      Effect.gen(function* () {
        const { layer, logged } = logs()
        const name = `slow ${phase}`
        const slow = Effect.uninterruptible(Effect.sleep("2 seconds"))
        const options = { timeout: "50 millis" } as const
        const hook =
          phase === "pre"
            ? Hook.pre(name, { ...options, run: () => Effect.andThen(slow, Hook.refuse("too late")) })
            : Hook.post(name, { ...options, run: () => slow })
        yield* Effect.gen(function* () {
          const said = yield* Effect.forkChild(alice.run({ text: "a" }))
          yield* TestClock.adjust("49 millis")
          assert.isUndefined(said.pollUnsafe())
          yield* TestClock.adjust("1 millis")
          assert.deepStrictEqual(said.pollUnsafe(), Exit.succeed("alice(a)"))
          assert.strictEqual((yield* lingering(name))?.value, 1)
          const failed = `Warn Hook "${name}" (${phase}) of "alice": Failed, it did not finish within 50ms, and goes on although it was interrupted`
          const told = [`Warn An attempt of hook "${name}" goes on after its time: it is not waited for`, failed]
          assert.deepStrictEqual(logged, told)
          yield* TestClock.adjust("2 seconds")
          assert.strictEqual((yield* lingering(name))?.value, 0)
          assert.deepStrictEqual(logged.slice(2), [`Info An attempt of hook "${name}" that lingered has ended`])
          assert.deepStrictEqual(yield* executions, [`${name} alice Failed`])
        }).pipe(Effect.provide(layerOf([hook])), Effect.provide(layer))
      })
    )
  }

  it.effect("lets 16 attempts of a hook linger: no more is begun then, and other hooks are asked", () =>
    Effect.gen(function* () {
      let begun = 0
      const gate = yield* Deferred.make<void>()
      const stuck = Hook.pre("stuck", {
        timeout: "1 second",
        run: () =>
          Effect.suspend(() => {
            begun++
            return Effect.andThen(Effect.uninterruptible(Deferred.await(gate)), Hook.pass)
          })
      })
      const other = Hook.pre("other", { run: () => Hook.change({ text: "b" }) })
      yield* Effect.gen(function* () {
        for (let call = 1; call <= 18; call++) {
          const said = yield* Effect.forkChild(alice.run({ text: "a" }))
          // Where nothing is begun, nothing is waited for.
          yield* TestClock.adjust(call <= 16 ? "1 second" : 0)
          assert.deepStrictEqual(said.pollUnsafe(), Exit.succeed("alice(b)"))
        }
        assert.strictEqual(begun, 16)
        const [newest] = yield* Hook.Hooks.use((hooks) => hooks.executions)
        assert.deepInclude(newest, { hook: "stuck", outcome: "Failed" })
        assert.strictEqual(newest?.reason, "16 attempts of it go on after their time, so that no more is begun")
        yield* Deferred.succeed(gate, undefined)
        yield* TestClock.adjust(0)
        assert.strictEqual((yield* lingering("stuck"))?.value, 0)
        assert.strictEqual(yield* alice.run({ text: "a" }), "alice(b)")
        assert.strictEqual(begun, 17)
      }).pipe(Effect.provide(layerOf([stuck, other])))
    })
  )

  it.effect("holds for a caller that is interrupted: it waits no longer than that for the handler", () =>
    Effect.gen(function* () {
      const reached = yield* Deferred.make<void>()
      const stuck = Hook.pre("deaf", {
        timeout: "1 second",
        run: () => Effect.andThen(Deferred.succeed(reached, undefined), stubborn)
      })
      yield* Effect.gen(function* () {
        const said = yield* Effect.forkChild(alice.run({ text: "a" }))
        yield* Deferred.await(reached)
        const interrupted = yield* Effect.forkChild(Fiber.interrupt(said))
        yield* TestClock.adjust("999 millis")
        assert.isUndefined(interrupted.pollUnsafe())
        yield* TestClock.adjust("1 millis")
        assert.isDefined(interrupted.pollUnsafe())
        assert.strictEqual((yield* lingering("deaf"))?.value, 1)
      }).pipe(Effect.provide(layerOf([stuck])))
    })
  )

  it.effect("waits for what a handler that is interrupted does to end, as long as the caller is interrupted", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const reached = yield* Deferred.make<void>()
      const tidy = Hook.pre("tidy", {
        run: () =>
          Effect.andThen(Deferred.succeed(reached, undefined), Effect.never).pipe(
            Effect.ensuring(
              Effect.andThen(
                Effect.sleep("1 second"),
                Effect.sync(() => log.push("tidied up"))
              )
            )
          )
      })
      yield* Effect.gen(function* () {
        const said = yield* Effect.forkChild(alice.run({ text: "a" }))
        yield* Deferred.await(reached)
        const interrupted = yield* Effect.forkChild(Fiber.interrupt(said))
        yield* TestClock.adjust("1 second")
        assert.isDefined(interrupted.pollUnsafe())
        assert.deepStrictEqual(log, ["tidied up"])
        assert.isUndefined(yield* lingering("tidy"))
      }).pipe(Effect.provide(layerOf([tidy])))
    })
  )

  it.effect("of a hook through the queue frees its worker", () =>
    Effect.gen(function* () {
      const told: Array<string> = []
      const report = Hook.post("report late", {
        delivery: "queue",
        timeout: "1 second",
        retry: { times: 0 },
        run: ({ agent }) =>
          Effect.andThen(
            Effect.sync(() => told.push(agent)),
            agent === "alice" ? stubborn : Effect.void
          )
      })
      yield* Effect.gen(function* () {
        yield* alice.run({ text: "a" })
        yield* speaker("bob").run({ text: "a" }).pipe(Hook.hooked("talk"))
        while (told.length < 2) yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(told, ["alice", "bob"])
        assert.strictEqual((yield* lingering("report late"))?.value, 1)
      }).pipe(Effect.provide(layerOf([report], { concurrency: 1 })))
    })
  )
})

describe("the time limit of a session", () => {
  it.effect("H7: one that opens after it is closed at once, and not kept", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const late = Hook.session("late", {
        timeout: "1 second",
        open: () =>
          Effect.acquireRelease(
            Effect.andThen(
              Effect.sleep("3 seconds"),
              Effect.sync(() => log.push("open"))
            ),
            () => Effect.sync(() => log.push("closed"))
          )
      })
      yield* Effect.gen(function* () {
        const answer = yield* Effect.succeed("inside").pipe(
          Effect.tap(() => Effect.sleep("10 seconds")),
          Hook.hooked("talk"),
          Effect.forkChild
        )
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(yield* executions, ["late talk Failed"])
        assert.deepStrictEqual(log, [])
        yield* TestClock.adjust("2 seconds")
        assert.deepStrictEqual(log, ["open", "closed"])
        yield* TestClock.adjust("8 seconds")
        assert.strictEqual(yield* Fiber.join(answer), "inside")
        assert.deepStrictEqual(yield* executions, ["late talk Failed"])
      }).pipe(Effect.provide(layerOf([late])))
    })
  )

  it.effect("holds for closing it: that goes on by itself, and the others are closed", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const session = (name: string, closing: Effect.Effect<void>) =>
        Hook.session(name, {
          timeout: "1 second",
          open: () =>
            Effect.addFinalizer(() =>
              Effect.andThen(
                closing,
                Effect.sync(() => log.push(`${name} closed`))
              )
            )
        })
      const sessions = [session("a", Effect.void), session("b", Effect.sleep("1 minute"))]
      yield* Effect.gen(function* () {
        const answer = yield* Effect.succeed("inside").pipe(Hook.hooked("talk"), Effect.forkChild)
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(answer.pollUnsafe(), Exit.succeed("inside"))
        assert.deepStrictEqual(log, ["a closed"])
        assert.deepStrictEqual((yield* executions).slice(2), ["b talk Failed", "a talk Closed"])
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(log, ["a closed", "b closed"])
      }).pipe(Effect.provide(layerOf(sessions)))
    })
  )
})
