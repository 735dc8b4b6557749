import { assert, describe, it } from "@effect/vitest"
import { Cause, Duration, Effect, Exit, Result, Schema } from "effect"
import * as Agent from "../../src/core/Agent.ts"
import { ContractViolation } from "../../src/core/AgentError.ts"
import * as Task from "../../src/core/Task.ts"
import * as Pattern from "../../src/patterns/pattern/Pattern.ts"

class Vague extends Schema.TaggedError<Vague>()("Vague", {}) {}
class Busy extends Schema.TaggedError<Busy>()("Busy", {}) {}

const Write = Task.make("Write", { input: { topic: Schema.String }, output: Schema.String, error: Vague })
const Review = Task.make("Review", { input: { text: Schema.String }, output: Schema.Boolean })

const writer = (name: string, write: (topic: string) => Effect.Effect<string, Vague | Busy> = Effect.succeed) =>
  Agent.make(name, { task: Write, errors: Busy, run: ({ topic }) => write(topic) })
const critic = (name: string) => Agent.make(name, { task: Review, run: () => Effect.succeed(true) })
const anyone = (name: string, run: (input: any) => Effect.Effect<any, any> = Effect.succeed) =>
  Agent.compose(name, { run })

const Drafts = Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))

const Reviewed = Pattern.make("Reviewed", {
  description: "A text that critics accept.",
  options: {
    drafts: Drafts,
    tone: Pattern.optional(Schema.String, "plain"),
    patience: Pattern.optional(Schema.DurationFromString, Duration.seconds(5))
  },
  slots: {
    writer: Pattern.one(Write),
    critics: Pattern.list(Review, { atLeast: 1, atMost: 3 }),
    readers: Pattern.record()
  },
  validate: function* ({ critics, drafts, readers }) {
    if (drafts > 10) yield { path: ["drafts"], message: "is too many" }
    if (critics.some(({ name }) => name in readers)) yield { path: ["critics"], message: "read as well" }
    if (drafts === 7) yield "seven is unlucky"
  },
  build:
    ({ critics, drafts, patience, readers, tone, writer }) =>
    ({ topic }: { readonly topic: string }) =>
      Effect.gen(function* () {
        const text = yield* writer.run({ topic })
        yield* Effect.forEach(critics, (one) => one.run({ text }))
        yield* Effect.forEach(Object.values(readers), (one) => one.run(text))
        return { text, drafts, tone, patience: Duration.toMillis(patience) }
      }).pipe(Effect.catchTag("Vague", () => Effect.succeed("vague")))
})

const parts = { writer: writer("alice"), critics: [critic("bob")], readers: { carol: anyone("carol") } }

const thrown = (f: () => unknown): Pattern.PatternInvalid => {
  try {
    f()
  } catch (error) {
    assert.instanceOf(error, Pattern.PatternInvalid)
    return error as Pattern.PatternInvalid
  }
  return assert.fail("nothing was thrown")
}

const paths = (issues: ReadonlyArray<Pattern.Issue>) => issues.map(({ path }) => path.join(".")).toSorted()

const failure = <A>(result: Result.Result<A, Pattern.PatternInvalid>): Pattern.PatternInvalid =>
  Result.isFailure(result) ? result.failure : assert.fail("it was made")

