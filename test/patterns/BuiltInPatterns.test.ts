/** `Handoff`, `Approval` and the supervisor's `otherwise`, made from data. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Result, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Agent from "../../src/core/Agent.ts"
import * as Task from "../../src/core/Task.ts"
import * as Approval from "../../src/patterns/approval/Approval.ts"
import * as PatternLibrary from "../../src/patterns/library/PatternLibrary.ts"
import { everywhere } from "../durable/everywhere.ts"
import { define } from "../durable/program.ts"
import { heldRun } from "../policies/heldRun.ts"
import { told } from "../policies/policies.ts"

const library = PatternLibrary.builtIn

const does = <A, E>(name: string, run: (input: any) => Effect.Effect<A, E>) => Agent.compose(name, { run })

const make = <A extends Agent.Any>(data: unknown, agents: ReadonlyArray<A>) =>
  PatternLibrary.instantiate(library, data, { agents })

const issuesOf = (data: unknown, agents: ReadonlyArray<string>) =>
  PatternLibrary.validate(library, data, { agents }).map(({ message, path }) => `${path.join(".")}: ${message}`)

describe("Handoff from data", () => {
  const seen: Array<unknown> = []
  const leg = (name: string) =>
    does(name, (given) =>
      Effect.sync(() => {
        seen.push([name, given])
        return `${name} ${given.feedback.length}`
      })
    )
  /** Accepts the second time, and notes what it was given. */
  const strict = (name: string) => {
    let turn = 0
    return does(name, (given) =>
      Effect.sync(() => {
        seen.push([name, given])
        turn++
        return turn === 1 ? { _tag: "Rejected", feedback: { by: name } } : { _tag: "Accepted" }
      })
    )
  }
  const legs = ["draft", "style", "print"]

  it.effect("N2: each leg is given the input and the outputs before it, and what sent the baton back over it", () =>
    Effect.gen(function* () {
      seen.length = 0
      const data = {
        pattern: "Handoff",
        name: "h",
        options: { gates: { editor: { after: "style", back: "draft" } } },
        slots: { legs, verifiers: { editor: "editor" } }
      }
      const made = Result.getOrThrow(make(data, [...legs.map(leg), strict("editor")]))
      assert.deepStrictEqual(yield* made.run("x"), { draft: "draft 1", style: "style 1", print: "print 0" })
      const again = { input: "x", feedback: [{ by: "editor" }] }
      assert.deepStrictEqual(seen, [
        ["draft", { input: "x", baton: {}, feedback: [] }],
        ["style", { input: "x", baton: { draft: "draft 0" }, feedback: [] }],
        ["editor", { input: "x", baton: { draft: "draft 0", style: "style 0" } }],
        ["draft", { ...again, baton: {} }],
        ["style", { ...again, baton: { draft: "draft 1" } }],
        ["editor", { input: "x", baton: { draft: "draft 1", style: "style 1" } }],
        ["print", { input: "x", baton: { draft: "draft 1", style: "style 1" }, feedback: [] }]
      ])
    })
  )

  it.effect("N2: a gate stands behind the last leg and goes back to it, and several are asked by name", () =>
    Effect.gen(function* () {
      seen.length = 0
      const slots = { legs: ["draft", "style"], verifiers: { second: "b", first: "a" } }
      const data = { pattern: "Handoff", name: "h", slots }
      const made = Result.getOrThrow(make(data, [leg("draft"), leg("style"), strict("a"), strict("b")]))
      assert.deepStrictEqual(yield* made.run("x"), { draft: "draft 0", style: "style 2" })
      const order = seen.map((entry) => (entry as ReadonlyArray<unknown>)[0])
      assert.deepStrictEqual(order, ["draft", "style", "a", "style", "a", "b", "style", "a", "b"])
    })
  )

  it.effect("N2: `returns` is the end of it, with all rejections; without verifiers there is none", () =>
    Effect.gen(function* () {
      const never = does("never", () => Effect.succeed({ _tag: "Rejected", feedback: "no" }))
      const data = (returns: number) => ({
        pattern: "Handoff",
        name: "h",
        options: { returns },
        slots: { legs: ["draft"], verifiers: { never: "never" } }
      })
      const error = yield* Effect.flip(Result.getOrThrow(make(data(1), [leg("draft"), never])).run("x"))
      assert.strictEqual(error._tag, "HandoffRejected")
      if (error._tag === "HandoffRejected") assert.strictEqual(error.rejections.length, 2)
      const free = { pattern: "Handoff", name: "h", slots: { legs: ["draft"], verifiers: {} } }
      assert.deepStrictEqual(yield* Result.getOrThrow(make(free, [leg("draft")])).run("x"), { draft: "draft 0" })
    })
  )

  it.effect("N5: a verifier that gives no verdict breaks its contract", () =>
    Effect.gen(function* () {
      const data = { pattern: "Handoff", name: "h", slots: { legs: ["draft"], verifiers: { v: "v" } } }
      const vague = does("v", () => Effect.succeed("fine"))
      const error = yield* Effect.flip(Result.getOrThrow(make(data, [leg("draft"), vague])).run("x"))
      assert.strictEqual(error._tag, "ContractViolation")
    })
  )

  it("N3: gates at legs that are not there, or that come later, are reported, and so is a leg that runs twice", () => {
    const data = (gates: Schema.Json, members: ReadonlyArray<string> = legs) => ({
      pattern: "Handoff",
      name: "h",
      options: { gates },
      slots: { legs: members, verifiers: { v: "v", w: "w" } }
    })
    const known = [...legs, "v", "w"]
    assert.deepStrictEqual(issuesOf(data({ v: { after: "style", back: "draft" }, w: { back: "print" } }), known), [])
    assert.deepStrictEqual(issuesOf(data({ v: { after: "stile" }, w: { after: "draft", back: "print" } }), known), [
      'options.gates.v.after: there is no leg "stile": did you mean "style"?',
      'options.gates.w.back: "print" comes after "draft"'
    ])
    assert.deepStrictEqual(issuesOf(data({ u: {}, v: { back: "drift" } }), known), [
      'options.gates.u: there is no verifier "u": there are v, w',
      'options.gates.v.back: there is no leg "drift": did you mean "draft"?'
    ])
    assert.deepStrictEqual(issuesOf(data({ v: { after: "stile", back: "drift" } }), known), [
      'options.gates.v.after: there is no leg "stile": did you mean "style"?',
      'options.gates.v.back: there is no leg "drift": did you mean "draft"?'
    ])
    assert.deepStrictEqual(issuesOf(data({}, ["draft", "draft"]), known), ['slots.legs.1: "draft" takes part already'])
  })
})

