import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Duration, Effect, Exit, Fiber, Layer, Option, Schema } from "effect"
import { TestClock } from "effect/testing"
import { Agent, Directive, Hook, HookFailed, HookRefused, Interceptor, Saga, Supervisor } from "../../src/index.ts"
import { executions, layerOf, quiet, speaker, Text } from "./parts.ts"
import * as Memory from "../../src/backends/Memory.ts"

const upper = Hook.pre("upper", {
  input: Text,
  run: ({ input }) => Hook.change({ text: input.text.toUpperCase() })
})
const guardOf = (match: Hook.HookMatch) =>
  Hook.pre("guard", {
    match,
    order: -1,
    where: ({ input }) => (input as { readonly text: string }).text === "secret",
    run: () => Hook.refuse("it is a secret")
  })
const guard = guardOf({})

describe("pre hooks", () => {
  it.effect("H3: a refusal lets nothing of the call run, and is a typed failure of the scope", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const error = yield* Effect.flip(speaker("alice", log).run({ text: "secret" }).pipe(Hook.hooked("talk")))
      assert.deepStrictEqual(error, new HookRefused({ hook: "guard", agent: "alice", reason: "it is a secret" }))
      assert.strictEqual(error.message, 'Hook "guard" refused the call of agent "alice": it is a secret.')
      assert.deepStrictEqual(log, [])
      assert.deepStrictEqual(yield* executions, ["guard alice Refused"])
    }).pipe(Effect.provide(layerOf([upper, guard])))
  )

  it.effect("H3: no handler of a typed error between meets a refusal, and a transaction undoes", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const supervisor = Supervisor.make("team", {
        agents: [speaker("bob", log)],
        onFailure: { Declined: Directive.resume("declined"), ContractViolation: Directive.resume("violated") }
      })
      const program = Effect.gen(function* () {
        yield* speaker("alice", log)
          .run({ text: "a" })
          .pipe(Saga.undo(() => Effect.sync(() => void log.push("undone"))))
        return yield* supervisor.run({ text: "secret" })
      }).pipe(
        Saga.transaction("both"),
        Effect.catch(() => Effect.succeed("met by a handler")),
        Hook.hooked("talk")
      )
      const error = yield* Effect.flip(program)
      assert.strictEqual(error._tag, "HookRefused")
      assert.deepStrictEqual(log, ["alice a", "undone"])
    }).pipe(Effect.provide(layerOf([guard])))
  )

  it.effect("are asked in their order, each about the input that the one before left", () =>
    Effect.gen(function* () {
      const add = (name: string, order: number) =>
        Hook.pre(name, { order, input: Text, run: ({ input }) => Hook.change({ text: `${input.text}${name}` }) })
      const layer = layerOf([add("c", 2), add("b", 1), add("a", 1)])
      const said = speaker("alice").run({ text: "" }).pipe(Hook.hooked("talk"), Effect.provide(layer))
      assert.strictEqual(yield* said, "alice(abc)")
    })
  )

  it.effect("H4: a change that the task does not allow is a failure of the hook, which names the place", () =>
    Effect.gen(function* () {
      const wrong = (required: boolean) => Hook.pre("wrong", { required, run: () => Hook.change({ text: 7 }) })
      const said = (required: boolean) =>
        speaker("alice")
          .run({ text: "a" })
          .pipe(Hook.hooked("talk"), Effect.provide(layerOf([wrong(required)])))
      assert.strictEqual(yield* said(false), "alice(a)")
      const error = yield* Effect.flip(said(true))
      assert.deepStrictEqual(
        error,
        new HookFailed({
          hook: "wrong",
          phase: "pre",
          subject: "alice",
          reason: 'the changed input does not fit "Say" at "text": Expected string'
        })
      )
    })
  )

  it.effect("H4: a composed agent's input is changed by the schema of the hook, and not without one", () =>
    Effect.gen(function* () {
      const duo = Agent.compose("duo", { run: (input: { readonly at: Date }) => Effect.succeed(input.at.getTime()) })
      const At = Schema.Struct({ at: Schema.Date })
      const later = Hook.pre("later", {
        match: { patterns: ["Composition"] },
        input: At,
        run: ({ input }) => Hook.change({ at: new Date(input.at.getTime() + 1) })
      })
      const blind = Hook.pre("blind", { required: true, run: () => Hook.change({ at: new Date(0) }) })
      const run = duo.run({ at: new Date(1) }).pipe(Hook.hooked("talk"))
      assert.strictEqual(yield* Effect.provide(run, layerOf([later])), 2)
      const error = yield* Effect.flip(Effect.provide(run, layerOf([blind])))
      assert.include(error.message, 'it changes the input of "duo", which is no leaf')
    })
  )

  it.effect("H5: a failure, a defect and a timeout change nothing, and are tried again by the retry", () =>
    Effect.gen(function* () {
      let tries = 0
      const hooks = [
        Hook.pre("fails", { run: () => Effect.fail(new Error("no luck.")) }),
        Hook.pre("dies", { run: () => Effect.die({ odd: true }) }),
        Hook.pre("hangs", { timeout: "1 second", run: () => Effect.never }),
        Hook.pre("flaky", {
          input: Text,
          retry: { times: 2, delay: "1 second", factor: 2 },
          run: (_, { attempt }) =>
            Effect.suspend(() => (++tries < 3 ? Effect.fail("again") : Hook.change({ text: `try ${attempt}` })))
        })
      ]
      const fiber = yield* Effect.forkChild(
        speaker("alice")
          .run({ text: "a" })
          .pipe(
            Hook.hooked("talk"),
            Effect.zip(Hook.Hooks.use(({ executions }) => executions)),
            Effect.provide(layerOf(hooks))
          )
      )
      yield* TestClock.adjust("10 seconds")
      const [said, all] = yield* Fiber.join(fiber)
      assert.strictEqual(said, "alice(try 3)")
      assert.deepStrictEqual(
        all.toReversed().map(({ attempts, hook, outcome, reason }) => [hook, outcome, attempts, reason]),
        [
          ["dies", "Failed", 1, '{"odd":true}'],
          ["fails", "Failed", 1, "no luck"],
          ["flaky", "Changed", 3, undefined],
          ["hangs", "Failed", 1, "it did not finish within 1s"]
        ]
      )
    })
  )

  it.effect(
    "are asked about leaves, compositions and patterns, by agent, pattern, capability, schema and predicate",
    () =>
      Effect.gen(function* () {
        const asked: Array<string> = []
        const hook = (name: string, options: Omit<Parameters<typeof Hook.pre>[1], "run">) =>
          Hook.pre(name, {
            ...options,
            run: ({ agent, pattern }) =>
              Effect.andThen(
                Effect.sync(() => asked.push(`${name}: ${agent} ${pattern}`)),
                Hook.pass
              )
          })
        const hooks = [
          hook("all", {}),
          hook("agent", { match: { agents: ["bob", "alice"] } }),
          hook("pattern", { match: { patterns: ["Supervisor", "Leaf"], agents: ["team", "duo"] } }),
          hook("capability", { match: { capabilities: ["loud"] } }),
          hook("none", { match: { agents: [] } }),
          hook("scope", { match: { scopes: ["talk"], agents: ["team"] } }),
          hook("elsewhere", { match: { scopes: ["chat"] } }),
          hook("run", { match: { runs: ["Job/"] } }),
          hook("where", { where: ({ agent }) => agent === "duo" })
        ] as const
        const team = Supervisor.make("team", {
          agents: [speaker("alice", [], ["loud"])],
          onFailure: { Declined: Directive.escalate, ContractViolation: Directive.escalate }
        })
        const duo = Agent.compose("duo", { run: team.run })
        yield* duo.run({ text: "a" }).pipe(Hook.hooked("talk"), Effect.provide(layerOf(hooks)))
        assert.deepStrictEqual(asked, [
          "all: duo Composition",
          "where: duo Composition",
          "all: team Supervisor",
          "pattern: team Supervisor",
          "scope: team Supervisor",
          "agent: alice Leaf",
          "all: alice Leaf",
          "capability: alice Leaf"
        ])
      })
  )

  it.effect("H9: no hook is asked about what a hook does, and its context is that of its layer", () =>
    Effect.gen(function* () {
      const asked: Array<string> = []
      class Greeting extends Context.Service<Greeting, string>()("test/Greeting") {}
      const nosy = Hook.pre("nosy", {
        input: Text,
        run: ({ agent }) =>
          Effect.gen(function* () {
            asked.push(agent)
            const text = yield* Greeting
            return yield* Effect.flatMap(speaker("helper").run({ text }), (said) => Hook.change({ text: said }))
          })
      })
      const layer = Hook.layer([nosy], quiet).pipe(
        Layer.provide(Layer.succeed(Greeting, "hello")),
        Layer.provide(Memory.storesOf(Memory.makeState()))
      )
      const said = speaker("alice")
        .run({ text: "a" })
        .pipe(Hook.hooked("talk"), Effect.provide(layer), Effect.provideService(Greeting, "not this one"))
      assert.strictEqual(yield* said, "alice(helper(hello))")
      assert.deepStrictEqual(asked, ["alice"])
    })
  )

  it.effect("H5: a predicate that throws is a failure of its hook", () =>
    Effect.gen(function* () {
      const wrong = (required: boolean) =>
        Hook.pre("wrong", {
          required,
          where: () => {
            throw new Error("no predicate")
          },
          run: () => Hook.pass
        })
      const said = (required: boolean) =>
        speaker("alice")
          .run({ text: "a" })
          .pipe(Hook.hooked("talk"), Effect.provide(layerOf([wrong(required)])))
      assert.strictEqual(yield* said(false), "alice(a)")
      assert.strictEqual((yield* Effect.flip(said(true)))._tag, "HookFailed")
    })
  )
})

