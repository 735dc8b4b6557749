import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
import * as Agent from "../../src/core/Agent.ts"
import { ContractViolation } from "../../src/core/AgentError.ts"
import * as Task from "../../src/core/Task.ts"
import * as Pattern from "../../src/patterns/pattern/Pattern.ts"
import * as PatternLibrary from "../../src/patterns/library/PatternLibrary.ts"

const Say = Task.make("Say", { input: Schema.String, output: Schema.String })
const agent = (name: string) => Agent.make(name, { task: Say, run: (text) => Effect.succeed(`${name}(${text})`) })
const agents = ["alice", "bob", "carol"].map(agent)

const Wrap = Pattern.make("Wrap", {
  description: "An answer in brackets.",
  options: { left: Schema.String, right: Pattern.optional(Schema.String, "]") },
  slots: { of: Pattern.one(Say) },
  build:
    ({ left, of, right }) =>
    (text: string) =>
      Effect.map(of.run(text), (said) => left + said + right)
})

const Chain = Pattern.make("Chain", {
  slots: { links: Pattern.list(undefined, { atLeast: 1, atMost: 5 }) },
  build:
    ({ links }) =>
    (text: string) =>
      links.reduce(
        (said: Effect.Effect<string, any, any>, link) => Effect.flatMap(said, link.run),
        Effect.succeed(text)
      ) as Effect.Effect<string, Pattern.SlotError<"links">, Pattern.SlotServices<"links">>
})

const Vote = Pattern.make("Vote", {
  options: { most: Pattern.optional(Schema.Int, 9) },
  slots: { voters: Pattern.record() },
  validate: ({ most, voters }) =>
    Object.keys(voters).length > most ? [{ path: ["voters"], message: "too many" }] : [],
  build:
    ({ voters }) =>
    (text: string) =>
      Effect.map(
        Effect.forEach(Object.entries(voters), ([name, voter]) =>
          Effect.map(voter.run(text), (said) => `${name}: ${said}`)
        ),
        (all) => all.join(", ")
      )
})

const library = PatternLibrary.make([Wrap, Chain, Vote])

const make = (data: unknown) => PatternLibrary.instantiate(library, data, { agents })

const issuesOf = (data: unknown): ReadonlyArray<string> => {
  const made = make(data)
  return Result.isSuccess(made) ? [] : made.failure.issues.map(({ message, path }) => `${path.join(".")}: ${message}`)
}

const pathsOf = (data: unknown): ReadonlyArray<string> => {
  const made = make(data)
  return Result.isSuccess(made) ? [] : made.failure.issues.map(({ path }) => path.join(".")).toSorted()
}

const answer = (data: unknown, input: Schema.Json) => Result.getOrThrow(make(data)).run(input)

