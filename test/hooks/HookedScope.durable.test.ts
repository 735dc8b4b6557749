/** Hooks in runs: the same outcome on each engine, on replay and around every crash; and what is recorded of them. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../src/backends/Memory.ts"
import {
  Agent,
  EventStore,
  Hook,
  HookFailed,
  HookRefused,
  Orchestration,
  Saga,
  Step,
  Task,
  Timer
} from "../../src/index.ts"
import { everywhere } from "../durable/everywhere.ts"
import { define, type World } from "../durable/program.ts"
import { layerOf, speaker, Text } from "./parts.ts"

const Endings = Schema.Union([HookRefused, HookFailed])

const upper = Hook.pre("upper", {
  input: Text,
  match: { agents: ["a", "b"] },
  run: ({ input }) => Hook.change({ text: input.text.toUpperCase() })
})
const guard = Hook.pre("guard", {
  input: Text,
  match: { patterns: ["Leaf"] },
  order: 1,
  run: ({ input }) => (input.text === "SECRET" || input.text === "secret" ? Hook.refuse("it is a secret") : Hook.pass)
})
const report = (here: World, options: { readonly required?: boolean; readonly fails?: boolean } = {}) =>
  Hook.post("report", {
    required: options.required ?? false,
    values: true,
    run: ({ agent, outcome }, { idempotencyKey }) =>
      options.fails === true
        ? Effect.fail("no paper")
        : Effect.sync(() => here.act(idempotencyKey, `report ${agent} ${outcome._tag}`))
  })
const tenant = Hook.session("tenant", { open: () => Effect.acquireRelease(Effect.void, () => Effect.void) })

everywhere(
  define(
    "hooked",
    (here) =>
      Effect.gen(function* () {
        const a = yield* here.agent("a").run({ text: "x" })
        yield* Timer.sleep("1 minute")
        const b = yield* here.agent("b").run({ text: a })
        const caught = yield* Effect.exit(here.agent("c", { fails: true }).run({ text: b }))
        return [a, b, caught._tag]
      }).pipe(Hook.hooked("talk"), Effect.provide(layerOf([upper, guard, report(here), tenant]))),
    {
      expected: Exit.succeed(["a(X)", "b(A(X))", "Failure"]),
      effects: ["a X", "b A(X)", "report a Success", "report b Success", "report c Failure"],
      error: Endings
    }
  )
)

everywhere(
  define(
    "refused",
    (here) =>
      here
        .agent("a")
        .run({ text: "x" })
        .pipe(
          Saga.undo((said) => here.agent("undo").run({ text: said })),
          Effect.andThen(here.agent("b").run({ text: "secret" })),
          Saga.transaction("both"),
          Effect.catchTag("Refused", () => Effect.succeed("met by a handler")),
          Hook.hooked("talk"),
          Effect.provide(layerOf([upper, guard]))
        ),
    {
      expected: Exit.fail(new HookRefused({ hook: "guard", agent: "b", reason: "it is a secret" })),
      effects: ["a X", "undo a(X)"],
      error: Endings
    }
  )
)

everywhere(
  define(
    "refused in the body of a step",
    (here) => {
      const outer = Agent.make("outer", {
        task: Task.make("Outer", { input: {}, output: Schema.String }),
        run: () => Effect.orDie(here.agent("inner").run({ text: "secret" }))
      })
      return outer.run({}).pipe(
        Hook.hooked("talk"),
        Effect.catchTag("HookRefused", ({ reason }) => here.agent("after").run({ text: reason })),
        Effect.provide(layerOf([guard]))
      )
    },
    { expected: Exit.succeed("after(it is a secret)"), effects: ["after it is a secret"], error: Endings }
  )
)

everywhere(
  define(
    "required and failed",
    (here) =>
      Step.all({
        one: Effect.andThen(here.agent("a").run({ text: "x" }), here.agent("b").run({ text: "y" })),
        two: here.agent("c", { takes: "1 second" }).run({ text: "z" })
      }).pipe(Hook.hooked("talk"), Effect.provide(layerOf([upper, report(here, { required: true, fails: true })]))),
    {
      expected: Exit.fail(new HookFailed({ hook: "report", phase: "post", subject: "a", reason: "no paper" })),
      effects: ["a X", "b Y", "c z"],
      error: Endings
    }
  )
)

everywhere(
  define(
    "branches in one scope",
    (here) =>
      Effect.all(
        [
          Effect.andThen(
            here.agent("a").run({ text: "1" }),
            here.agent("b", { takes: "2 seconds" }).run({ text: "2" })
          ),
          Effect.andThen(here.agent("c", { takes: "1 second" }).run({ text: "3" }), here.agent("d").run({ text: "4" }))
        ],
        { concurrency: "unbounded" }
      ).pipe(Hook.hooked("talk"), Effect.provide(layerOf([upper, report(here)]))),
    {
      expected: Exit.succeed(["b(2)", "d(4)"]),
      effects: [
        "a 1",
        "b 2",
        "c 3",
        "d 4",
        "report a Success",
        "report b Success",
        "report c Success",
        "report d Success"
      ],
      error: Endings
    }
  )
)

/** Processes that live one after the other over one state; hooks are configured between. */
const setUp = Effect.gen(function* () {
  const state = Memory.makeState()
  const gate = yield* Deferred.make<void>()
  const reached = yield* Deferred.make<void>()
  const hold = Agent.make("hold", {
    task: Task.make("Hold", { input: {}, output: {} }),
    run: () => Effect.andThen(Deferred.succeed(reached, undefined), Effect.as(Deferred.await(gate), {}))
  })
  const inProcess = <A, E, H extends ReadonlyArray<Hook.Hook<never>>>(
    hooks: H,
    body: Effect.Effect<ReadonlyArray<string>, unknown, any>,
    use: (job: Orchestration.Orchestration<"Job", {}, ReadonlyArray<string>, any, any>) => Effect.Effect<A, E, any>
  ): Effect.Effect<A, E> => {
    const job = Orchestration.make("Job", {
      input: {},
      output: Schema.Array(Schema.String),
      error: Endings,
      key: () => "one",
      run: () => body as Effect.Effect<ReadonlyArray<string>, HookRefused | HookFailed, Hook.Hooks>
    })
    const layer = job.layer.pipe(
      Layer.provideMerge(Hook.layer(hooks, { pollInterval: "365 days", lease: "365 days", refresh: 0 })),
      Layer.provideMerge(Memory.layerOf(state, { replayPatience: 0 }))
    )
    return Effect.provide(use(job), Layer.fresh(layer), { local: true }) as Effect.Effect<A, E>
  }
  return {
    hold: Effect.orDie(hold.run({})),
    inProcess,
    release: Deferred.succeed(gate, undefined),
    held: Deferred.await(reached)
  }
})

