import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Layer, Logger, type LogLevel, Metric, References, type Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../src/backends/Memory.ts"
import { CurrentHookStore, type HookStore, ofPersistence } from "../../src/hooks/HookStore.ts"
import { Agent, Hook, HookMisconfigured, Persistence, PersistenceError } from "../../src/index.ts"
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

  it.effect("what means nothing to a hook of its phase is a typed failure, and changes nothing", () =>
    Effect.gen(function* () {
      const wrong: ReadonlyArray<readonly [string, Hook.HookChanges, ReadonlyArray<string>]> = [
        ["a", { match: { events: ["A"], agents: ["alice"] }, delivery: "queue" }, ["match.events", "delivery"]],
        ["told", { match: { streams: ["order/"] } }, ["match.streams"]],
        ["open", { match: { agents: ["alice"] } }, ["match.agents"]],
        ["open", { match: { patterns: ["Leaf"], capabilities: ["loud"] } }, ["match.patterns", "match.capabilities"]],
        [
          "heard",
          { match: { agents: ["alice"], runs: ["Job/"] }, required: true },
          ["match.agents", "match.runs", "required"]
        ],
        // No field at all, as a program without types may give it.
        ["a", { ordre: 1, match: { agent: ["alice"] } } as Hook.HookChanges, ["match.agent", "ordre"]]
      ]
      const before = yield* Hook.Hooks.use(({ list }) => list)
      for (const [hook, changes, fields] of wrong) {
        const error = yield* Effect.flip(configure(hook, { ...changes, enabled: false }))
        const phase = before.find(({ name }) => name === hook)!.phase
        assert.deepStrictEqual(error, new HookMisconfigured({ hook, phase, fields }))
      }
      assert.deepStrictEqual(yield* Hook.Hooks.use(({ list }) => list), before)
      assert.strictEqual(
        (yield* Effect.flip(configure("told", wrong[1]![1]))).message,
        'Hook "told" (post) cannot be configured by: match.streams.'
      )
      const order = { order: 1, timeout: Duration.seconds(1), retry: { times: 1, delay: Duration.zero, factor: 1 } }
      yield* configure("a", { ...order, required: true, match: { agents: [], patterns: [], capabilities: [] } })
      yield* configure("told", { ...order, required: true, delivery: "queue", match: { scopes: [], runs: [] } })
      yield* configure("open", { ...order, required: true, match: { scopes: [], runs: [] } })
      yield* configure("heard", { ...order, match: { events: [], streams: [] } })
    }).pipe(
      Effect.provide(
        layerOf([
          sign("a"),
          Hook.post("told", { run: () => Effect.void }),
          Hook.session("open", { open: () => Effect.void }),
          Hook.event("heard", { events: ["A"], run: () => Effect.void })
        ])
      )
    )
  )

  it.effect(
    "G3: what is stored and means nothing to a hook is told of in the log; `enabled` is understood all the same",
    () =>
      Effect.gen(function* () {
        const logged: Array<string> = []
        const logger = Logger.make<unknown, void>(({ message }) => void logged.push(String(message)))
        const layer = Layer.merge(layerOf([sign("a"), sign("b")], { refresh: 0 }), Logger.layer([logger]))
        yield* Effect.gen(function* () {
          const persistence = yield* Persistence
          const store = (enabled: boolean, config: Schema.Json) =>
            persistence.putAll([{ collection: "hooks", id: "a", body: { phase: "pre", enabled, config } }])
          yield* configure("a", { match: { agents: ["alice"] } })
          // Each would be another hook, if it were just passed over: one for all agents.
          for (const config of [{ match: { events: ["A"] } }, { match: { agent: ["bob"] } }, { delivery: "queue" }]) {
            logged.length = 0
            yield* store(true, config)
            assert.strictEqual(yield* said, "alice(ab)")
            assert.deepStrictEqual((yield* statusOf("a"))?.config.match, { agents: ["alice"] })
            assert.include(
              logged,
              'What is stored about hook "a" is no configuration of a pre hook: what was known still holds'
            )
            yield* store(false, config)
            assert.strictEqual(yield* said, "alice(b)")
          }
          yield* configure("a", { enabled: true, order: 1 })
          assert.strictEqual(yield* said, "alice(ba)")
        }).pipe(Effect.provide(layer))
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
  it.effect("are in the log: what changed something as information, failures as warnings, all others at debug", () =>
    Effect.gen(function* () {
      const logged: Array<string> = []
      const logger = Logger.make<unknown, void>(
        ({ logLevel, message }) => void logged.push(`${logLevel} ${String(message)}`)
      )
      const alice = { match: { agents: ["alice"] } }
      const hooks = [
        Hook.pre("1 pass", { ...alice, run: () => Hook.pass }),
        Hook.pre("2 change", { ...alice, run: () => Hook.change({ text: "b" }) }),
        Hook.pre("3 fail", { ...alice, run: () => Effect.fail("no luck") }),
        Hook.pre("4 refuse", { match: { agents: ["bob"] }, run: () => Hook.refuse("it is late") }),
        Hook.post("5 observe", { ...alice, run: () => Effect.void }),
        Hook.post("6 queue", { ...alice, delivery: "queue", run: () => Effect.never }),
        Hook.session("7 open", { open: () => Effect.void })
      ]
      const program = speaker("alice")
        .run({ text: "a" })
        .pipe(Effect.andThen(Effect.exit(speaker("bob").run({ text: "a" }))), Hook.hooked("talk"), Effect.exit)
      const atLevel = (level: LogLevel.LogLevel) =>
        Effect.suspend(() => {
          logged.length = 0
          return program.pipe(
            Effect.provide(layerOf(hooks)),
            Effect.provide(Logger.layer([logger])),
            Effect.provideService(References.MinimumLogLevel, level)
          )
        })
      yield* atLevel("Info")
      const visible = [
        'Info Hook "2 change" (pre) of "alice": Changed',
        'Warn Hook "3 fail" (pre) of "alice": Failed, no luck',
        'Info Hook "4 refuse" (pre) of "bob": Refused, it is late'
      ]
      assert.deepStrictEqual(logged, visible)
      yield* atLevel("Debug")
      assert.deepStrictEqual(logged.toSorted(), [
        'Debug Hook "1 pass" (pre) of "alice": Passed',
        'Debug Hook "5 observe" (post) of "alice": Observed',
        'Debug Hook "6 queue" (post) of "alice": Queued',
        'Debug Hook "7 open" (session) of "talk": Closed',
        'Debug Hook "7 open" (session) of "talk": Opened',
        visible[0]!,
        visible[2]!,
        visible[1]!
      ])
    })
  )

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
