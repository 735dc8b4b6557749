/**
 * Programs that use each durable primitive and pattern at least once, with the outcome that each one has on every engine.
 *
 * Histories of them are golden (`../golden`): do not change a program, write another one.
 */
import { Effect, Exit, Option, Schedule, Schema, Stream } from "effect"
import type { RunHandle } from "../../src/index.ts"
import {
  Agent,
  Directive,
  Orchestration,
  Routing,
  RunCancelled,
  Saga,
  Signal,
  Step,
  Supervisor,
  TaskGraph,
  Timer
} from "../../src/index.ts"
import { CrashSweep } from "../../src/testing/index.ts"
import { define, type Made, type Program, Refused, Say, world, type World } from "./program.ts"

export const Approval = Signal.make("approval", { by: Schema.String })

const say = (agent: Agent.Agent<{ readonly text: string }, string, any, any>, text: string) => agent.run({ text })

// Children are values of their own: parent and registration must mean the same one.
const child = (here: World, name: string, fails = false) =>
  Orchestration.make(name, {
    input: { text: Schema.String },
    output: Schema.String,
    error: Refused,
    run: ({ text }) =>
      Effect.gen(function* () {
        yield* Timer.sleep("1 hour")
        return yield* say(here.agent(`${name}-worker`, { fails }), text)
      })
  })
const memo = <A>(f: (here: World) => A) => {
  const made = new WeakMap<World, A>()
  return (here: World): A => {
    const known = made.get(here) ?? f(here)
    made.set(here, known)
    return known
  }
}
const goodChild = memo((here) => child(here, "GoodChild"))
const badChild = memo((here) => child(here, "BadChild", true))
const slowChild = memo((here) => child(here, "SlowChild"))

/** Goes on once the run has got so far. */
const until = (handle: RunHandle<any, any>, type: string, path: string | undefined) =>
  handle.events.pipe(
    Stream.takeUntil((event) => event.type === type && event.meta.path === path),
    Stream.runDrain
  )

/** Begins anew after every signal. */
const counter: Program = {
  name: "continued as new",
  needsEngine: true,
  make: () => {
    const here = world()
    const Count: Orchestration.Orchestration<
      "continued as new",
      { readonly names?: ReadonlyArray<string> },
      any,
      any,
      any
    > = Orchestration.make("continued as new", {
      input: { names: Schema.optionalKey(Schema.Array(Schema.String)) },
      output: Schema.Json,
      run: ({ names = [] }): Effect.Effect<any> =>
        Effect.gen(function* () {
          const { by } = yield* Signal.await(Approval)
          const said = yield* say(here.agent("a"), by)
          return names.length === 2 ? [...names, said] : yield* Count.continueAsNew({ names: [...names, said] })
        }).pipe(Effect.orDie) as Effect.Effect<any>
    })
    return {
      orchestration: Count as unknown as Made["orchestration"],
      layer: Count.layer as Made["layer"],
      plain: Effect.void,
      drive: CrashSweep.sends(Approval, { by: "x" }, { by: "y" }, { by: "z" }),
      outside: here.outside,
      expected: Exit.succeed(["a(x)", "a(y)", "a(z)"]),
      effects: ["a x", "a y", "a z"]
    }
  }
}

