import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Layer, Logger, Metric } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../src/backends/Memory.ts"
import { CurrentHookStore, type HookStore, ofPersistence } from "../../src/hooks/HookStore.ts"
import { Agent, Hook, Persistence, PersistenceError } from "../../src/index.ts"
import { layerOf, quiet, speaker, Text } from "./parts.ts"

const sign = (name: string, options: Hook.Options = {}) =>
  Hook.pre(name, { ...options, input: Text, run: ({ input }) => Hook.change({ text: `${input.text}${name}` }) })

const said = Effect.suspend(() => speaker("alice").run({ text: "" }).pipe(Hook.hooked("talk")))
const configure = (hook: string, changes: Hook.HookChanges) => Hook.Hooks.use((hooks) => hooks.configure(hook, changes))
const reset = (hook: string) => Hook.Hooks.use((hooks) => hooks.reset(hook))
const statusOf = (name: string) =>
  Effect.map(
    Hook.Hooks.use(({ list }) => list),
    (all) => all.find((one) => one.name === name)
  )

describe("configuration", () => {
  it.effect("G1: what is configured changes field by field what the code states", () =>
    Effect.gen(function* () {
      const stated = {
        enabled: true,
        match: { agents: ["alice"] },
        order: 5,
        required: false,
        timeout: Duration.seconds(3),
        retry: { times: 0, delay: Duration.seconds(1), factor: 2 },
        delivery: "inline" as const
      }
      assert.deepStrictEqual(yield* statusOf("a"), { name: "a", phase: "pre", config: stated, version: 1 })
      assert.deepStrictEqual(yield* configure("a", { order: 7 }), { ...stated, order: 7 })
      const retry = { times: 3, delay: Duration.millis(20), factor: 1 }
      const changed = { ...stated, order: 7, required: true, enabled: false, timeout: Duration.millis(50), retry }
      assert.deepStrictEqual(
        yield* configure("a", { required: true, enabled: false, timeout: Duration.millis(50), retry }),
        changed
      )
      assert.deepStrictEqual(yield* statusOf("a"), { name: "a", phase: "pre", config: changed, version: 3 })
      assert.deepStrictEqual(yield* reset("a"), stated)
    }).pipe(Effect.provide(layerOf([sign("a", { order: 5, timeout: "3 seconds", match: { agents: ["alice"] } })])))
  )

  it.effect("G2: a change made here holds for the next scope", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* said, "alice(ab)")
      yield* configure("a", { order: 1 })
      assert.strictEqual(yield* said, "alice(ba)")
      yield* configure("b", { enabled: false })
      assert.strictEqual(yield* said, "alice(a)")
      yield* configure("a", { match: { agents: ["bob"] } })
      assert.strictEqual(yield* said, "alice()")
    }).pipe(Effect.provide(layerOf([sign("a"), sign("b")])))
  )

  it.effect("G2: one made elsewhere holds after the refresh at the latest", () =>
    Effect.gen(function* () {
      const state = Memory.makeState()
      const here = yield* Layer.build(layerOf([sign("a")], { refresh: "2 seconds" }, state))
      const there = yield* Layer.build(layerOf([sign("a")], {}, state))
      const saidHere = Effect.provide(said, here)
      assert.strictEqual(yield* saidHere, "alice(a)")
      yield* Effect.provide(configure("a", { enabled: false }), there)
      assert.strictEqual(yield* saidHere, "alice(a)")
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* saidHere, "alice()")
    })
  )

  it.effect("G2: changes made in several processes at once all hold", () =>
    Effect.gen(function* () {
      const state = Memory.makeState()
      // Everyone has read before anyone writes.
      const slow = Layer.effect(
        CurrentHookStore,
        Effect.map(Persistence, (persistence): HookStore => {
          const store = ofPersistence(persistence)
          return { ...store, all: Effect.tap(store.all, () => Effect.yieldNow) }
        })
      ).pipe(Layer.provide(Memory.storesOf(state)))
      const processes = yield* Effect.forEach([1, 2, 3], () =>
        Layer.build(Layer.fresh(layerOf([sign("a")], {}, state).pipe(Layer.provide(slow))))
      )
      const changes: ReadonlyArray<Hook.HookChanges> = [{ order: 4 }, { required: true }, { enabled: false }]
      yield* Effect.forEach(changes, (change, index) => Effect.provide(configure("a", change), processes[index]!), {
        concurrency: "unbounded"
      })
      const status = yield* Effect.provide(statusOf("a"), yield* Layer.build(layerOf([sign("a")], {}, state)))
      assert.deepInclude(status?.config, { order: 4, required: true, enabled: false })
    })
  )

  it.effect("G3: what was known holds while the store cannot be read, or holds what is no configuration", () =>
    Effect.gen(function* () {
      const state = Memory.makeState()
      let isDown = false
      const logged: Array<string> = []
      const logger = Logger.make<unknown, void>(({ message }) => void logged.push(String(message)))
      const flaky = Layer.effect(
        CurrentHookStore,
        Effect.map(Persistence, (persistence): HookStore => {
          const store = ofPersistence(persistence)
          const down = new PersistenceError({ operation: "read hooks", retryable: true, cause: "down" })
          return { ...store, all: Effect.suspend(() => (isDown ? Effect.fail(down) : store.all)) }
        })
      )
      const layer = Hook.layer([sign("a"), sign("b")], { ...quiet, refresh: 0 }).pipe(
        Layer.provide(flaky),
        Layer.provideMerge(Memory.storesOf(state))
      )
      yield* Effect.gen(function* () {
        yield* configure("a", { match: { agents: ["bob"] } })
        isDown = true
        assert.strictEqual(yield* said, "alice(b)")
        assert.strictEqual((yield* Effect.flip(configure("a", {})))._tag, "PersistenceError")
        isDown = false
        const persistence = yield* Persistence
        yield* persistence.putAll([
          { collection: "hooks", id: "a", body: { phase: "pre", enabled: true, config: { order: "high" } } }
        ])
        assert.strictEqual(yield* said, "alice(b)")
        assert.isTrue(logged.some((line) => line.includes("cannot be read")))
        assert.isTrue(logged.some((line) => line.includes('hook "a" is no configuration')))
        yield* configure("a", { order: 3 })
        assert.strictEqual(yield* said, "alice(ba)")
        yield* persistence.delete("hooks", "a")
        assert.strictEqual(yield* said, "alice(ab)")
        yield* configure("a", { enabled: false })
        assert.strictEqual(yield* said, "alice(b)")
      }).pipe(Effect.provide(layer), Effect.provide(Logger.layer([logger])))
    })
  )

  it.effect("a hook that is not there is a typed failure", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(configure("nobody", {}))
      assert.strictEqual(error.message, 'There is no hook "nobody" here; there are: a, b.')
      assert.strictEqual((yield* Effect.flip(Hook.Hooks.use((hooks) => hooks.deadLetters("c"))))._tag, "HookUnknown")
    }).pipe(Effect.provide(layerOf([sign("a"), sign("b")])))
  )

  it.effect("a hook that is stated as disabled is off until it is switched on", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* said, "alice()")
      yield* configure("a", { enabled: true })
      assert.strictEqual(yield* said, "alice(a)")
    }).pipe(Effect.provide(layerOf([sign("a", { enabled: false })])))
  )
})