describe("post hooks", () => {
  const reports = (options: Partial<Parameters<typeof Hook.post>[1]> = {}) => {
    const seen: Array<Hook.CallEnded> = []
    return {
      seen,
      hook: Hook.post("report", { values: true, ...options, run: (call) => Effect.sync(() => void seen.push(call)) })
    }
  }

  it.effect("see success, typed failure, defect and refusal, with values only if they ask for them", () =>
    Effect.gen(function* () {
      const { hook, seen } = reports()
      const bare = reports()
      const secretive = Hook.post("secretive", { run: (call) => Effect.sync(() => void bare.seen.push(call)) })
      const dies = Agent.compose("dies", { run: (_: { readonly at: Date }) => Effect.die(new Error("boom")) })
      const outer = Agent.compose("outer", { run: speaker("inner").run })
      yield* Effect.gen(function* () {
        yield* speaker("alice").run({ text: "a" }).pipe(Hook.hooked("talk"))
        yield* Effect.exit(speaker("alice").run({ text: "no" }).pipe(Hook.hooked("talk")))
        yield* Effect.exit(dies.run({ at: new Date(0) }).pipe(Hook.hooked("talk")))
        yield* Effect.exit(outer.run({ text: "secret" }).pipe(Hook.hooked("talk")))
      }).pipe(Effect.provide(layerOf([hook, secretive, guardOf({ agents: ["inner"] })])))
      assert.deepStrictEqual(
        seen.map(({ agent, input, outcome, pattern }) => ({ agent, pattern, input, outcome })),
        [
          {
            agent: "alice",
            pattern: "Leaf",
            input: { text: "a" },
            outcome: { _tag: "Success", output: "alice(a)" }
          },
          {
            agent: "alice",
            pattern: "Leaf",
            input: { text: "no" },
            outcome: { _tag: "Failure", error: "Declined", message: "Declined" }
          },
          { agent: "dies", pattern: "Composition", input: undefined, outcome: { _tag: "Defect", message: "boom" } },
          {
            agent: "outer",
            pattern: "Composition",
            input: { text: "secret" },
            outcome: {
              _tag: "Failure",
              error: "HookRefused",
              message: 'Hook "guard" refused the call of agent "inner": it is a secret'
            }
          }
        ]
      )
      assert.isTrue(bare.seen.every((call) => !("input" in call) && !("output" in call.outcome)))
      assert.deepStrictEqual(bare.seen[0]?.outcome, { _tag: "Success" })
    })
  )

  it.effect("H5, H6: one that fails changes no outcome; a required one makes the scope fail at its end", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const fails = (required: boolean) => Hook.post("fails", { required, run: () => Effect.fail("no paper") })
      const program = (required: boolean) =>
        Effect.gen(function* () {
          const first = yield* speaker("alice", log)
            .run({ text: "a" })
            .pipe(Saga.undo(() => Effect.sync(() => void log.push("undone"))))
          return [first, yield* speaker("bob", log).run({ text: "b" })]
        }).pipe(Saga.transaction("both"), Hook.hooked("talk"), Effect.provide(layerOf([fails(required)])))
      assert.deepStrictEqual(yield* program(false), ["alice(a)", "bob(b)"])
      const error = yield* Effect.flip(program(true))
      assert.deepStrictEqual(
        error,
        new HookFailed({ hook: "fails", phase: "post", subject: "alice", reason: "no paper" })
      )
      assert.deepStrictEqual(log, ["alice a", "bob b", "alice a", "bob b"])
    })
  )

  it.effect("H6: one that hangs is given up after its timeout, also where nothing may be interrupted", () =>
    Effect.gen(function* () {
      const hangs = Hook.post("hangs", { timeout: "2 seconds", run: () => Effect.never })
      const fiber = yield* speaker("alice")
        .run({ text: "a" })
        .pipe(Effect.uninterruptible, Hook.hooked("talk"), Effect.provide(layerOf([hangs])), Effect.forkChild)
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* Fiber.join(fiber), "alice(a)")
    })
  )

  it.effect("an interrupted call is told to nobody", () =>
    Effect.gen(function* () {
      const { hook, seen } = reports()
      const sleeper = Agent.compose("sleeper", { run: () => Effect.never })
      const fiber = yield* sleeper
        .run(undefined)
        .pipe(Hook.hooked("talk"), Effect.provide(layerOf([hook])), Effect.forkChild({ startImmediately: true }))
      yield* Effect.yieldNow
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(seen, [])
    })
  )

  it.effect("tell how long the call took, and only what passes the predicate", () =>
    Effect.gen(function* () {
      const { hook, seen } = reports({ where: ({ agent }) => agent === "slow" })
      const slow = Agent.compose("slow", { run: () => Effect.sleep("3 seconds") })
      const fiber = yield* Effect.andThen(speaker("alice").run({ text: "a" }), slow.run(undefined)).pipe(
        Hook.hooked("talk"),
        Effect.provide(layerOf([hook])),
        Effect.forkChild
      )
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(
        seen.map(({ agent, duration, scope }) => [agent, String(duration), scope]),
        [["slow", "3000 millis", "talk"]]
      )
    })
  )
})

