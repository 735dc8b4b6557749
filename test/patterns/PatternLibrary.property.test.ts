/** Random documents: what is valid answers as code does, what is spoilt is reported at every spoilt place and nowhere else. */
import { assert, it } from "@effect/vitest"
import { Effect, Random, Result, Schema } from "effect"
import * as Agent from "../../src/core/Agent.ts"
import * as Task from "../../src/core/Task.ts"
import * as Pattern from "../../src/patterns/pattern/Pattern.ts"
import * as PatternLibrary from "../../src/patterns/library/PatternLibrary.ts"
import * as PatternTemplate from "../../src/patterns/library/PatternTemplate.ts"

type Plain = Agent.Agent<string, string, any>

const Say = Task.make("Say", { input: Schema.String, output: Schema.String })
const names = ["alice", "bob", "carol"]
const agents = names.map((name) => Agent.make(name, { task: Say, run: (text) => Effect.succeed(`${name}(${text})`) }))

const Wrap = Pattern.make("Wrap", {
  options: { left: Schema.String, right: Pattern.optional(Schema.String, "]") },
  slots: { of: Pattern.one() },
  build:
    ({ left, of, right }) =>
    (text: string) =>
      Effect.map(of.run(text), (said) => left + said + right)
})
const Chain = Pattern.make("Chain", {
  slots: { links: Pattern.list() },
  build: ({ links }, name) =>
    Agent.compose(name, {
      run: (text: string): Effect.Effect<string, Pattern.SlotError<"links">, Pattern.SlotServices<"links">> =>
        Effect.reduce(
          links,
          () => text,
          (said, link) => link.run(said)
        )
    })
})
const Vote = Pattern.make("Vote", {
  options: { separator: Pattern.optional(Schema.String, ", ") },
  slots: { voters: Pattern.record() },
  build:
    ({ separator, voters }) =>
    (text: string) =>
      Effect.map(
        Effect.forEach(Object.entries(voters), ([name, voter]) => Effect.map(voter.run(text), (said) => name + said)),
        (all) => all.join(separator)
      )
})
const Twice = PatternTemplate.make("Twice", {
  parameters: { link: PatternTemplate.Member },
  produce: ({ link }) => ({ pattern: "Chain", slots: { links: [link, link] } })
})
const library = PatternLibrary.make([Wrap, Chain, Vote], { templates: [Twice] })

/** A document and the agent that code makes of the same. `nodes`: its instances, each with its path. */
interface Grown {
  readonly data: unknown
  readonly agent: Plain
  readonly nodes: ReadonlyArray<{ readonly path: string; readonly data: Record<string, any> }>
}

const pick = <A>(values: ReadonlyArray<A>) =>
  Effect.map(Random.nextIntBetween(0, values.length - 1), (index) => values[index]!)

const grow = (depth: number, path: string): Effect.Effect<Grown> =>
  Effect.gen(function* () {
    const kind = depth === 0 ? "Agent" : yield* pick(["Agent", "Wrap", "Chain", "Vote", "Twice"])
    if (kind === "Agent") {
      const agent = yield* pick(agents)
      return { data: agent.name, agent, nodes: [] }
    }
    const at = (place: string) => `${path === "" ? "" : `${path}.`}${place}`
    const name = `at ${path}`
    const made = (parts: object, agent: Plain, inner: ReadonlyArray<Grown>, isOpaque = false): Grown => {
      const data = { name, ...parts }
      return { data, agent, nodes: [{ path, data }, ...(isOpaque ? [] : inner.flatMap(({ nodes }) => nodes))] }
    }
    if (kind === "Twice") {
      // What a template makes is reported at its use, so nothing is spoilt in it here.
      const link = yield* grow(depth - 1, at("parameters.link"))
      const agent = Chain.make(name, { links: [link.agent, link.agent] })
      return made({ template: kind, parameters: { link: link.data } }, agent, [link], true)
    }
    if (kind === "Wrap") {
      const of = yield* grow(depth - 1, at("slots.of"))
      const given = yield* pick([{ left: "[" }, { left: "(", right: ")" }])
      return made(
        { pattern: kind, options: given, slots: { of: of.data } },
        Wrap.make(name, { ...given, of: of.agent }),
        [of]
      )
    }
    const count = yield* Random.nextIntBetween(1, 3)
    const places = Array.from({ length: count }, (_, index) => index)
    if (kind === "Chain") {
      const links = yield* Effect.forEach(places, (index) => grow(depth - 1, at(`slots.links.${index}`)))
      const agent = Chain.make(name, { links: links.map((link) => link.agent) })
      return made({ pattern: kind, slots: { links: links.map((link) => link.data) } }, agent, links)
    }
    const voters = yield* Effect.forEach(places, (index) => grow(depth - 1, at(`slots.voters.v${index}`)))
    const record = <A>(f: (voter: Grown) => A) =>
      Object.fromEntries(voters.map((voter, index) => [`v${index}`, f(voter)]))
    return made(
      { pattern: kind, slots: { voters: record(({ data }) => data) } },
      Vote.make(name, { voters: record(({ agent }) => agent) }),
      voters
    )
  })