describe("executions", () => {
  it.effect("are kept up to a limit, newest first, counted, and logged without values", () =>
    Effect.gen(function* () {
      const logged: Array<string> = []
      const logger = Logger.make<unknown, void>(({ message }) => void logged.push(String(message)))
      const fails = Hook.pre("audited", { run: () => Effect.fail("no luck") })
      const run = speaker("alice")
        .pipe(Agent.transform(Hook.hooked("talk")))
        .run({ text: "password" })
      const all = yield* run.pipe(
        Effect.andThen(run),
        Effect.andThen(run),
        Effect.andThen(Hook.Hooks.use(({ executions }) => executions)),
        Effect.provide(layerOf([fails], { history: 2 })),
        Effect.provide(Logger.layer([logger]))
      )
      assert.deepStrictEqual(
        all,
        Array.from({ length: 2 }, () => ({
          hook: "audited",
          phase: "pre" as const,
          outcome: "Failed" as const,
          subject: "alice",
          attempts: 1,
          at: 0,
          duration: Duration.zero,
          reason: "no luck"
        }))
      )
      assert.deepStrictEqual(
        logged,
        Array.from({ length: 3 }, () => 'Hook "audited" (pre) of "alice": Failed, no luck')
      )
      const metrics = yield* Metric.snapshot
      const count = metrics.find(
        ({ attributes, id }) => id === "tutti_hook_executions_total" && attributes?.["hook"] === "audited"
      )
      assert.deepStrictEqual(count?.attributes, { hook: "audited", phase: "pre", outcome: "Failed" })
      assert.strictEqual((count!.state as { readonly count: number }).count, 3)
      const durations = metrics.find(
        ({ attributes, id }) => id === "tutti_hook_duration_seconds" && attributes?.["hook"] === "audited"
      )
      assert.strictEqual((durations!.state as { readonly count: number }).count, 3)
    })
  )
})
