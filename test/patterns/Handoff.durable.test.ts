/** Handoffs inside a run: the same outcome everywhere, and one holder at a time. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Schema, Stream } from "effect"
import * as Memory from "../../src/backends/Memory.ts"
import {
  Agent,
  Engine,
  Handoff,
  Orchestration,
  RunCancelled,
  Saga,
  Signal,
  Step,
  Task,
  Timer,
  Verdict
} from "../../src/index.ts"
import type { StreamId } from "../../src/event-store/Envelope.ts"
import { EventStore } from "../../src/event-store/EventStore.ts"
import { CrashSweep } from "../../src/testing/index.ts"
import { everywhere } from "../durable/everywhere.ts"
import { define, Refused, type World } from "../durable/program.ts"

const Approval = Signal.make("approval", { by: Schema.String })
const Failures = Schema.Union([Handoff.HandoffRejected, Saga.CompensationFailed])

const undoBy =
  ({ agent }: World, name: string) =>
  (output: string) =>
    agent(name).run({ text: output })

const publish = (world: World, returns: number) => {
  const { agent } = world
  const heard = (feedback: ReadonlyArray<string>) => ({ text: feedback.join("+") })
  const chief = Agent.compose("chief", {
    run: (draft: string) =>
      Effect.map(agent("chief").run({ text: draft }), (said) =>
        said.includes("thin") ? Verdict.accepted() : Verdict.rejected("thin")
      )
  })
  return Handoff.make("publish", { input: {}, returns })
    .leg("outline", agent("ann"), { input: (_, __, feedback) => heard(feedback), undo: undoBy(world, "bin") })
    .leg("draft", agent("bob", { takes: "1 second" }), {
      input: ({ outline }) => ({ text: outline }),
      undo: undoBy(world, "tear")
    })
    .verify("chief", chief, { input: ({ draft }) => draft, back: "outline" })
    .leg("print", agent("cid"), { input: ({ draft }) => ({ text: draft }), undo: undoBy(world, "pulp") })
    .check("printed", ({ print }) => (print.length > 99 ? Verdict.accepted() : Verdict.rejected("short")))
}

everywhere(
  define(
    "handoff that goes back and arrives",
    (world) =>
      Handoff.make("publish", { input: {} })
        .leg("outline", world.agent("ann"), {
          input: (_, __, feedback) => ({ text: feedback.join() }),
          undo: undoBy(world, "bin")
        })
        .leg("draft", world.agent("bob"), { input: ({ outline }) => ({ text: outline }), undo: undoBy(world, "tear") })
        .check("thick", ({ outline }) => (outline === "ann(thin)" ? Verdict.accepted() : Verdict.rejected("thin")), {
          back: "outline"
        })
        .run({}),
    {
      error: Failures,
      expected: Exit.succeed({ outline: "ann(thin)", draft: "bob(ann(thin))" }),
      effects: ["ann ", "ann thin", "bin ann()", "bob ann()", "bob ann(thin)", "tear bob(ann())"]
    }
  )
)

const rejection = { gate: "printed", leg: "print", back: "print", feedback: "short" }

everywhere(
  define("handoff that is rejected, and undone", (world) => publish(world, 2).run({}), {
    error: Failures,
    expected: Exit.fail(
      new Handoff.HandoffRejected({
        handoff: "publish",
        leg: "print",
        gate: "printed",
        returns: 2,
        rejections: [{ gate: "chief", leg: "draft", back: "outline", feedback: "thin" }, rejection, rejection]
      })
    ),
    effects: [
      "ann ",
      "ann thin",
      "bin ann()",
      "bin ann(thin)",
      "bob ann()",
      "bob ann(thin)",
      "chief bob(ann())",
      "chief bob(ann(thin))",
      "cid bob(ann(thin))",
      "cid bob(ann(thin))",
      "pulp cid(bob(ann(thin)))",
      "pulp cid(bob(ann(thin)))",
      "tear bob(ann())",
      "tear bob(ann(thin))"
    ]
  })
)

everywhere(
  define(
    "handoff in a transaction, with a person at the gate",
    (world) => {
      const person = Agent.compose("person", {
        run: (_: string) =>
          Effect.map(Signal.await(Approval), ({ by }) => (by === "ann" ? Verdict.accepted() : Verdict.rejected(by)))
      })
      return Handoff.make("publish", { input: {} })
        .leg("draft", world.agent("bob"), {
          input: (_, __, feedback) => ({ text: feedback.join() }),
          undo: undoBy(world, "tear")
        })
        .verify("person", person, { input: ({ draft }) => draft })
        .run({})
        .pipe(Effect.andThen(world.agent("fails", { fails: true }).run({ text: "" })), Saga.transaction("outer"))
    },
    {
      error: Failures,
      drive: CrashSweep.sends(Approval, { by: "bob" }, { by: "ann" }),
      expected: Exit.fail(new Refused({ what: "fails" })),
      effects: ["bob ", "bob bob", "tear bob()", "tear bob(bob)"]
    }
  )
)

const Do = Task.make("Do", { input: Schema.String, output: Schema.String })
const worker = (name: string) => Agent.make(name, { task: Do, run: (text) => Effect.succeed(`${name}(${text})`) })

/** A goes back once from its own gate, and once from that of C. */
const job = () => {
  const undo = (output: string) => worker("undoes").run(output)
  const input = (_: unknown, __: unknown, feedback: ReadonlyArray<string>) => feedback.join()
  const steps = Handoff.make("steps", { input: {} })
    .leg("a", worker("doesA"), { input, undo })
    .check("own", ({ a }) => (a.includes("own") ? Verdict.accepted() : Verdict.rejected("own")))
    .leg("b", worker("doesB"), { input, undo })
    .leg("c", worker("doesC"), { input, undo })
    .check("all", ({ c }) => (c.includes("all") ? Verdict.accepted() : Verdict.rejected("all")), { back: "a" })
    .leg("d", worker("doesD"), { input: ({ a, b, c }) => a + b + c, undo })
  return Orchestration.make("Steps", {
    input: {},
    output: Schema.String,
    key: () => "one",
    run: () => Effect.orDie(Effect.map(steps.run({}), ({ d }) => d))
  })
}