everywhere(
  define(
    "N2: a handoff made from data",
    ({ agent }) => {
      const said = ({ feedback, input }: any) => ({ text: `${input} ${feedback.length}` })
      const members = [
        Agent.mapInput(agent("draft", { takes: "1 second" }), said),
        Agent.mapInput(agent("print"), said),
        does("editor", ({ baton }) =>
          Effect.succeed(baton.draft.includes("1") ? { _tag: "Accepted" } : { _tag: "Rejected", feedback: "once more" })
        )
      ]
      const data = {
        pattern: "Handoff",
        name: "issue",
        options: { gates: { editor: { after: "draft" } } },
        slots: { legs: ["draft", "print"], verifiers: { editor: "editor" } }
      }
      return Effect.orDie(Result.getOrThrow(make(data, members)).run("x"))
    },
    {
      expected: Exit.succeed({ draft: "draft(x 1)", print: "print(x 0)" }),
      effects: ["draft x 0", "draft x 1", "print x 0"]
    }
  )
)

const uuid = "00000000-0000-7000-8000-000000000001"

everywhere(
  define(
    "N2: an approval made from data",
    () => {
      const data = {
        pattern: "Approval",
        name: "release",
        options: { to: ["ann"], choices: ["yes", "no"], timeout: "1000 days" }
      }
      return Effect.orDie(Result.getOrThrow(make(data, [])).run({ version: 3 }))
    },
    {
      expected: Exit.succeed({ decision: "yes", by: "ann" }),
      effects: [],
      drive: (handle) =>
        Effect.gen(function* () {
          yield* handle.events.pipe(
            Stream.filter(({ type }) => type === "ApprovalRequested"),
            Stream.take(1),
            Stream.runDrain
          )
          const [open] = yield* Approval.open(handle)
          if (open === undefined) return
          const to = { approval: "release", key: open.key, by: "ann", id: uuid }
          yield* Approval.answerEncoded(handle, { ...to, decision: "yes" })
        }) as Effect.Effect<unknown, unknown>
    }
  )
)