describe("session hooks", () => {
  const session = (name: string, log: Array<string>, options: Omit<Parameters<typeof Hook.session>[1], "open"> = {}) =>
    Hook.session(name, {
      ...options,
      open: ({ scope }) =>
        Effect.acquireRelease(
          Effect.sync(() => void log.push(`open ${name} ${scope}`)),
          (_, exit) => Effect.sync(() => void log.push(`close ${name} ${exit._tag}`))
        )
    })

  const ends: ReadonlyArray<readonly [string, Effect.Effect<void, string>, string]> = [
    ["success", Effect.void, "Success"],
    ["failure", Effect.fail("no"), "Failure"],
    ["defect", Effect.die("no"), "Failure"],
    ["interruption", Effect.interrupt, "Failure"]
  ]
  for (const [how, effect, tag] of ends) {
    it.effect(`H7: are closed in reverse order, with the exit, on ${how}`, () =>
      Effect.gen(function* () {
        const log: Array<string> = []
        const sessions = [session("b", log), session("a", log)]
        const all = yield* effect.pipe(
          Effect.tap(() => Effect.sync(() => void log.push("inside"))),
          Hook.hooked("talk"),
          Effect.exit,
          Effect.andThen(executions),
          Effect.provide(layerOf(sessions))
        )
        assert.deepStrictEqual(log, [
          "open a talk",
          "open b talk",
          ...(how === "success" ? ["inside"] : []),
          `close b ${tag}`,
          `close a ${tag}`
        ])
        assert.deepStrictEqual(all, ["a talk Opened", "b talk Opened", "b talk Closed", "a talk Closed"])
      })
    )
  }

  it.effect("H5: one that does not open is passed over, unless it is required; nothing it had opened stays open", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const broken = (required: boolean) =>
        Hook.session("broken", {
          required,
          open: () =>
            Effect.andThen(
              Effect.acquireRelease(
                Effect.sync(() => void log.push("half open")),
                () => Effect.sync(() => void log.push("half closed"))
              ),
              Effect.fail("no key")
            )
        })
      const run = (required: boolean) =>
        Effect.succeed("inside").pipe(
          Hook.hooked("talk"),
          Effect.provide(layerOf([session("a", log), broken(required)]))
        )
      assert.strictEqual(yield* run(false), "inside")
      const error = yield* Effect.flip(run(true))
      assert.deepStrictEqual(
        error,
        new HookFailed({ hook: "broken", phase: "session", subject: "talk", reason: "no key" })
      )
      const once = ["open a talk", "half open", "half closed"]
      assert.deepStrictEqual(log, [...once, "close a Success", ...once, "close a Failure"])
    })
  )

  it.effect("are opened by scope and predicate, and outside of every run by no condition on runs", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const sessions = [
        session("all", log),
        session("scope", log, { match: { scopes: ["talk", "chat"] } }),
        session("other", log, { match: { scopes: ["chat"] } }),
        session("run", log, { match: { runs: [""] } }),
        session("where", log, { where: ({ runId, scope }) => scope === "talk" && runId === undefined }),
        session("not", log, { where: ({ scope }) => scope !== "talk" })
      ]
      yield* Effect.void.pipe(Hook.hooked("talk"), Effect.provide(layerOf(sessions)))
      const opened = log.filter((line) => line.startsWith("open"))
      assert.deepStrictEqual(opened, ["open all talk", "open scope talk", "open where talk"])
    })
  )

  it.effect("H5: a predicate that throws is a failure of its session, and nothing is opened", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const wrong = (required: boolean) =>
        session("wrong", log, {
          required,
          where: () => {
            throw new Error("no predicate")
          }
        })
      const run = (required: boolean) =>
        Effect.succeed("inside").pipe(Hook.hooked("talk"), Effect.provide(layerOf([wrong(required)])))
      assert.strictEqual(yield* run(false), "inside")
      assert.include((yield* Effect.flip(run(true))).message, "no predicate")
      assert.deepStrictEqual(log, [])
    })
  )

  it.effect("H7: one that does not close cleanly changes no outcome, and is listed", () =>
    Effect.gen(function* () {
      const broken = Hook.session("broken", { open: () => Effect.addFinalizer(() => Effect.die("stuck")) })
      const [answer, all] = yield* Effect.succeed("inside").pipe(
        Hook.hooked("talk"),
        Effect.zip(executions),
        Effect.provide(layerOf([broken]))
      )
      assert.strictEqual(answer, "inside")
      assert.deepStrictEqual(all, ["broken talk Opened", "broken talk Failed"])
    })
  )
})