const logOf = (runId: string) =>
  Effect.gen(function* () {
    const events = yield* Stream.runCollect((yield* Engine).events(runId))
    return events.map(({ data, meta, type }) => ({
      type,
      path: meta.path ?? "",
      data: data as Record<string, unknown>
    }))
  })

const expected = [
  "HandedOff steps/steps/a/~HandedOff steps->a 1",
  "StepCompleted steps/steps/a/doesA",
  "GateRejected steps/steps/a/~GateRejected own: a->a",
  "StepCompleted steps/steps/a/undo a/undoes",
  "HandedOff steps/steps/a#2/~HandedOff a->a 2",
  "StepCompleted steps/steps/a#2/doesA",
  "HandedOff steps/steps/a#2/b/~HandedOff a->b 1",
  "StepCompleted steps/steps/a#2/b/doesB",
  "HandedOff steps/steps/a#2/c/~HandedOff b->c 1",
  "StepCompleted steps/steps/a#2/c/doesC",
  "GateRejected steps/steps/a#2/c/~GateRejected all: c->a",
  "StepCompleted steps/steps/a#2/undo c/undoes",
  "StepCompleted steps/steps/a#2/undo b/undoes",
  "StepCompleted steps/steps/a#2/undo a/undoes",
  "HandedOff steps/steps/a#3/~HandedOff c->a 3",
  "StepCompleted steps/steps/a#3/doesA",
  "HandedOff steps/steps/a#3/b/~HandedOff a->b 2",
  "StepCompleted steps/steps/a#3/b/doesB",
  "HandedOff steps/steps/a#3/c/~HandedOff b->c 2",
  "StepCompleted steps/steps/a#3/c/doesC",
  "HandedOff steps/steps/d/~HandedOff c->d 1",
  "StepCompleted steps/steps/d/doesD"
]