describe("Approval from data", () => {
  it.effect("ends when its time is up", () =>
    Effect.gen(function* () {
      const data = { pattern: "Approval", name: "release", options: { timeout: "1 hour" } }
      const waiting = yield* Effect.forkChild(Effect.flip(Result.getOrThrow(make(data, [])).run("x")), {
        startImmediately: true
      })
      yield* TestClock.adjust("1 hour")
      assert.strictEqual((yield* Fiber.join(waiting))._tag, "ApprovalTimedOut")
    })
  )

  it("N3: a time that never comes, or has come, and no choice at all are reported", () => {
    const data = (options: Schema.Json) => ({ pattern: "Approval", name: "release", options })
    for (const timeout of ["0 millis", "Infinity"]) {
      assert.deepStrictEqual(issuesOf(data({ timeout }), []), ["options.timeout: must be positive and finite"])
    }
    assert.lengthOf(issuesOf(data({ choices: [] }), []), 1)
    assert.deepStrictEqual(issuesOf(data({}), []), [])
  })
})

describe("Supervisor from data: otherwise", () => {
  class Down extends Schema.TaggedError<Down>()("Down", {}) {}
  class Lost extends Schema.TaggedError<Lost>()("Lost", {}) {}
  const members = () => [
    does("down", () => Effect.fail(new Down())),
    does("lost", () => Effect.fail(new Lost())),
    does("alice", (input) => Effect.succeed(`alice(${input})`))
  ]
  const supervised = (options: Schema.JsonObject, agents: ReadonlyArray<string>) =>
    Result.getOrThrow(
      make(
        { pattern: "Supervisor", name: "s", options: { route: "roundRobin", ...options }, slots: { agents } },
        members()
      )
    ).run("x")

  it.effect("holds for tags without a rule, and for no other", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* supervised({ otherwise: "reroute" }, ["down", "lost", "alice"]), "alice(x)")
      const ruled = { onFailure: { Lost: "escalate" }, otherwise: "reroute" }
      assert.strictEqual((yield* Effect.flip(supervised(ruled, ["down", "lost", "alice"])))._tag, "Lost")
      assert.strictEqual(yield* supervised({ otherwise: { resume: "spare" } }, ["lost"]), "spare")
    })
  )

  it.effect("is to escalate if left out", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(supervised({ onFailure: { Lost: "reroute" } }, ["lost", "down", "alice"]))
      assert.strictEqual(error._tag, "Down")
    })
  )

  it.effect("may retire the only agent", () =>
    Effect.gen(function* () {
      const data = { pattern: "Supervisor", name: "s", options: { otherwise: "stop" }, slots: { agents: ["down"] } }
      const made = Result.getOrThrow(make(data, members()))
      assert.strictEqual((yield* Effect.flip(made.run("x")))._tag, "Down")
      assert.strictEqual((yield* Effect.flip(made.run("x")))._tag, "NoWorker")
    })
  )

  it.effect("passes over an open circuit, without a word in the run", () =>
    Effect.gen(function* () {
      const { events, finish } = yield* heldRun
      const breaker = { failures: 1, openFor: "1 hour" }
      const data = {
        pattern: "Supervisor",
        name: "s",
        options: { route: "roundRobin", breaker, onFailure: { Down: "escalate" }, otherwise: "reroute" },
        slots: { agents: ["down", "alice"] }
      }
      const made = Result.getOrThrow(make(data, members()))
      const body = () => Effect.all(Array.from({ length: 3 }, () => told(Effect.map(made.run("x"), String))))
      assert.deepStrictEqual(yield* finish(body), ["Down", "alice(x)", "alice(x)"])
      const failed = (yield* events(body)).filter((event) => event.startsWith("WorkerFailed"))
      assert.deepStrictEqual(failed, ["WorkerFailed s/~WorkerFailed"])
    })
  )
})

