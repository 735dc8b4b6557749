import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Result, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Agent from "../../src/core/Agent.ts"
import * as Task from "../../src/core/Task.ts"
import * as Pattern from "../../src/patterns/pattern/Pattern.ts"
import * as PatternLibrary from "../../src/patterns/library/PatternLibrary.ts"
import * as PatternTemplate from "../../src/patterns/library/PatternTemplate.ts"

class Down extends Schema.TaggedError<Down>()("Down", {}) {}

const Say = Task.make("Say", { input: Schema.String, output: Schema.String })
const agent = (name: string) => Agent.make(name, { task: Say, run: (text) => Effect.succeed(`${name}(${text})`) })
const agents = ["alice", "bob", "carol"].map(agent)

// #region template
const Repeat = PatternTemplate.make("Repeat", {
  description: "The same agent several times.",
  parameters: { who: PatternTemplate.Member, times: Pattern.optional(Schema.Int, 2) },
  produce: ({ times, who }) => {
    if (times > 5) throw new RangeError(`times must be 5 at most, got ${times}`)
    return { pattern: "Pipeline", slots: { agents: Array.from({ length: times }, () => who) } }
  }
})
// #endregion
const Indirect = PatternTemplate.make("Indirect", {
  parameters: { who: PatternTemplate.Member },
  produce: ({ who }) => ({ template: "Repeat", parameters: { who } })
})
const There = PatternTemplate.make("There", {
  parameters: {},
  produce: () => ({ pattern: "Pipeline", slots: { agents: ["alice", { template: "Back", name: "back" }] } })
})
const Back = PatternTemplate.make("Back", { parameters: {}, produce: () => ({ template: "There" }) })

const library = PatternLibrary.make(PatternLibrary.builtIn.patterns, {
  templates: [...PatternLibrary.builtIn.templates, Repeat, Indirect, There, Back]
})

const make = (data: unknown) => PatternLibrary.instantiate(library, data, { agents })
const issuesOf = (data: unknown) => {
  const made = make(data)
  return Result.isSuccess(made) ? [] : made.failure.issues.map(({ message, path }) => `${path.join(".")}: ${message}`)
}
const answer = (data: unknown, input: Schema.Json) => Result.getOrThrow(make(data)).run(input)