const line = ({
  data,
  path,
  type
}: {
  type: string
  path: string
  data: Record<string, unknown>
}): ReadonlyArray<string> => {
  if (type === "HandedOff") return [`${type} ${path} ${data["from"]}->${data["to"]} ${data["attempt"]}`]
  if (type === "GateRejected") return [`${type} ${path} ${data["gate"]}: ${data["leg"]}->${data["back"]}`]
  return type === "StepCompleted" ? [`${type} ${path}`] : []
}

describe("B7, B8: the baton in the log", () => {
  it.effect("read like the handoff, and its blocks", () => {
    const steps = job()
    return Effect.gen(function* () {
      const handle = yield* steps.start({})
      yield* handle.await
      assert.deepStrictEqual((yield* logOf(handle.id)).flatMap(line), expected)
    }).pipe(Effect.provide(steps.layer.pipe(Layer.provideMerge(Memory.layer))))
  })

  it.effect(
    "one holder at a time, whatever crashes: each passing once, and steps only of who holds the baton",
    () =>
      Effect.gen(function* () {
        const report = yield* CrashSweep.run(
          () => {
            const steps = job()
            let log: ReadonlyArray<string> = []
            const scenario = Effect.gen(function* () {
              const handle = yield* steps.start({})
              yield* handle.await
              log = (yield* logOf(handle.id)).flatMap(line)
              return log
            })
            const invariant = Effect.sync(() => {
              assert.isAbove(log.length, 0)
              let holder = "steps"
              for (const event of log) {
                const [, from, to] = /^HandedOff .* (\w+)->(\w+)/.exec(event) ?? []
                if (to !== undefined) {
                  assert.strictEqual(from, holder)
                  holder = to
                }
                const [, worker] = /\/does(\w)$/.exec(event) ?? []
                if (worker !== undefined) assert.strictEqual(worker.toLowerCase(), holder)
              }
            })
            return { layer: steps.layer, scenario, invariant }
          },
          { seeds: 3 }
        )
        assert.isAbove(report.crashes, 100)
      }),
    120_000
  )
})

/** Who holds the baton by what is durable, and who held it before. */
const holders = (store: typeof EventStore.Service, runId: string) =>
  Effect.map(Stream.runCollect(store.read(`run/${runId}` as StreamId)), (events) =>
    events.flatMap(({ data, type }) => (type === "HandedOff" ? [String((data as Record<string, unknown>)["to"])] : []))
  )

everywhere(
  define(
    "two handoffs side by side, and a race with a third",
    ({ agent }) => {
      const carried = (name: string, takes: string) =>
        Handoff.make(name, { input: {} })
          .leg("first", agent(`${name} 1`, { takes }), { input: () => ({ text: "" }) })
          .leg("second", agent(`${name} 2`, { takes }), { input: ({ first }) => ({ text: first }) })
          .run({})
      const raced = Step.race({ slow: carried("slow", "1 day"), timer: Effect.as(Timer.sleep("1 hour"), "late") })
      return Step.all({ one: carried("one", "1 second"), two: carried("two", "1 second"), raced })
    },
    {
      error: Failures,
      expected: Exit.succeed({
        one: { first: "one 1()", second: "one 2(one 1())" },
        two: { first: "two 1()", second: "two 2(two 1())" },
        raced: "late"
      }),
      effects: ["one 1 ", "one 2 one 1()", "two 1 ", "two 2 two 1()"]
    }
  )
)