/** Ways to spoil an instance: each changes it in place, and says which path is wrong then. */
const spoils: ReadonlyArray<(data: Record<string, any>) => string> = [
  (data) => ((data["name"] = ""), "name"),
  (data) => ((data["colour"] = "red"), "colour"),
  (data) => {
    const kind = "pattern" in data ? "pattern" : "template"
    data[kind] = "Nowhere to be found"
    return kind
  },
  (data) => {
    const place = "pattern" in data ? "options" : "parameters"
    data[place] = { ...data[place], colour: "red" }
    return `${place}.colour`
  },
  (data) => {
    const place = "pattern" in data ? "slots" : "parameters"
    data[place] = { ...data[place], colour: "alice" }
    return `${place}.colour`
  },
  (data) => {
    if (data["pattern"] !== "Wrap") return ((data["name"] = 5), "name")
    delete data["options"].left
    return "options.left"
  },
  (data) => {
    if (data["pattern"] !== "Wrap") return ((data["name"] = null), "name")
    data["options"] = { left: 5 }
    return "options.left"
  }
]

const rounds = Number(process.env["SEEDS"] ?? 60)

it.effect("N2: a valid document answers as the same in code", () =>
  Effect.gen(function* () {
    for (let seed = 0; seed < rounds; seed++) {
      const { agent, data } = yield* grow(4, "").pipe(Random.withSeed(seed))
      if (typeof data === "string") continue
      // Through text, as a document comes.
      const read = Result.getOrThrow(PatternLibrary.parse(JSON.stringify(data)))
      const made = Result.getOrThrow(PatternLibrary.instantiate(library, read, { agents }))
      assert.strictEqual(yield* made.run("x"), yield* agent.run("x"), `seed ${seed}`)
    }
  })
)

it.effect("N3: a spoilt document is refused at each spoilt place, and nowhere else", () =>
  Effect.gen(function* () {
    let spoilt = 0
    for (let seed = 0; seed < rounds; seed++) {
      const [data, expected] = yield* Effect.gen(function* () {
        const grown = yield* grow(4, "")
        const expected: Array<string> = []
        for (const node of grown.nodes) {
          if ((yield* Random.next) < 0.6) continue
          const wrong = (yield* pick(spoils))(node.data)
          expected.push(node.path === "" ? wrong : `${node.path}.${wrong}`)
        }
        return [grown.data, expected.toSorted()] as const
      }).pipe(Random.withSeed(seed))
      if (typeof data === "string" || expected.length === 0) continue
      spoilt += expected.length
      const found = PatternLibrary.validate(library, data, { agents: names }).map(({ path }) => path.join("."))
      assert.deepStrictEqual(found.toSorted(), expected, `seed ${seed}: ${JSON.stringify(data)}`)
      assert.isTrue(Result.isFailure(PatternLibrary.instantiate(library, data, { agents })))
    }
    assert.isAbove(spoilt, rounds)
  })
)

const fields = {
  text: Schema.String,
  count: Schema.Int,
  flag: Schema.Boolean,
  kind: Schema.Literals(["a", "b"]),
  list: Schema.Array(Schema.Int),
  inner: Schema.Struct({ x: Schema.Finite }),
  spare: Pattern.optional(Schema.Int, 7),
  other: Pattern.optional(Schema.Array(Schema.String), ["z"]),
  free: Schema.optionalKey(Schema.Int)
}

/** A value that a JSON Schema allows. */
const sample = (schema: any): unknown => {
  if ("default" in schema) return schema.default
  if ("enum" in schema) return schema.enum[0]
  if ("anyOf" in schema) return sample(schema.anyOf[0])
  if (schema.type === "array") return [sample(schema.items)]
  if (schema.type !== "object") return { string: "text", integer: 3, number: 1.5, boolean: true }[schema.type as string]
  return Object.fromEntries(Object.entries(schema.properties).map(([name, field]) => [name, sample(field)]))
}

it.effect("N4: of any options, what the description allows is accepted, and what it requires is needed", () =>
  Effect.gen(function* () {
    for (let seed = 0; seed < rounds; seed++) {
      const chosen = yield* Effect.filter(Object.entries(fields), () =>
        Effect.map(Random.next, (dice) => dice < 0.5)
      ).pipe(Random.withSeed(seed))
      const Any = Pattern.make("Any", {
        options: Object.fromEntries(chosen),
        slots: {},
        build: () => () => Effect.void
      })
      const anything = PatternLibrary.make([Any])
      const [described] = PatternLibrary.describe(anything).patterns
      const options = sample(described!.options) as Record<string, unknown>
      const issues = (given: object) => PatternLibrary.validate(anything, { pattern: "Any", name: "x", options: given })
      assert.deepStrictEqual(issues(options), [])
      const required = (described!.options["required"] ?? []) as ReadonlyArray<string>
      for (const name of Object.keys(options)) {
        const { [name]: _, ...rest } = options
        const paths = issues(rest).map(({ path }) => path.join("."))
        assert.deepStrictEqual(paths, required.includes(name) ? [`options.${name}`] : [])
      }
    }
  })
)