describe("a scope that is open", () => {
  const sign = (name: string) =>
    Hook.pre(name, { input: Text, run: ({ input }) => Hook.change({ text: `${input.text}${name}` }) })
  const said = speaker("alice").run({ text: "" })
  const configure = (hook: string, changes: Hook.HookChanges) =>
    Hook.Hooks.use((hooks) => hooks.configure(hook, changes))

  it.effect("H1: does not ask a hook any more that is switched off, or does not match", () =>
    Effect.gen(function* () {
      const told: Array<string> = []
      const report = Hook.post("report", { run: ({ agent }) => Effect.sync(() => void told.push(agent)) })
      yield* Effect.gen(function* () {
        assert.strictEqual(yield* said, "alice(ab)")
        yield* configure("a", { enabled: false })
        assert.strictEqual(yield* said, "alice(b)")
        yield* configure("a", { enabled: true })
        yield* configure("b", { match: { agents: ["bob"] } })
        assert.strictEqual(yield* said, "alice(a)")
        yield* configure("b", { match: { scopes: ["chat"] } })
        assert.strictEqual(yield* said, "alice(a)")
        assert.strictEqual(told.length, 4)
        yield* configure("report", { enabled: false })
        yield* said
        assert.strictEqual(told.length, 4)
      }).pipe(Hook.hooked("talk"), Effect.provide(layerOf([sign("a"), sign("b"), report])))
    })
  )

  it.effect("H1: asks no hook that was switched on later, and in the order of its beginning", () =>
    Effect.gen(function* () {
      yield* configure("c", { enabled: false })
      yield* Effect.gen(function* () {
        yield* configure("c", { enabled: true })
        yield* configure("a", { order: 1 })
        assert.strictEqual(yield* said, "alice(ab)")
      }).pipe(Hook.hooked("talk"))
      assert.strictEqual(yield* said.pipe(Hook.hooked("talk")), "alice(bca)")
    }).pipe(Effect.provide(layerOf([sign("a"), sign("b"), sign("c")])))
  )

  it.effect("G2: hears of a change that another process made after the refresh, without a new scope", () =>
    Effect.gen(function* () {
      const state = Memory.makeState()
      const here = yield* Layer.build(layerOf([sign("a")], { refresh: "2 seconds" }, state))
      const there = yield* Layer.build(layerOf([sign("a")], {}, state))
      yield* Effect.gen(function* () {
        assert.strictEqual(yield* said, "alice(a)")
        yield* Effect.provide(configure("a", { enabled: false }), there)
        assert.strictEqual(yield* said, "alice(a)")
        yield* TestClock.adjust("2 seconds")
        assert.strictEqual(yield* said, "alice()")
      }).pipe(Hook.hooked("talk"), Effect.provide(here))
    })
  )

  it.effect("G2: runs a hook as patiently as is configured by then", () =>
    Effect.gen(function* () {
      const hangs = Hook.pre("hangs", { timeout: "1 hour", run: () => Effect.never })
      yield* Effect.gen(function* () {
        yield* configure("hangs", {
          timeout: Duration.seconds(1),
          retry: { times: 1, delay: Duration.zero, factor: 1 }
        })
        const answer = yield* Effect.forkChild(said)
        yield* TestClock.adjust("2 seconds")
        assert.deepStrictEqual(answer.pollUnsafe(), Exit.succeed("alice()"))
      }).pipe(Hook.hooked("talk"), Effect.provide(layerOf([hangs])))
    })
  )
})