const typesOf = Effect.gen(function* () {
  const store = yield* EventStore.EventStore
  const events = yield* Stream.runCollect(store.read("run/Job/one" as never))
  return events.flatMap(({ meta, type }) => (meta.path === undefined ? [] : [`${type} ${meta.path}`]))
})

describe("a run that is recovered", () => {
  it.effect("H1, H2: goes on with the hooks that it was begun with, but for those that are switched off", () =>
    Effect.gen(function* () {
      const { held, hold, inProcess, release } = yield* setUp
      const last = yield* setUp
      const asked: Array<string> = []
      const mark = (name: string, sign: string) =>
        Hook.pre(name, {
          input: Text,
          run: ({ input }) =>
            Effect.andThen(
              Effect.sync(() => asked.push(name)),
              Hook.change({ text: `${input.text}${sign}` })
            )
        })
      const hooks = (sign: string) => [mark("first", sign), mark("second", "?")] as const
      const body = Effect.gen(function* () {
        const said = yield* Effect.gen(function* () {
          const before = yield* speaker("alice").run({ text: "a" })
          yield* hold
          const off = yield* speaker("alice").run({ text: "b" })
          yield* last.hold
          return [before, off, yield* speaker("alice").run({ text: "b" })]
        }).pipe(Hook.hooked("one"))
        return [...said, yield* speaker("alice").run({ text: "c" }).pipe(Hook.hooked("two"))]
      })
      yield* inProcess(hooks("!"), body, (job) =>
        Effect.gen(function* () {
          yield* Hook.Hooks.use(({ configure }) => configure("second", { enabled: false }))
          yield* job.start({})
          yield* held
        })
      )
      assert.deepStrictEqual(asked, ["first"])
      yield* release
      yield* inProcess(hooks("+"), body, (job) =>
        Effect.gen(function* () {
          yield* Hook.Hooks.use(({ configure }) => configure("second", { enabled: true, order: -1 }))
          yield* Hook.Hooks.use(({ configure }) => configure("first", { enabled: false }))
          yield* job.start({})
          yield* last.held
        })
      )
      yield* last.release
      const [answer, types] = yield* inProcess(hooks("+"), body, (job) =>
        Effect.gen(function* () {
          yield* Hook.Hooks.use(({ configure }) => configure("first", { enabled: true }))
          const answer = yield* Effect.flatMap(job.start({}), (handle) => handle.await)
          return [answer, yield* typesOf] as const
        })
      )
      // Recorded; switched off, which is recorded, too; of the scope's entry, by the code of today; and of the entry of the
      // next scope, which read the new configuration.
      assert.deepStrictEqual(answer, ["alice(a!)", "alice(b)", "alice(b+)", "alice(c?+)"])
      assert.deepStrictEqual(asked, ["first", "first", "second", "first"])
      assert.deepStrictEqual(
        types.filter((line) => line.includes("/~hook/alice#2")),
        ["StepCompleted one/~hook/alice#2/first"]
      )
    })
  )

  it.effect("G4: a hook that the program has no more fails, and ends the scope if it is required", () =>
    Effect.gen(function* () {
      const phases = ["pre", "post", "queued", "session"] as const
      for (const phase of phases) {
        for (const required of [false, true]) {
          const { held, hold, inProcess, release } = yield* setUp
          const gone = {
            pre: Hook.pre("gone", { required, match: { agents: ["alice"] }, run: () => Hook.pass }),
            post: Hook.post("gone", { required, match: { agents: ["alice"] }, run: () => Effect.void }),
            queued: Hook.post("gone", {
              required,
              match: { agents: ["alice"] },
              delivery: "queue",
              run: () => Effect.void
            }),
            session: Hook.session("gone", { required, open: () => Effect.void })
          }[phase]
          const body = Effect.andThen(hold, speaker("alice").run({ text: "a" })).pipe(
            Effect.map((said) => [said]),
            Hook.hooked("talk")
          )
          yield* inProcess([gone, upper], body, (job) => Effect.andThen(job.start({}), held))
          yield* release
          const exit = yield* inProcess([upper], body, (job) =>
            Effect.gen(function* () {
              const awaited = yield* Effect.forkChild(
                Effect.flatMap(job.start({}), (handle) => Effect.exit(handle.await))
              )
              while (awaited.pollUnsafe() === undefined) yield* TestClock.adjust("1 second")
              return yield* Fiber.join(awaited)
            })
          )
          // A session that was open is recorded as such.
          const reason = "its code is not part of this program"
          const failed = { hook: "gone", phase: phase === "pre" ? "pre" : "post", subject: "alice", reason } as const
          const fails = required && phase !== "session"
          assert.deepStrictEqual(exit, fails ? Exit.fail(new HookFailed(failed)) : Exit.succeed(["alice(a)"]))
        }
      }
    })
  )

  it.effect("H7: opens its sessions anew; one that does not open again is listed, and the run goes on", () =>
    Effect.gen(function* () {
      const { held, hold, inProcess, release } = yield* setUp
      const log: Array<string> = []
      const session = (opens: boolean) =>
        Hook.session("tenant", {
          required: true,
          open: ({ runId }) =>
            opens
              ? Effect.acquireRelease(
                  Effect.sync(() => void log.push(`open ${runId}`)),
                  () => Effect.sync(() => void log.push("close"))
                )
              : Effect.fail("no key")
        })
      const body = Effect.as(hold, ["done"]).pipe(Hook.hooked("one"))
      yield* inProcess([session(true)], body, (job) => Effect.andThen(job.start({}), held))
      yield* release
      const executions = Hook.Hooks.use(({ executions }) => executions)
      const [answer, all] = yield* inProcess([session(false)], body, (job) =>
        Effect.zip(
          Effect.flatMap(job.start({}), (handle) => handle.await),
          executions
        )
      )
      assert.deepStrictEqual(log, ["open Job/one", "close"])
      assert.deepStrictEqual(answer, ["done"])
      assert.deepStrictEqual(
        all.map(({ outcome, reason }) => [outcome, reason]),
        [["Failed", "no key"]]
      )
    })
  )

  it.effect("H7: does not open a session anew that is switched off by then", () =>
    Effect.gen(function* () {
      const { held, hold, inProcess, release } = yield* setUp
      let opened = 0
      const session = Hook.session("tenant", { required: true, open: () => Effect.sync(() => opened++) })
      const body = Effect.as(hold, ["done"]).pipe(Hook.hooked("one"))
      yield* inProcess([session], body, (job) => Effect.andThen(job.start({}), held))
      yield* release
      const answer = yield* inProcess([session], body, (job) =>
        Effect.gen(function* () {
          yield* Hook.Hooks.use(({ configure }) => configure("tenant", { enabled: false }))
          return yield* Effect.flatMap(job.start({}), (handle) => handle.await)
        })
      )
      assert.deepStrictEqual(answer, ["done"])
      assert.strictEqual(opened, 1)
    })
  )

  it.effect("matches hooks by the orchestration, or the one run, that it is", () =>
    Effect.gen(function* () {
      const { inProcess } = yield* setUp
      const log: Array<string> = []
      const session = (name: string, runs: ReadonlyArray<string>) =>
        Hook.session(name, { match: { runs }, open: ({ runId }) => Effect.sync(() => log.push(`${name} ${runId}`)) })
      const post = (name: string, runs: ReadonlyArray<string>) =>
        Hook.post(name, { match: { runs }, run: ({ runId }) => Effect.sync(() => log.push(`${name} ${runId}`)) })
      const hooks = [
        session("all", ["Job/"]),
        session("one", ["Job/one"]),
        session("two", ["Job/two"]),
        session("no", ["Jobs/"]),
        post("told", ["Job/"]),
        post("untold", ["Jobs/"])
      ]
      const body = Effect.map(speaker("alice").run({ text: "a" }), (said) => [said]).pipe(Hook.hooked("talk"))
      yield* inProcess(hooks, body, (job) => job.run({}))
      assert.deepStrictEqual(log, ["all Job/one", "one Job/one", "told Job/one"])
    })
  )

  it.effect("H2: every execution of a hook is a step, and a note states it", () =>
    Effect.gen(function* () {
      const { inProcess } = yield* setUp
      const hooks = [upper, Hook.post("report", { run: () => Effect.void }), tenant] as const
      const body = Effect.gen(function* () {
        const duo = Agent.compose("duo", {
          run: () => Effect.all([speaker("a").run({ text: "x" }), speaker("a").run({ text: "y" })])
        })
        return yield* duo.run({})
      }).pipe(Hook.hooked("talk"))
      const types = yield* inProcess(hooks, body, (job) => Effect.andThen(job.run({}), typesOf))
      assert.deepStrictEqual(types, [
        "StepCompleted talk/~hooks",
        "StepCompleted talk/~session/tenant",
        "HookExecuted talk/~session/~HookExecuted",
        "StepCompleted talk/duo/~hook/a/upper",
        "HookExecuted talk/duo/~hook/a/~HookExecuted",
        "StepCompleted talk/duo/a",
        "StepCompleted talk/duo/~hook/a/report",
        "HookExecuted talk/duo/~hook/a/~HookExecuted#2",
        "StepCompleted talk/duo/~hook/a#2/upper",
        "HookExecuted talk/duo/~hook/a#2/~HookExecuted",
        "StepCompleted talk/duo/a#2",
        "StepCompleted talk/duo/~hook/a#2/report",
        "HookExecuted talk/duo/~hook/a#2/~HookExecuted#2",
        "StepCompleted talk/~hook/duo/report",
        "HookExecuted talk/~hook/duo/~HookExecuted"
      ])
    })
  )

  it.effect("H6: a cancellation that comes while a post hook works does not keep the call from being undone", () =>
    Effect.gen(function* () {
      const { inProcess } = yield* setUp
      const log: Array<string> = []
      const reached = yield* Deferred.make<void>()
      const slow = Hook.post("slow", {
        match: { agents: ["alice"] },
        run: () => Effect.andThen(Deferred.succeed(reached, undefined), Effect.sleep("1 second"))
      })
      const body = speaker("alice", log)
        .run({ text: "a" })
        .pipe(
          Saga.undo(() => speaker("undo", log).run({ text: "a" })),
          Effect.andThen(speaker("bob", log).run({ text: "b" })),
          Effect.as([]),
          Saga.transaction("one"),
          Hook.hooked("talk")
        )
      const exit = yield* inProcess([slow], body, (job) =>
        Effect.gen(function* () {
          const handle = yield* job.start({})
          yield* Deferred.await(reached)
          yield* handle.cancel()
          const ended = yield* Effect.forkChild(Effect.exit(handle.await))
          yield* TestClock.adjust("1 second")
          return yield* Fiber.join(ended)
        })
      )
      assert.isTrue(Exit.isFailure(exit))
      assert.deepStrictEqual(log, ["alice a", "undo a"])
    })
  )

  it.effect("an engine that stops does not wait for a post hook, and its successor tells anew", () =>
    Effect.gen(function* () {
      const { inProcess } = yield* setUp
      const keys: Array<string> = []
      const reached = yield* Deferred.make<void>()
      const slow = (hangs: boolean) =>
        Hook.post("slow", {
          timeout: "1 hour",
          run: (_, { idempotencyKey }) =>
            Effect.suspend(() => {
              keys.push(idempotencyKey)
              return hangs ? Effect.andThen(Deferred.succeed(reached, undefined), Effect.never) : Effect.void
            })
        })
      const body = Effect.map(speaker("alice").run({ text: "a" }), (said) => [said]).pipe(Hook.hooked("talk"))
      yield* inProcess([slow(true)], body, (job) => Effect.andThen(job.start({}), Deferred.await(reached)))
      const answer = yield* inProcess([slow(false)], body, (job) =>
        Effect.flatMap(job.start({}), (handle) => handle.await)
      )
      assert.deepStrictEqual(answer, ["alice(a)"])
      assert.deepStrictEqual(keys, ["Job/one/talk/~hook/alice/slow", "Job/one/talk/~hook/alice/slow"])
    })
  )
})