describe("PatternTemplate", () => {
  it.effect("J1: parameters have defaults, and an instance bears the name of its use", () =>
    Effect.gen(function* () {
      const use = { template: "Repeat", name: "again", parameters: { who: "alice" } }
      assert.strictEqual(Result.getOrThrow(make(use)).name, "again")
      assert.strictEqual(yield* answer(use, "x"), "alice(alice(x))")
      assert.strictEqual(yield* answer({ ...use, parameters: { who: "bob", times: 1 } }, "x"), "bob(x)")
      assert.deepStrictEqual(Repeat.produce({ who: "alice", times: 1 }), {
        pattern: "Pipeline",
        slots: { agents: ["alice"] }
      })
    })
  )

  it("J1: what does not match a parameter is reported with its path", () => {
    assert.deepStrictEqual(issuesOf({ template: "Repeat", name: "r", parameters: { times: "x", hwo: "alice" } }), [
      'parameters.hwo: there is no parameter "hwo": there are who, times',
      "parameters.who: Missing key",
      "parameters.times: Expected number"
    ])
    assert.deepStrictEqual(issuesOf({ template: "Repeat", name: "r", parameters: { who: "alice", times: 6 } }), [
      "parameters: times must be 5 at most, got 6"
    ])
  })

  it("J2: what it makes is checked, and reported where it is used", () => {
    const use = { template: "Indirect", name: "i", parameters: { who: "nobody" } }
    const data = { pattern: "Pipeline", name: "p", slots: { agents: ["alice", use] } }
    assert.deepStrictEqual(issuesOf(data), [
      'slots.agents.1: template "Indirect" makes template "Repeat" makes slots.agents[0]: there is no agent "nobody": there are alice, bob, carol',
      'slots.agents.1: template "Indirect" makes template "Repeat" makes slots.agents[1]: there is no agent "nobody": there are alice, bob, carol'
    ])
  })

  it("J3: one that leads back to itself is reported", () => {
    assert.deepStrictEqual(issuesOf({ template: "Back", name: "b" }), [
      ': template "Back" makes template "There" makes slots.agents[1]: template "Back" leads to itself: Back -> There -> Back'
    ])
  })

  it.effect("J3: one in a parameter of itself, or that comes to an end, is none that leads back", () =>
    Effect.gen(function* () {
      const once = { template: "Repeat", name: "inner", parameters: { who: "alice", times: 1 } }
      assert.strictEqual(
        yield* answer({ template: "Repeat", name: "r", parameters: { who: once } }, "x"),
        "alice(alice(x))"
      )
      const Down = PatternTemplate.make("Down", {
        parameters: { from: Schema.Int },
        produce: ({ from }) => ({
          pattern: "Pipeline",
          slots: {
            agents: from <= 0 ? ["alice"] : ["bob", { template: "Down", name: "d", parameters: { from: from - 1 } }]
          }
        })
      })
      const counting = PatternLibrary.make(PatternLibrary.builtIn.patterns, { templates: [Down] })
      const from = (count: number) =>
        PatternLibrary.instantiate(counting, { template: "Down", name: "d", parameters: { from: count } }, { agents })
      assert.strictEqual(yield* Result.getOrThrow(from(2)).run("x"), "alice(bob(bob(x)))")
      const deep = from(1000)
      assert.include(Result.isFailure(deep) ? deep.failure.message : "", "is nested more than 200 deep")
    })
  )

  it("a second template of a name is refused, and each is described", () => {
    assert.throws(
      () => PatternLibrary.make([], { templates: [Repeat, { ...Repeat }] }),
      'two templates are named "Repeat"'
    )
    const [described] = PatternLibrary.describe(PatternLibrary.make([], { templates: [Repeat] })).templates
    assert.strictEqual(described?.description, "The same agent several times.")
    assert.deepStrictEqual(described!.parameters["required"], ["who"])
    assert.deepInclude((described!.parameters["properties"] as any).times, { default: 2, type: "integer" })
  })
})