describe("PatternLibrary", () => {
  it("N1: a second pattern, template or agent of a name is refused; the same one twice is one", () => {
    const Other = Pattern.make("Wrap", { slots: {}, build: () => () => Effect.void })
    assert.throws(() => PatternLibrary.make([Wrap, Other]), 'two patterns are named "Wrap"')
    assert.strictEqual(PatternLibrary.make([Wrap, Wrap]).get("Wrap"), Wrap)
    const data = { pattern: "Wrap", name: "w", options: { left: "[" }, slots: { of: "alice" } }
    const twice = () => PatternLibrary.instantiate(library, data, { agents: [agent("alice"), agent("alice")] })
    assert.throws(twice, 'two agents are named "alice"')
  })

  it("N1: a pattern is found by its name", () => {
    assert.strictEqual(library.get("Chain"), Chain)
    assert.throws(
      () => library.get("Chian" as never),
      PatternLibrary.PatternUnknown,
      'there is no pattern "Chian": did you mean "Chain"?'
    )
  })

  it("N1: a name that is data is found, or is a failure with its path and what was probably meant", () => {
    const find = (name: string, path?: ReadonlyArray<string | number>) =>
      PatternLibrary.find(library, name, path === undefined ? {} : { path })
    assert.strictEqual(Result.getOrThrow(find("Chain")), Chain)
    const unknown = (made: ReturnType<typeof find>) =>
      Result.isFailure(made) ? made.failure : assert.fail("it was found")
    const mistyped = unknown(find("wrop", ["steps", 2, "pattern"]))
    assert.strictEqual(mistyped._tag, "PatternUnknown")
    assert.deepStrictEqual([mistyped.pattern, mistyped.path, mistyped.meant], ["wrop", ["steps", 2, "pattern"], "Wrap"])
    assert.strictEqual(mistyped.message, 'steps[2].pattern: there is no pattern "wrop": did you mean "Wrap"?')
    const strange = unknown(find("toString"))
    assert.deepStrictEqual([strange.path, strange.meant], [[], undefined])
    assert.strictEqual(strange.message, 'there is no pattern "toString": there are Wrap, Chain, Vote')
  })

  it.effect("N2: slots take agents by name, instances, and instances beside them", () =>
    Effect.gen(function* () {
      const data = {
        pattern: "Chain",
        name: "chain",
        slots: {
          links: [
            "alice",
            { pattern: "Wrap", name: "wrap", options: { left: "[" }, slots: { of: "bob" } },
            { pattern: "Vote", name: "vote", slots: { voters: { first: "carol", second: "beside" } } },
            "beside"
          ]
        },
        where: { beside: { pattern: "Wrap", options: { left: "<", right: ">" }, slots: { of: "alice" } } }
      }
      assert.strictEqual(
        yield* answer(data, "x"),
        "<alice(first: carol([bob(alice(x))]), second: <alice([bob(alice(x))])>)>"
      )
    })
  )

  it("N2: an instance beside others is made once", () => {
    let made = 0
    const Counted = Pattern.make("Counted", {
      slots: {},
      build: () => {
        made++
        return () => Effect.void
      }
    })
    const data = {
      pattern: "Chain",
      name: "chain",
      slots: { links: ["one", "one", { pattern: "Chain", name: "inner", slots: { links: ["one"] } }] },
      where: { one: { pattern: "Counted" } }
    }
    assert.isTrue(Result.isSuccess(PatternLibrary.instantiate(PatternLibrary.make([Chain, Counted]), data)))
    assert.strictEqual(made, 1)
  })

  it("N3: reports all that is wrong at once, with what was probably meant", () => {
    const data = {
      pattern: "Chain",
      name: "chain",
      slots: {
        links: [
          "alise",
          { pattern: "Wrop", name: "w", slots: { of: "nobody" } },
          { pattern: "Wrap", name: "", options: { rihgt: "x" }, slots: { off: "bob" } },
          { pattern: "Vote", name: "v", options: [], slots: { voters: { a: "alice", b: 5 } } },
          { pattern: "Chain", name: "c", slots: { links: [] }, optoins: {} },
          { name: "x" }
        ]
      }
    }
    assert.deepStrictEqual(issuesOf(data), [
      'slots.links.0: there is no agent "alise": did you mean "alice"?',
      'slots.links.1.pattern: there is no pattern "Wrop": did you mean "Wrap"?',
      'slots.links.1.slots.of: there is no agent "nobody": there are alice, bob, carol',
      "slots.links.2.name: takes the name of the instance",
      'slots.links.2.options.rihgt: there is no option "rihgt": did you mean "right"?',
      "slots.links.2.options.left: Missing key",
      "slots.links.2.slots.of: takes one agent",
      'slots.links.2.slots.off: there is no slot "off": did you mean "of"?',
      "slots.links.3.options: takes an object",
      "slots.links.3.slots.voters.b: is neither the name of an agent nor an instance",
      'slots.links.4.optoins: there is no field "optoins": did you mean "options"?',
      "slots.links.4.slots.links: takes 1 or more, got 0",
      "slots.links.5.pattern: takes the name of a pattern",
      "slots.links: takes 5 at most, got 6"
    ])
  })

  it("N3: rules are asked only about what is sound otherwise", () => {
    const vote = (voter: string) => ({
      pattern: "Vote",
      name: "v",
      options: { most: 1 },
      slots: { voters: { a: "alice", b: voter } }
    })
    assert.deepStrictEqual(pathsOf(vote("bob")), ["slots.voters"])
    assert.deepStrictEqual(pathsOf(vote("nobody")), ["slots.voters.b"])
  })

  it("N3: what is no data at all is reported", () => {
    for (const data of [undefined, null, "Chain", 5, [], agents[0]]) {
      assert.deepStrictEqual(issuesOf(data), [": is not the data of an instance"])
    }
    const error = make({ name: "x", pattern: "Chain" })
    assert.include(Result.isFailure(error) ? error.failure.message : "", 'The data of "x" makes no agent: slots.links')
  })

  it("N3: an agent itself is no data", () => {
    const data = { pattern: "Chain", name: "c", slots: { links: [agents[0]] } }
    assert.deepStrictEqual(pathsOf(data), ["slots.links.0"])
    const one = { pattern: "Wrap", name: "w", options: { left: "" }, slots: { of: agents[0] } }
    assert.deepStrictEqual(pathsOf(one), ["slots.of"])
  })

  it("N3: `validate` needs the names of agents only", () => {
    const data = { pattern: "Chain", name: "c", slots: { links: ["alice", "dave"] } }
    assert.deepStrictEqual(PatternLibrary.validate(library, data, { agents: ["alice", "dave"] }), [])
    assert.deepStrictEqual(
      PatternLibrary.validate(library, data, { agents: ["alice"] }).map(({ path }) => path),
      [["slots", "links", 1]]
    )
  })

  it("N3: a library without anything says so", () => {
    const made = PatternLibrary.instantiate(PatternLibrary.make([]), { pattern: "Chain", name: "c" })
    assert.include(
      Result.isFailure(made) ? made.failure.message : "",
      'there is no pattern "Chain": there is none at all'
    )
  })

  it("N4: what is described says arity, counts, tasks and defaults", () => {
    const [wrap, chain, vote] = PatternLibrary.describe(library).patterns
    const text = { type: "string" }
    assert.deepStrictEqual(wrap, {
      name: "Wrap",
      description: "An answer in brackets.",
      options: {
        type: "object",
        properties: { left: text, right: { ...text, default: "]" } },
        required: ["left"],
        additionalProperties: false
      },
      slots: { of: { arity: "One", atLeast: 1, atMost: 1, task: { name: "Say", input: text, output: text } } },
      task: null
    })
    assert.deepStrictEqual(vote?.slots, { voters: { arity: "Record", atLeast: 1, atMost: null, task: null } })
    assert.deepStrictEqual(chain?.options, { type: "object", properties: {}, additionalProperties: false })
    assert.deepStrictEqual(chain?.slots, { links: { arity: "List", atLeast: 1, atMost: 5, task: null } })
    assert.strictEqual(
      JSON.stringify(PatternLibrary.describe(PatternLibrary.builtIn)),
      JSON.stringify(JSON.parse(JSON.stringify(PatternLibrary.describe(PatternLibrary.builtIn))))
    )
  })

  it("N4: what the description of a pattern allows is accepted, for every built-in pattern", () => {
    const { patterns } = PatternLibrary.describe(PatternLibrary.builtIn)
    assert.isAtLeast(patterns.length, 10)
    for (const pattern of patterns) {
      const filled = Object.entries(pattern.slots).map(([slot, { arity }]) => {
        const members = { One: "alice", List: ["alice", "bob"], Record: { a: "alice", b: "bob" } }
        return [slot, members[arity]]
      })
      const options = (pattern.options["properties"] ?? {}) as {
        readonly [option: string]: { readonly default?: unknown }
      }
      const defaults = Object.entries(options).flatMap(([name, { default: value }]) =>
        value === undefined ? [] : [[name, value]]
      )
      for (const given of [{}, Object.fromEntries(defaults)]) {
        const data = { pattern: pattern.name, name: "x", options: given, slots: Object.fromEntries(filled) }
        assert.deepStrictEqual(
          PatternLibrary.validate(PatternLibrary.builtIn, data, { agents: ["alice", "bob"] }),
          [],
          pattern.name
        )
      }
    }
  })

  describe("N5", () => {
    const At = Schema.Struct({ at: Schema.DateTimeUtcFromString })
    const Dated = Pattern.make("Dated", {
      slots: {},
      task: Task.make("Dated", { input: At, output: At }),
      build:
        () =>
        ({ at }: typeof At.Type) =>
          Effect.succeed({ at })
    })
    const dated = PatternLibrary.make([Dated])
    const data = { pattern: "Dated", name: "d" }

    it.effect("without a task, the agent takes and gives the JSON of its pattern's task", () =>
      Effect.gen(function* () {
        const made = Result.getOrThrow(PatternLibrary.instantiate(dated, data))
        const day = { at: "2026-01-02T03:04:05.000Z" }
        assert.deepStrictEqual(yield* made.run(day), day)
        const error = yield* Effect.flip(made.run({ at: "yesterday" }))
        assert.deepStrictEqual([error._tag, error.side, error.task], ["ContractViolation", "input", "Dated"])
      })
    )

    it.effect("without any task, it gives JSON or nothing", () =>
      Effect.gen(function* () {
        const Strange = Pattern.make("Strange", {
          slots: {},
          build: () => (input: unknown) => Effect.succeed(input === 1 ? { of: Symbol("x") } : input)
        })
        const strange = Result.getOrThrow(
          PatternLibrary.instantiate(PatternLibrary.make([Strange]), { pattern: "Strange", name: "s" })
        )
        assert.deepStrictEqual(yield* strange.run({ a: [1, null] }), { a: [1, null] })
        const error = yield* Effect.flip(strange.run(1))
        assert.deepStrictEqual([error._tag, error.side, error.task], ["ContractViolation", "output", "Json"])
      })
    )

    it.effect("with a task, it takes and gives the values of that task", () =>
      Effect.gen(function* () {
        const task = Task.make("Mine", { input: Schema.String, output: Schema.Int })
        const mine = Result.getOrThrow(
          PatternLibrary.instantiate(
            library,
            { pattern: "Wrap", name: "w", options: { left: "" }, slots: { of: "alice" } },
            { agents, task }
          )
        )
        const error = yield* Effect.flip(mine.run("x"))
        assert.instanceOf(error, ContractViolation)
        assert.deepStrictEqual([error.side, error.task, error.agent], ["output", "Mine", "w"])
      })
    )
  })

  describe("N6", () => {
    it("an instance that leads back to itself", () => {
      const chain = (...links: ReadonlyArray<string>) => ({ pattern: "Chain", slots: { links } })
      const data = {
        ...chain("a"),
        name: "c",
        where: { a: chain("b"), b: chain("alice", "c2"), c2: chain("a"), d: chain("d") }
      }
      assert.deepStrictEqual(issuesOf(data), [
        'where.c2.slots.links.0: "a" leads to itself: a -> b -> c2 -> a',
        'where.d.slots.links.0: "d" leads to itself: d -> d'
      ])
    })

    it("an instance named as an agent", () => {
      const data = {
        pattern: "Chain",
        name: "c",
        slots: { links: ["alice"] },
        where: { alice: { pattern: "Chain", slots: { links: ["bob"] } } }
      }
      assert.deepStrictEqual(issuesOf(data), ["where.alice: an agent goes by this name already"])
    })

    it("an object that contains itself", () => {
      const links: Array<unknown> = ["alice"]
      const data = { pattern: "Chain", name: "c", slots: { links } }
      links.push(data)
      assert.deepStrictEqual(issuesOf(data), ["slots.links.1: contains itself"])
      const inner: { pattern: string; name: string; slots: { links: Array<unknown> } } = {
        pattern: "Chain",
        name: "i",
        slots: { links: [] }
      }
      inner.slots.links.push(inner)
      assert.deepStrictEqual(issuesOf({ pattern: "Chain", name: "c", slots: { links: [inner] } }), [
        "slots.links.0.slots.links.0: contains itself"
      ])
    })

    it("options and parameters that contain themselves, or go too deep", () => {
      const left: Record<string, unknown> = {}
      left["left"] = left
      const wrap = { pattern: "Wrap", name: "w", options: { left }, slots: { of: "alice" } }
      assert.deepStrictEqual(issuesOf(wrap), ["options.left.left: contains itself"])
      let deep: object = {}
      for (let depth = 0; depth < 100_000; depth++) deep = { deep }
      const [issue] = issuesOf({ ...wrap, options: { left: deep } })
      assert.match(issue ?? "", /: is nested more than 200 deep$/)
    })

    it("an object in two places is no cycle, and is bounded", () => {
      let data: object = { pattern: "Chain", name: "leaf", slots: { links: ["alice"] } }
      for (let depth = 0; depth < 3; depth++)
        data = { pattern: "Chain", name: `n${depth}`, slots: { links: [data, data] } }
      assert.deepStrictEqual(issuesOf(data), [])
      for (let depth = 3; depth < 30; depth++)
        data = { pattern: "Chain", name: `n${depth}`, slots: { links: [data, data] } }
      assert.isTrue(issuesOf(data).some((issue) => issue.includes("is one instance too many: 10000")))
    })
  })

  it("a document is JSON or YAML; anything else is a typed error", () => {
    const data = { pattern: "Chain", name: "c", slots: { links: ["alice"] } }
    const yaml = "# mine\npattern: Chain\nname: c\nslots:\n  links:\n    - alice\n"
    assert.deepStrictEqual(Result.getOrThrow(PatternLibrary.parse(JSON.stringify(data, null, "\t"))), data)
    assert.deepStrictEqual(Result.getOrThrow(PatternLibrary.parse(yaml)), data)
    const broken = PatternLibrary.parse("pattern: Chain\n\tname: c")
    const error = Result.isFailure(broken) ? broken.failure : assert.fail("it was read")
    assert.strictEqual(error._tag, "DocumentUnreadable")
    assert.match(error.message, /^The document is neither JSON nor YAML: .*line 2/)
  })
})