// B7: when a leg begins, the log says that it holds the baton.
everywhere(
  define(
    "holder",
    (world) => {
      const looks = (name: string) =>
        Agent.make(name, {
          task: Do,
          run: (text, { idempotencyKey }) =>
            Effect.gen(function* () {
              const held = yield* Effect.orDie(holders(yield* EventStore, "holder/one"))
              world.act(idempotencyKey, `${name} sees ${held.at(-1)}`)
              return text
            })
        })
      return Handoff.make("steps", { input: {} })
        .leg("a", looks("a"), { input: (_, __, feedback) => feedback.join() })
        .leg("b", looks("b"), { input: ({ a }) => a })
        .check("again", ({ a }) => (a === "again" ? Verdict.accepted() : Verdict.rejected("again")), { back: "a" })
        .leg("c", looks("c"), { input: ({ b }) => b })
        .run({})
    },
    {
      error: Failures,
      needsEngine: true,
      expected: Exit.succeed({ a: "again", b: "again", c: "again" }),
      effects: ["a sees a", "a sees a", "b sees b", "b sees b", "c sees c"]
    }
  )
)

it.effect(
  "B7: at each crash, the log says that the leg that acted last holds the baton",
  () =>
    Effect.gen(function* () {
      const report = yield* CrashSweep.run(
        () => {
          const acted: Array<string> = []
          const problems: Array<string> = []
          const acts = (name: string) =>
            Agent.make(name, { task: Do, run: (text) => Effect.sync(() => (acted.push(name), text)) })
          const handoff = Handoff.make("steps", { input: {} })
            .leg("a", acts("a"), { input: (_, __, feedback) => feedback.join() })
            .leg("b", acts("b"), { input: ({ a }) => a })
            .check("again", ({ a }) => (a === "again" ? Verdict.accepted() : Verdict.rejected("again")), { back: "a" })
            .leg("c", acts("c"), { input: ({ b }) => b })
          const steps = Orchestration.make("Steps", {
            input: {},
            output: Schema.Json,
            run: () => Effect.orDie(handoff.run({}))
          })
          // Built before the run is taken over, so it reads what the process before has left.
          const inspected = Layer.effectDiscard(
            Effect.gen(function* () {
              const held = yield* Effect.orDie(holders(yield* EventStore, steps.runId("one")))
              if (acted.some((name, index) => held[index] !== name)) {
                problems.push(`${acted.join()} have acted, and the log says ${held.join()}`)
              }
            })
          )
          return {
            layer: steps.layer.pipe(Layer.provide(inspected)),
            scenario: Effect.flatMap(steps.start({}, { key: "one" }), (handle) => handle.await),
            invariant: Effect.sync(() => assert.deepStrictEqual(problems, []))
          }
        },
        { seeds: 3 }
      )
      assert.isAbove(report.crashes, 50)
    }),
  120_000
)

it.effect("B6: cancelling a run undoes its legs", () =>
  Effect.gen(function* () {
    const done: Array<string> = []
    const note = (name: string) =>
      Agent.make(name, { task: Do, run: (text) => Effect.sync(() => (done.push(`${name} ${text}`), text)) })
    const waits = Agent.compose("waits", { run: (_: string) => Effect.as(Signal.await(Approval), Verdict.accepted()) })
    const steps = Handoff.make("steps", { input: {} })
      .leg("a", note("a"), { input: () => "1", undo: (output) => note("undo a").run(output) })
      .leg("b", note("b"), { input: () => "2", undo: (output) => note("undo b").run(output) })
      .verify("waits", waits, { input: () => "" })
    const Steps = Orchestration.make("Steps", {
      input: {},
      output: Schema.Json,
      run: () => Effect.orDie(steps.run({}))
    })
    yield* Effect.gen(function* () {
      const handle = yield* Steps.start({})
      while (done.length < 2) yield* Effect.yieldNow
      yield* handle.cancel()
      assert.instanceOf(yield* Effect.flip(handle.await), RunCancelled)
    }).pipe(Effect.provide(Steps.layer.pipe(Layer.provideMerge(Memory.layer))))
    assert.deepStrictEqual(done, ["a 1", "b 2", "undo b 2", "undo a 1"])
  })
)