describe("Hook.hooked", () => {
  it.effect("H8: a scope inside another one is part of it", () =>
    Effect.gen(function* () {
      let asked = 0
      const count = Hook.pre("count", {
        run: () =>
          Effect.andThen(
            Effect.sync(() => asked++),
            Hook.pass
          )
      })
      const agent = speaker("alice").pipe(Agent.transform(Hook.hooked("inner")))
      yield* agent.run({ text: "a" }).pipe(Hook.hooked("outer"), Effect.provide(layerOf([count])))
      assert.strictEqual(asked, 1)
    })
  )

  it.effect("H8: a refusal is typed at the edge of the inner scope", () =>
    Effect.gen(function* () {
      const agent = speaker("alice").pipe(Agent.transform(Hook.hooked("inner")))
      const program = agent.run({ text: "secret" }).pipe(
        Effect.catchTag("HookRefused", ({ reason }) => Effect.succeed(reason)),
        Hook.hooked("outer")
      )
      assert.strictEqual(yield* program, "it is a secret")
    }).pipe(Effect.provide(layerOf([guard])))
  )

  it.effect("asks after an interceptor that was there before", () =>
    Effect.gen(function* () {
      const louder: Interceptor.Intercept = (call, proceed) =>
        proceed({ text: `${(call.input as { readonly text: string }).text}!` })
      const said = speaker("alice")
        .run({ text: "a" })
        .pipe(
          Hook.hooked("talk"),
          Effect.provideService(Interceptor.Interceptor, louder),
          Effect.provide(layerOf([upper]))
        )
      assert.strictEqual(yield* said, "alice(A!)")
    })
  )

  it.effect("changes nothing where there is no hook, and passes other failures on", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(Effect.fail("mine").pipe(Hook.hooked("talk"), Effect.provide(layerOf([]))))
      assert.deepStrictEqual(exit, Exit.fail("mine"))
      const died = yield* Effect.exit(Effect.die({ _tag: "HookRefused" }).pipe(Hook.hooked("talk")))
      assert.deepStrictEqual(Option.map(Exit.getCause(died), Cause.squash), Option.some({ _tag: "HookRefused" }))
    }).pipe(Effect.provide(layerOf([guard])))
  )
})