export const programs: ReadonlyArray<Program> = [
  define(
    "sequential",
    ({ agent }) =>
      Effect.gen(function* () {
        const a = yield* say(agent("a"), "1")
        const b = yield* say(agent("b"), a)
        return yield* say(agent("c"), b)
      }),
    { expected: Exit.succeed("c(b(a(1)))"), effects: ["a 1", "b a(1)", "c b(a(1))"] }
  ),

  define(
    "typed failure caught",
    ({ agent }) =>
      Effect.gen(function* () {
        const first = yield* say(agent("bad", { fails: true }), "1").pipe(
          Effect.catchTag("Refused", ({ what }) => Effect.succeed(`no ${what}`))
        )
        return yield* say(agent("a"), first)
      }),
    { expected: Exit.succeed("a(no bad)"), effects: ["a no bad"] }
  ),

  define(
    "typed failure",
    ({ agent }) => Effect.andThen(say(agent("a"), "1"), say(agent("bad", { fails: true }), "2")),
    { expected: Exit.fail(new Refused({ what: "bad" })), effects: ["a 1"] }
  ),

  define(
    "loop",
    ({ agent }) =>
      Effect.gen(function* () {
        const a = agent("a")
        let text = ""
        for (let index = 0; index < 4; index++) text += yield* say(a, String(index))
        return text
      }),
    { expected: Exit.succeed("a(0)a(1)a(2)a(3)"), effects: ["a 0", "a 1", "a 2", "a 3"] }
  ),

  define(
    "concurrent branches by name",
    ({ agent }) =>
      Effect.gen(function* () {
        const a = agent("a", { takes: "3 seconds" })
        const b = agent("b", { takes: "1 second" })
        return yield* Step.all({
          left: Effect.flatMap(say(a, "l"), (text) => say(b, text)),
          right: Effect.flatMap(say(b, "r"), (text) => say(a, text)),
          third: say(a, "t")
        })
      }),
    {
      expected: Exit.succeed({ left: "b(a(l))", right: "a(b(r))", third: "a(t)" }),
      effects: ["a b(r)", "a l", "a t", "b a(l)", "b r"]
    }
  ),

  define(
    "concurrent branches by index",
    ({ agent }) =>
      Step.forEach(
        ["x", "y", "z", "w"],
        (item, index) =>
          Effect.gen(function* () {
            yield* Timer.sleep(`${4 - index} minutes`)
            const a = agent("a")
            return yield* say(a, yield* say(a, item))
          }),
        { concurrency: 2 }
      ),
    {
      expected: Exit.succeed(["a(a(x))", "a(a(y))", "a(a(z))", "a(a(w))"]),
      effects: ["a a(w)", "a a(x)", "a a(y)", "a a(z)", "a w", "a x", "a y", "a z"]
    }
  ),

  define(
    "bare concurrency of different agents",
    ({ agent }) =>
      Effect.gen(function* () {
        const all = yield* Effect.all(
          ["a", "b", "c"].map((name) => say(agent(name), "1")),
          { concurrency: "unbounded" }
        )
        return yield* say(agent("d"), all.join(" "))
      }),
    { expected: Exit.succeed("d(a(1) b(1) c(1))"), effects: ["a 1", "b 1", "c 1", "d a(1) b(1) c(1)"] }
  ),

  define(
    "failure beside a branch",
    ({ agent }) =>
      Step.all({
        slow: say(agent("slow", { takes: "1 hour" }), "1"),
        waits: Timer.sleep("2 hours"),
        bad: say(agent("bad", { takes: "1 second", fails: true }), "1")
      }).pipe(Effect.catchTag("Refused", () => say(agent("after"), "1"))),
    { expected: Exit.succeed("after(1)"), effects: ["after 1"] }
  ),

  define(
    "race",
    ({ agent }) =>
      Effect.gen(function* () {
        const winner = yield* Step.race({
          slow: say(agent("slow", { takes: "1 hour" }), "1"),
          fast: say(agent("fast", { takes: "1 second" }), "1"),
          timer: Effect.as(Timer.sleep("1 day"), "timer")
        })
        return yield* say(agent("after"), winner)
      }),
    { expected: Exit.succeed("after(fast(1))"), effects: ["after fast(1)", "fast 1"] }
  ),

  define(
    "timeouts",
    ({ agent }) =>
      Effect.gen(function* () {
        const slow = agent("slow", { takes: "2 hours" })
        const first = yield* slow
          .pipe(Agent.timeout("1 hour"))
          .run({ text: "1" })
          .pipe(Effect.catchTag("AgentTimedOut", () => Effect.succeed("late")))
        const pair = Agent.compose("pair", { run: () => Effect.andThen(say(agent("a"), "1"), Timer.sleep("1 day")) })
        const second = yield* pair
          .pipe(Agent.timeout("1 hour"))
          .run({})
          .pipe(Effect.catchTag("AgentTimedOut", () => Effect.succeed("late")))
        return `${first} ${second as string}`
      }),
    { expected: Exit.succeed("late late"), effects: ["a 1"] }
  ),

  counter,

  define(
    "timers",
    ({ agent }) =>
      Effect.gen(function* () {
        yield* Timer.sleep("30 days")
        const a = yield* say(agent("a"), "1")
        yield* Timer.sleep("0 millis")
        yield* Timer.sleep("1 hour")
        return a
      }),
    { expected: Exit.succeed("a(1)"), effects: ["a 1"] }
  ),

  define(
    "signals",
    ({ agent }) =>
      Effect.gen(function* () {
        const first = yield* Signal.await(Approval)
        yield* say(agent("a"), first.by)
        yield* Timer.sleep("1 hour")
        const second = yield* Signal.awaitFor(Approval, "1 day")
        const third = yield* Signal.awaitFor(Approval, "1 day")
        const name = Option.match({ onNone: () => "nobody", onSome: ({ by }: { readonly by: string }) => by })
        return [first.by, name(second), name(third)]
      }),
    {
      drive: CrashSweep.sends(Approval, { by: "ann" }, { by: "bob" }),
      expected: Exit.succeed(["ann", "bob", "nobody"]),
      effects: ["a ann"]
    }
  ),

  define(
    "signals to two branches",
    ({ agent }) =>
      Effect.gen(function* () {
        const both = yield* Step.all({
          left: Effect.flatMap(Signal.await(Approval), ({ by }) => say(agent("a"), by)),
          right: Effect.flatMap(Signal.await(Approval), ({ by }) => say(agent("a"), by))
        })
        return [both.left, both.right].toSorted()
      }),
    {
      drive: CrashSweep.sends(Approval, { by: "ann" }, { by: "bob" }),
      expected: Exit.succeed(["a(ann)", "a(bob)"]),
      effects: ["a ann", "a bob"]
    }
  ),

  define(
    "child",
    (here) =>
      Effect.gen(function* () {
        const first = yield* goodChild(here).run({ text: "1" })
        return yield* goodChild(here).run({ text: first })
      }) as Effect.Effect<unknown, any>,
    {
      children: (here) => [goodChild(here)],
      expected: Exit.succeed("GoodChild-worker(GoodChild-worker(1))"),
      effects: ["GoodChild-worker 1", "GoodChild-worker GoodChild-worker(1)"]
    }
  ),

  define(
    "child failed",
    (here) =>
      (badChild(here).run({ text: "1" }) as Effect.Effect<string, Refused>).pipe(
        Effect.catchTag("Refused", ({ what }) => say(here.agent("a"), what))
      ),
    {
      children: (here) => [badChild(here)],
      expected: Exit.succeed("a(BadChild-worker)"),
      effects: ["a BadChild-worker"]
    }
  ),

  define(
    "child cancelled with its branch",
    (here) =>
      Step.race({
        child: slowChild(here).run({ text: "1" }) as Effect.Effect<string>,
        fast: say(here.agent("fast", { takes: "1 second" }), "1")
      }),
    { children: (here) => [slowChild(here)], expected: Exit.succeed("fast(1)"), effects: ["fast 1"] }
  ),

  define(
    "retry",
    ({ agent, flaky }) =>
      Effect.gen(function* () {
        const once = yield* say(flaky("flaky", 3), "1").pipe(Effect.catchTag("ContractViolation", Effect.die))
        let calls = 0
        const composed = Agent.compose("composed", {
          run: ({ text }: { readonly text: string }) =>
            Effect.suspend(() => (++calls < 3 ? say(agent("bad", { fails: true }), text) : say(agent("good"), text)))
        }).pipe(Agent.retry(Schedule.spaced("1 hour")))
        return yield* composed.run({ text: once })
      }),
    { expected: Exit.succeed("good(flaky(1))"), effects: ["flaky 1", "good flaky(1)"] }
  ),

  define(
    "patched",
    ({ agent }) =>
      Effect.gen(function* () {
        const a = yield* say(agent("a"), "1")
        return (yield* Orchestration.patched("new")) ? yield* say(agent("b"), a) : a
      }),
    { expected: Exit.succeed("b(a(1))"), effects: ["a 1", "b a(1)"] }
  ),

  define(
    "nested composition",
    ({ agent }) =>
      Effect.gen(function* () {
        const inner = Agent.compose("inner", {
          run: (input: { readonly text: string }) =>
            Effect.flatMap(say(agent("a"), input.text), (text) => say(agent("a"), text))
        })
        const outer = Agent.compose("outer", {
          run: (input: { readonly text: string }) =>
            Step.all({ one: inner.run(input), two: Effect.andThen(inner.run(input), inner.run({ text: "2" })) })
        })
        return yield* Effect.map(outer.run({ text: "1" }), ({ one, two }) => `${one} ${two}`)
      }),
    {
      expected: Exit.succeed("a(a(1)) a(a(2))"),
      effects: ["a 1", "a 1", "a 2", "a a(1)", "a a(1)", "a a(2)"]
    }
  ),

  define(
    "not idempotent, but reconciled",
    ({ act, agent, outside }) =>
      Effect.gen(function* () {
        const pay = Agent.make("pay", {
          task: Say,
          idempotent: false,
          reconcile: () =>
            Effect.sync(() =>
              outside.includes("pay 1") ? { _tag: "Done" as const, value: `pay(1)` } : { _tag: "NeverRan" as const }
            ),
          run: ({ text }, { idempotencyKey }) =>
            Effect.sync(() => {
              act(idempotencyKey, `pay ${text}`)
              return `pay(${text})`
            })
        })
        return yield* say(agent("a"), yield* say(pay, "1").pipe(Effect.orDie))
      }),
    { expected: Exit.succeed("a(pay(1))"), effects: ["a pay(1)", "pay 1"] }
  ),

  define("defect", ({ agent }) => Effect.andThen(say(agent("a"), "1"), Effect.die(new Error("a bug"))), {
    expected: Exit.die(new Error("a bug")),
    effects: ["a 1"]
  }),

  define(
    "saga",
    ({ agent }) =>
      Effect.gen(function* () {
        yield* say(agent("seat"), "1").pipe(Saga.undo(() => say(agent("release"), "1")))
        yield* Step.all({
          left: say(agent("hotel", { takes: "1 second" }), "1").pipe(Saga.undo(() => say(agent("leave"), "1"))),
          right: say(agent("car", { takes: "2 seconds" }), "1").pipe(Saga.undo(() => say(agent("return"), "1")))
        })
        return yield* say(agent("charge", { fails: true }), "1")
      }).pipe(Saga.transaction("book")),
    {
      expected: Exit.fail(new Refused({ what: "charge" })),
      effects: ["car 1", "hotel 1", "leave 1", "release 1", "return 1", "seat 1"]
    }
  ),

  define(
    "saga that fails beside a branch",
    ({ agent }) =>
      Effect.gen(function* () {
        yield* Step.all({
          done: say(agent("hotel", { takes: "1 second" }), "1").pipe(Saga.undo(() => say(agent("leave"), "1"))),
          slow: Effect.andThen(Timer.sleep("1 hour"), say(agent("car"), "1")).pipe(
            Saga.undo(() => say(agent("return"), "1"))
          ),
          bad: say(agent("charge", { takes: "1 minute", fails: true }), "1")
        })
      }).pipe(
        Saga.transaction("book"),
        Effect.as("booked"),
        Effect.catchTag("Refused", () => say(agent("after"), "1"))
      ),
    {
      expected: Exit.succeed("after(1)"),
      effects: ["after 1", "hotel 1", "leave 1"]
    }
  ),

  define(
    "cancelled saga",
    ({ agent }) =>
      Effect.gen(function* () {
        yield* say(agent("seat"), "1").pipe(Saga.undo(() => say(agent("release", { takes: "1 minute" }), "1")))
        yield* Step.all({
          done: say(agent("hotel"), "1").pipe(Saga.undo(() => say(agent("leave"), "1"))),
          slow: say(agent("car", { takes: "1 hour" }), "1").pipe(Saga.undo(() => say(agent("return"), "1"))),
          waits: Signal.await(Approval)
        })
      }).pipe(Saga.transaction("book")),
    {
      drive: (handle) => Effect.andThen(until(handle, "StepCompleted", "book/[done]/hotel"), handle.cancel("enough")),
      expected: Exit.fail(new RunCancelled({ runId: "cancelled saga/one", reason: "enough" })),
      effects: ["hotel 1", "leave 1", "release 1", "seat 1"]
    }
  ),

  define(
    "cancelled while paused",
    ({ agent }) =>
      Effect.gen(function* () {
        yield* say(agent("seat"), "1").pipe(Saga.undo(() => say(agent("release", { takes: "1 minute" }), "1")))
        yield* Timer.sleep("1 hour")
        yield* say(agent("never", { takes: "1 day" }), "1")
      }).pipe(Saga.transaction("book")),
    {
      drive: (handle) =>
        Effect.gen(function* () {
          yield* until(handle, "TimerScheduled", "book/sleep")
          yield* handle.pause
          yield* until(handle, "RunPaused", undefined)
          yield* handle.cancel("enough")
        }),
      expected: Exit.fail(new RunCancelled({ runId: "cancelled while paused/one", reason: "enough" })),
      effects: ["release 1", "seat 1"]
    }
  ),

  define(
    "paused and resumed",
    ({ agent }) =>
      Effect.gen(function* () {
        const a = yield* say(agent("a"), "1")
        yield* Timer.sleep("1 hour")
        return yield* say(agent("b"), a)
      }),
    {
      drive: (handle) =>
        Effect.gen(function* () {
          yield* until(handle, "TimerScheduled", "sleep")
          yield* handle.pause
          yield* until(handle, "RunPaused", undefined)
          yield* handle.resume
        }),
      expected: Exit.succeed("b(a(1))"),
      effects: ["a 1", "b a(1)"]
    }
  ),

  define(
    "supervisor",
    ({ agent }) => {
      const team = Supervisor.make("team", {
        agents: [agent("bad", { fails: true }), agent("good"), agent("other")],
        route: Routing.roundRobin,
        onFailure: { Refused: Directive.reroute }
      })
      return Effect.gen(function* () {
        const first = yield* team.run({ text: "1" })
        yield* Timer.sleep("1 minute")
        const second = yield* Step.forEach(["2", "3", "4"], (text) => team.run({ text }), { concurrency: 3 })
        return [first, ...second].every((text) => /^(good|other)/.test(text))
      })
    },
    { expected: Exit.succeed(true), effects: [] }
  ),

  define(
    "task graph",
    ({ agent }) =>
      TaskGraph.make("release", { input: {} })
        .add("fetch", agent("fetch", { takes: "1 second" }), { input: () => ({ text: "1" }) })
        .add("left", agent("left", { takes: "3 seconds" }), {
          after: ["fetch"],
          input: ({ fetch }) => ({ text: fetch })
        })
        .add("right", agent("right", { takes: "2 seconds" }), {
          after: ["fetch"],
          input: ({ fetch }) => ({ text: fetch })
        })
        .add("ship", agent("ship"), {
          after: ["left", "right"],
          input: ({ left, right }) => ({ text: `${left} ${right}` })
        })
        .run({})
        .pipe(Effect.map(({ ship }) => ship)),
    {
      expected: Exit.succeed("ship(left(fetch(1)) right(fetch(1)))"),
      effects: ["fetch 1", "left fetch(1)", "right fetch(1)", "ship left(fetch(1)) right(fetch(1))"]
    }
  )
]