describe("The built-in patterns", () => {
  const call = (data: unknown, members: ReadonlyArray<Agent.Any>, input: Schema.Json) =>
    Result.getOrThrow(
      PatternLibrary.instantiate(library, data, { agents: members as ReadonlyArray<Agent.Agent<any, any, any>> })
    ).run(input)
  const does = (name: string, run: (input: any) => unknown) =>
    Agent.compose(name, {
      run: (input: any) =>
        Effect.suspend(() => {
          const said = run(input)
          return Effect.isEffect(said) ? (said as Effect.Effect<any, any>) : Effect.succeed(said)
        })
    })

  it.effect("Router follows the chooser, whose answer must be a text", () =>
    Effect.gen(function* () {
      const router = {
        pattern: "Router",
        name: "r",
        slots: { chooser: "chooser", routes: { long: "alice", short: "bob" } }
      }
      const members = [
        ...agents,
        does("chooser", (text) => (text.length > 3 ? "long" : text === "" ? "none" : text === "?" ? 5 : "short"))
      ]
      assert.strictEqual(yield* call(router, members, "hello"), "alice(hello)")
      assert.strictEqual(yield* call(router, members, "hi"), "bob(hi)")
      assert.strictEqual((yield* Effect.flip(call(router, members, "")))._tag, "RouteUnknown")
      assert.strictEqual((yield* Effect.flip(call(router, members, "?")))._tag, "ContractViolation")
    })
  )

  it.effect("MapReduce splits, maps and reduces", () =>
    Effect.gen(function* () {
      const members = [
        ...agents,
        does("words", (text) => text.split(" ")),
        does("join", ({ answers }) => answers.join("+"))
      ]
      const data = { pattern: "MapReduce", name: "m", slots: { split: "words", map: "alice", reduce: "join" } }
      assert.strictEqual(yield* call(data, members, "a b"), "alice(a)+alice(b)")
    })
  )

  it.effect("Debate gives the judge what was said", () =>
    Effect.gen(function* () {
      const members = [
        does("pro", () => "yes"),
        does("con", () => "no"),
        does("judge", ({ transcript }) => transcript.length)
      ]
      const data = {
        pattern: "Debate",
        name: "d",
        options: { rounds: 3 },
        slots: { debaters: { pro: "pro", con: "con" }, judge: "judge" }
      }
      assert.strictEqual(yield* call(data, members, "tea?"), 6)
    })
  )

  it.effect("TaskGraph passes the input, one output, or several by name", () =>
    Effect.gen(function* () {
      const data = {
        pattern: "TaskGraph",
        name: "g",
        options: { after: { c: ["b", "a"], b: ["a"] } },
        slots: { nodes: { c: "show", b: "bob", a: "alice" } }
      }
      const members = [...agents, does("show", (input) => JSON.stringify(input))]
      assert.deepStrictEqual(yield* call(data, members, "x"), {
        a: "alice(x)",
        b: "bob(alice(x))",
        c: '{"b":"bob(alice(x))","a":"alice(x)"}'
      })
    })
  )

  it("TaskGraph names unknown nodes, cycles and self-dependencies", () => {
    const nodes = { one: "alice", two: "bob", three: "carol" }
    const after = { one: ["two"], two: ["one"], three: ["three", "tow"], four: ["one"] }
    assert.deepStrictEqual(
      issuesOf({ pattern: "TaskGraph", name: "g", options: { after }, slots: { nodes } }).toSorted(),
      [
        'options.after.four: there is no node "four": there are one, two, three',
        "options.after.three: depends on itself",
        'options.after.three: there is no node "tow": there are one, two, three',
        "options.after.two: cycle one -> two -> one"
      ]
    )
  })

  it("Race, Supervisor, Swarm and VerifyLoop check what their schemas cannot", () => {
    const data = (pattern: string, options: object, slots: object) => ({ pattern, name: "x", options, slots })
    const pair = { agents: ["alice", "bob"] }
    assert.deepStrictEqual(issuesOf(data("Race", {}, { agents: ["alice", "bob", "alice"] })), [
      'slots.agents.2: "alice" takes part already'
    ])
    assert.deepStrictEqual(issuesOf(data("Supervisor", {}, { agents: ["alice", "alice"] })), [
      'slots.agents.1: "alice" takes part already'
    ])
    assert.deepStrictEqual(issuesOf(data("Supervisor", { route: { weighted: { alise: 2, bob: 1 } } }, pair)), [
      'options.route.weighted.alise: there is no agent "alise": did you mean "alice"?'
    ])
    assert.deepStrictEqual(issuesOf(data("Swarm", { rule: { quorum: 3 } }, { members: ["alice", "bob"] })), [
      "options.rule.quorum: cannot be met by 2 members"
    ])
    const voters = { members: ["alice", "bob", "alice"] }
    assert.deepStrictEqual(issuesOf(data("Swarm", { rule: { weighted: { alice: 3, "alice-2": 2 } } }, voters)), [])
    assert.deepStrictEqual(issuesOf(data("Swarm", { rule: { weighted: { carol: 3, "bob-2": 1 } } }, voters)), [
      'options.rule.weighted.carol: there is no member "carol": there are alice, bob, alice-2',
      'options.rule.weighted.bob-2: there is no member "bob-2": did you mean "bob"?'
    ])
    const loop = { attempt: "alice", verify: "bob" }
    assert.deepStrictEqual(issuesOf(data("VerifyLoop", { rounds: 2, strategy: { bestOf: 3 } }, loop)), [
      "options.rounds: the strategy needs 3, got 2"
    ])
  })

  it.effect("Supervisor does what its rules say", () =>
    Effect.gen(function* () {
      let calls = 0
      const down = does("down", () => (++calls, Effect.fail(new Down())))
      const data = (rule: Schema.Json, members: ReadonlyArray<string>) => ({
        pattern: "Supervisor",
        name: "s",
        options: { route: "roundRobin", onFailure: { Down: rule } },
        slots: { agents: members }
      })
      const members = [...agents, down]
      assert.strictEqual(yield* call(data("reroute", ["down", "alice"]), members, "x"), "alice(x)")
      assert.strictEqual(yield* call(data({ resume: "spare" }, ["down"]), members, "x"), "spare")
      assert.strictEqual((yield* Effect.flip(call(data("escalate", ["down", "alice"]), members, "x")))._tag, "Down")
      calls = 0
      const fiber = yield* Effect.forkChild(
        call(data({ restart: { times: 2, delay: "1 second", afterwards: "reroute" } }, ["down", "bob"]), members, "x"),
        { startImmediately: true }
      )
      yield* TestClock.adjust(Duration.seconds(3))
      assert.strictEqual(yield* Fiber.join(fiber), "bob(x)")
      assert.strictEqual(calls, 3)
    })
  )

  it.effect("SupervisedPool leaves alone who keeps failing", () =>
    Effect.gen(function* () {
      let calls = 0
      const data = {
        template: "SupervisedPool",
        name: "p",
        parameters: { agents: ["down"], failures: 2, openFor: "1 hour" }
      }
      const made = Result.getOrThrow(
        PatternLibrary.instantiate(library, data, {
          agents: [Agent.compose("down", { run: () => (++calls, Effect.fail(new Down())) })]
        })
      )
      const tags = [] as Array<string>
      for (let turn = 0; turn < 3; turn++) tags.push((yield* Effect.flip(made.run("x")))._tag)
      assert.deepStrictEqual(tags, ["Down", "Down", "CircuitOpen"])
      assert.strictEqual(calls, 2)
    })
  )

  it.effect("MajorityOfThree decides by two who agree; a member that fails abstains", () =>
    Effect.gen(function* () {
      const members = [
        does("one", () => ({ verdict: true })),
        does("two", () => Effect.fail(new Down())),
        does("three", () => ({ verdict: true }))
      ]
      const data = {
        template: "MajorityOfThree",
        name: "m",
        parameters: { first: "one", second: "two", third: "three", vote: "verdict" }
      }
      assert.deepStrictEqual(yield* call(data, members, "x"), {
        option: "true",
        rounds: 1,
        votes: [
          { member: "one", answer: { verdict: true } },
          { member: "three", answer: { verdict: true } }
        ],
        abstentions: [{ member: "two", why: "Down" }]
      })
    })
  )

  it.effect("DraftAndVerify hands the feedback on", () =>
    Effect.gen(function* () {
      const writer = does("writer", ({ input, last }) =>
        last === undefined ? input : `${last.candidate} ${last.feedback}`
      )
      const verifier = does("verifier", ({ candidate }) =>
        candidate.endsWith("salt") ? { _tag: "Accepted" } : { _tag: "Rejected", feedback: "salt" }
      )
      const data = { template: "DraftAndVerify", name: "d", parameters: { writer: "writer", verifier: "verifier" } }
      assert.strictEqual(yield* call(data, [writer, verifier], "sea"), "sea salt")
    })
  )

  it.effect("CheapFirst asks the dear one when the judge is not content, or the cheap one fails", () =>
    Effect.gen(function* () {
      const judge = does("judge", ({ answer }) => answer !== "cheap(hard)")
      const cheap = does("cheap", (text) => (text === "broken" ? Effect.fail(new Down()) : `cheap(${text})`))
      const data = { template: "CheapFirst", name: "c", parameters: { cheap: "cheap", dear: "alice", judge: "judge" } }
      const members = [...agents, judge, cheap]
      assert.strictEqual(yield* call(data, members, "easy"), "cheap(easy)")
      assert.strictEqual(yield* call(data, members, "hard"), "alice(hard)")
      assert.strictEqual(yield* call(data, members, "broken"), "alice(broken)")
    })
  )
})