describe("Pattern", () => {
  it("K1: names all that is wrong with options and slots at once, each with its path", () => {
    const wrong = { drafts: 0, tone: 5, colour: "red", writer: "alice", critics: [], readers: [anyone("carol")] }
    const error = thrown(() => Reviewed.make("poem", wrong as never))
    assert.deepStrictEqual(paths(error.issues), ["colour", "critics", "drafts", "readers", "tone", "writer"])
    assert.strictEqual(error.pattern, "Reviewed")
    assert.strictEqual(error.instance, "poem")
    assert.include(error.message, 'there is no option "colour"')
  })

  it("K1: counts what takes a slot, and refuses what is no agent", () => {
    const four = ["a", "b", "c", "d"].map(critic)
    assert.include(
      thrown(() => Reviewed.make("p", { ...parts, drafts: 1, critics: four })).message,
      "takes 3 at most, got 4"
    )
    assert.include(
      thrown(() => Reviewed.make("p", { ...parts, drafts: 1, critics: [] })).message,
      "takes 1 or more, got 0"
    )
    const strangers = { ...parts, drafts: 1, critics: [critic("bob"), "carol"], readers: { dan: 1, toString: 2 } }
    assert.deepStrictEqual(paths(thrown(() => Reviewed.make("p", strangers as never)).issues), [
      "critics.1",
      "readers.dan",
      "readers.toString"
    ])
  })

  it("K1: a name that every object has is neither a slot nor an option", () => {
    const given = { options: { drafts: 1, toString: 1 }, slots: { ...parts, constructor: critic("bob") } }
    assert.deepStrictEqual(paths(Reviewed.inspect(given)), ["options.toString", "slots.constructor"])
    const Odd = Pattern.make("Odd", {
      slots: { valueOf: Pattern.one() },
      build: () => () => Effect.void
    })
    assert.deepStrictEqual(paths(Odd.inspect({ options: {}, slots: {} })), ["slots.valueOf"])
  })

  it("K1: a pattern without options takes none", () => {
    const Bare = Pattern.make("Bare", { slots: {}, build: () => () => Effect.void })
    assert.include(thrown(() => Bare.make("p", { colour: "red" } as never)).message, "there is none at all")
    assert.deepStrictEqual(paths(Bare.inspect({ options: { colour: "red" }, slots: {} })), ["options.colour"])
  })

  it("K1: rules are asked once schemas and counts hold, and all that they say is reported", () => {
    const config = { ...parts, drafts: 11, readers: { bob: anyone("bob") } }
    assert.deepStrictEqual(paths(thrown(() => Reviewed.make("p", config)).issues), ["critics", "drafts"])
    assert.deepStrictEqual(paths(thrown(() => Reviewed.make("p", { ...config, critics: [] })).issues), ["critics"])
    assert.deepStrictEqual(thrown(() => Reviewed.make("p", { ...parts, drafts: 7 })).issues, [
      { path: [], message: "seven is unlucky" }
    ])
  })

  it("K1: in data, paths say whether it is an option or a slot", () => {
    const readers = { bob: anyone("bob") }
    const rules = failure(Reviewed.makeUnknown("p", { options: { drafts: 11 }, slots: { ...parts, readers } }))
    assert.deepStrictEqual(paths(rules.issues), ["options.drafts", "slots.critics"])
    const schemas = failure(Reviewed.makeUnknown("p", { options: { tone: 1 }, slots: { critics: [], readers } }))
    assert.deepStrictEqual(paths(schemas.issues), ["options.drafts", "options.tone", "slots.critics", "slots.writer"])
    const seven = failure(Reviewed.makeUnknown("p", { options: { drafts: 7 }, slots: parts }))
    assert.deepStrictEqual(paths(seven.issues), [""])
  })

  it("K1: in data, what the program refuses is an issue, with its cause", () => {
    const cause = new RangeError("not today")
    const Closed = Pattern.make("Closed", {
      slots: {},
      build: (): ((input: string) => Effect.Effect<string>) => {
        throw cause
      }
    })
    const error = failure(Closed.makeUnknown("p", { options: {}, slots: {} }))
    assert.deepStrictEqual(error.issues, [{ path: [], message: "not today" }])
    assert.strictEqual(error.cause, cause)
    assert.throws(() => Closed.make("p", {}), RangeError, "not today")
  })

  it("K1: an option and a slot of one name, or counts that cannot be met, are refused when the pattern is defined", () => {
    const define = () =>
      Pattern.make("Clash", { options: { a: Schema.Int }, slots: { a: Pattern.one() }, build: () => () => Effect.void })
    assert.throws(define, '"a" is both an option and a slot of pattern "Clash"')
    assert.throws(() => Pattern.list(undefined, { atLeast: 3, atMost: 2 }), RangeError)
    assert.throws(() => Pattern.record(undefined, { atLeast: -1 }), RangeError)
    assert.throws(() => Pattern.list(undefined, { atMost: 1.5 }), RangeError)
  })

  it.effect.prop(
    "K1: an instance is made exactly if its counts and options hold",
    [Schema.Struct({ drafts: Schema.Int, critics: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 6 })) })],
    ([{ critics, drafts }]) =>
      Effect.sync(() => {
        const slots = { ...parts, critics: Array.from({ length: critics }, (_, i) => critic(`critic ${i}`)) }
        const made = Reviewed.makeUnknown("p", { options: { drafts }, slots })
        const holds = drafts >= 1 && drafts <= 10 && drafts !== 7 && critics >= 1 && critics <= 3
        assert.strictEqual(Result.isSuccess(made), holds)
        assert.strictEqual(
          Reviewed.inspect({ options: { drafts }, slots }).length,
          (drafts >= 1 ? 0 : 1) + (critics >= 1 && critics <= 3 ? 0 : 1)
        )
      })
  )

  it.effect("K2: what the program handles is gone, what it lets out arrives as it is", () =>
    Effect.gen(function* () {
      const failing = (error: Vague | Busy) =>
        Reviewed.make("p", { ...parts, drafts: 1, writer: writer("alice", () => Effect.fail(error)) })
      assert.strictEqual(yield* failing(new Vague()).run({ topic: "sea" }), "vague")
      const error = yield* Effect.flip(failing(new Busy()).run({ topic: "sea" }))
      assert.instanceOf(error, Busy)
    })
  )

  it("K3: an instance bears its name and that of its pattern; an agent in its place must bear the name, too", () => {
    const made = Reviewed.make("poem", { ...parts, drafts: 1 })
    assert.isTrue(Agent.isAgent(made))
    assert.strictEqual(made.name, "poem")
    assert.strictEqual(made.pattern, "Reviewed")
    const Renamed = Pattern.make("Renamed", { slots: {}, build: () => anyone("somebody else") })
    assert.throws(() => Renamed.make("p", {}), 'pattern "Renamed" made an agent "somebody else" when asked for "p"')
  })

  it.effect("K3: a pattern may be made of an agent, which then is the instance", () =>
    Effect.gen(function* () {
      const Echo = Pattern.make("Echo", {
        slots: { of: Pattern.one() },
        build: ({ of }, name) => Agent.compose(name, { run: of.run })
      })
      const echo = Echo.make("echo", { of: anyone("alice", (text) => Effect.succeed(`${text}!`)) })
      assert.strictEqual(yield* echo.run("hi"), "hi!")
    })
  )

  it.effect("K4: options left out take their defaults, in code and in data", () =>
    Effect.gen(function* () {
      const inCode = Reviewed.make("p", { ...parts, drafts: 2 })
      const inData = Result.getOrThrow(Reviewed.makeUnknown("p", { options: { drafts: 2 }, slots: parts }))
      const expected = { text: "sea", drafts: 2, tone: "plain", patience: 5000 }
      assert.deepStrictEqual(yield* inCode.run({ topic: "sea" }), expected)
      assert.deepStrictEqual(yield* inData.run({ topic: "sea" }), expected)
      const given = { drafts: 3, tone: "warm" }
      const code = Reviewed.make("p", { ...parts, ...given, patience: Duration.seconds(1) })
      const data = Reviewed.makeUnknown("p", { options: { ...given, patience: "1 second" }, slots: parts })
      assert.deepStrictEqual(yield* code.run({ topic: "sea" }), yield* Result.getOrThrow(data).run({ topic: "sea" }))
    })
  )

  describe("K5: what nobody knows the types of is held to the tasks", () => {
    const Greet = Pattern.make("Greet", {
      slots: { writer: Pattern.one(Write), critics: Pattern.list(Review), readers: Pattern.record(Review) },
      task: Task.make("Greeting", { input: Schema.String, output: Schema.NonEmptyString }),
      build:
        ({ critics, readers, writer }) =>
        (topic: string) =>
          Effect.gen(function* () {
            const text = yield* writer.run({ topic })
            for (const one of [...critics, ...Object.values(readers)]) yield* one.run({ text })
            return text
          })
    })
    const good = { writer: writer("alice"), critics: [critic("bob")], readers: { carol: critic("carol") } }
    const violation = (slots: object, input: unknown) =>
      Effect.gen(function* () {
        const agent = Result.getOrThrow(Greet.makeUnknown("greet", { options: {}, slots: { ...good, ...slots } }))
        const exit = yield* Effect.exit(agent.run(input))
        if (Exit.isSuccess(exit)) return assert.fail(`it answered ${exit.value}`)
        const error = Cause.squash(exit.cause)
        assert.instanceOf(error, ContractViolation)
        const { agent: name, side, task } = error as ContractViolation
        return [name, task, side]
      })

    it.effect("the instance", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* violation({}, 5), ["greet", "Greeting", "input"])
        assert.deepStrictEqual(yield* violation({}, ""), ["greet", "Greeting", "output"])
      })
    )

    it.effect("whoever takes a slot, on both sides", () =>
      Effect.gen(function* () {
        const wrong = anyone("mallory", () => Effect.succeed(5))
        assert.deepStrictEqual(yield* violation({ writer: wrong }, "sea"), ["mallory", "Write", "output"])
        assert.deepStrictEqual(yield* violation({ critics: [wrong] }, "sea"), ["mallory", "Review", "output"])
        assert.deepStrictEqual(yield* violation({ readers: { wrong } }, "sea"), ["mallory", "Review", "output"])
      })
    )

    it.effect("values that match pass as they are", () =>
      Effect.gen(function* () {
        const agent = Result.getOrThrow(Greet.makeUnknown("greet", { options: {}, slots: good }))
        assert.strictEqual(yield* agent.run("sea"), "sea")
      })
    )
  })
})