describe("programming mistakes", () => {
  it.effect("are defects of the layer", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(Effect.scoped(Layer.build(layerOf([], { history: -1 }))))
      assert.include(String(Option.map(Exit.getCause(exit), Cause.squash)), "at least 0 executions, got -1")
    })
  )

  it("are thrown where the hook is made", () => {
    const run = () => Hook.pass
    assert.throws(() => Hook.pre("", { run }), "a hook needs a name")
    assert.throws(() => Hook.pre("a", { run, timeout: 0 }), 'the timeout of hook "a" must be positive')
    assert.throws(() => Hook.pre("a", { run, timeout: "Infinity" }), "finite")
    assert.throws(() => Hook.pre("a", { run, retry: { times: -1 } }), "whole number of times, got -1")
    assert.throws(() => Hook.pre("a", { run, retry: { times: 1, factor: 0.5 } }), "at least 1, got 0.5")
    assert.throws(() => Hook.event("a", { events: [], run: () => Effect.void }), "at least one type of events")
    const match = { events: ["A"] } as Hook.CallMatch
    assert.throws(() => Hook.pre("a", { run, match }), '"match.events" means nothing to the pre hook "a"')
    assert.throws(() => Hook.layer([guard, guard]), 'two hooks have the name "guard"')
  })
})