describe("N3: names that agents declare", () => {
  class Transient extends Schema.TaggedError<Transient>()("Transient", {}) {}
  class Fatal extends Schema.TaggedError<Fatal>()("Fatal", { why: Schema.String }) {}
  const Ask = Task.make("Ask", { input: Schema.String, output: { verdict: Schema.String }, error: Transient })
  const leaf = (name: string) =>
    Agent.make(name, { task: Ask, errors: Fatal, run: () => Effect.succeed({ verdict: "yes" }) })
  const alice = leaf("alice")
  const bob = leaf("bob")
  const careful = Agent.timeout(leaf("careful"), "1 second")
  const opaque = Agent.compose("opaque", { run: (_: string) => Effect.fail(new Transient()) })
  const agents = [alice, bob, careful, opaque]
  const issues = (pattern: string, options: Schema.Json, slots: Schema.Json) => {
    const made = make({ pattern, name: "x", options, slots }, agents)
    return Result.isSuccess(made) ? [] : made.failure.issues.map(({ message, path }) => `${path.join(".")}: ${message}`)
  }
  const supervised = (options: Schema.Json, members: ReadonlyArray<string>) =>
    issues("Supervisor", options, { agents: members })

  it("a rule for an error that no agent declares", () => {
    const onFailure = { Trnsient: "reroute", Fatal: "escalate", ContractViolation: "stop" }
    assert.deepStrictEqual(supervised({ onFailure }, ["alice", "bob"]), [
      'options.onFailure.Trnsient: there is no error "Trnsient": did you mean "Transient"?'
    ])
    const all = { Transient: "reroute", Fatal: "escalate", ContractViolation: "stop" }
    assert.deepStrictEqual(supervised({ onFailure: all }, ["alice", "bob"]), [])
  })

  it("beside all other mistakes, at its place in the document", () => {
    const data = {
      pattern: "Pipeline",
      name: "p",
      slots: {
        agents: [
          "alise",
          {
            pattern: "Supervisor",
            name: "s",
            options: { route: { weighted: { bop: 1 } }, onFailure: { Fatl: "stop" } },
            slots: { agents: ["alice", "bob"] }
          }
        ]
      }
    }
    const made = make(data, agents)
    assert.deepStrictEqual(
      Result.isSuccess(made) ? [] : made.failure.issues.map(({ path }) => path.join(".")).toSorted(),
      ["slots.agents.0", "slots.agents.1.options.onFailure.Fatl", "slots.agents.1.options.route.weighted.bop"]
    )
  })

  it("what a policy, or the breaker, adds is an error as well", () => {
    const timedOut = { AgentTimedOut: "reroute" }
    assert.deepStrictEqual(supervised({ onFailure: timedOut }, ["alice", "careful"]), [])
    assert.lengthOf(supervised({ onFailure: timedOut }, ["alice", "bob"]), 1)
    const open = { onFailure: { CircuitOpen: "reroute" } }
    assert.lengthOf(supervised(open, ["alice"]), 1)
    assert.deepStrictEqual(supervised({ ...open, breaker: { failures: 3, openFor: "1 second" } }, ["alice"]), [])
  })

  it("nothing is said of agents that do not declare their errors, nor where only names are known", () => {
    assert.deepStrictEqual(supervised({ onFailure: { Trnsient: "stop" } }, ["alice", "opaque"]), [])
    const data = {
      pattern: "Supervisor",
      name: "s",
      options: { onFailure: { Trnsient: "stop" } },
      slots: { agents: ["alice"] }
    }
    assert.deepStrictEqual(issuesOf(data, ["alice"]), [])
  })

  it("a vote that no answer has", () => {
    const swarm = (vote: string, members: ReadonlyArray<string>) => issues("Swarm", { vote }, { members })
    assert.deepStrictEqual(swarm("verdcit", ["alice", "bob"]), [
      'options.vote: there is no field "verdcit": did you mean "verdict"?'
    ])
    assert.deepStrictEqual(swarm("verdict", ["alice", "bob"]), [])
    assert.deepStrictEqual(swarm("verdcit", ["alice", "opaque"]), [])
  })
})
