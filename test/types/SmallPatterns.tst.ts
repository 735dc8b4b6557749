import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { describe, expectTypeOf, it } from "vitest"
import * as Agent from "../../src/core/Agent.ts"
import type { ContractViolation } from "../../src/core/AgentError.ts"
import * as Task from "../../src/core/Task.ts"
import * as Cascade from "../../src/patterns/Cascade.ts"
import * as Debate from "../../src/patterns/Debate.ts"
import * as MapReduce from "../../src/patterns/MapReduce.ts"
import * as Pipeline from "../../src/patterns/Pipeline.ts"
import * as Race from "../../src/patterns/Race.ts"
import * as Router from "../../src/patterns/Router.ts"

class Rejected extends Schema.TaggedError<Rejected>()("Rejected", {}) {}
class Down extends Schema.TaggedError<Down>()("Down", {}) {}
class Db extends Context.Service<Db, { readonly rows: Effect.Effect<number> }>()("test/Db") {}
class Model extends Context.Service<Model, { readonly ask: Effect.Effect<string> }>()("test/Model") {}

type In = { readonly text: string }
type Out = { readonly score: number }

const Review = Task.make("Review", {
  input: { text: Schema.String },
  output: { score: Schema.Number },
  error: Rejected
})
const careful = Agent.make("careful", { task: Review, run: () => Effect.as(Db, { score: 1 }) })
const quick = Agent.make("quick", { task: Review, errors: Down, run: () => Effect.as(Model, { score: 2 }) })
const Report = Task.make("Report", { input: { score: Schema.Number }, output: Schema.String })
const report = Agent.make("report", { task: Report, run: () => Effect.succeed("fine") })
const Long = Task.make("Long", { input: { text: Schema.String, pages: Schema.Int }, output: Schema.Boolean })
const long = Agent.make("long", { task: Long, run: () => Effect.succeed(true) })

describe("Pipeline", () => {
  it("takes what the first takes, gives what the last gives, fails and needs as all of them do", () => {
    const line = Pipeline.make("line", [quick, report])
    expectTypeOf(line).toEqualTypeOf<Agent.Agent<In, string, Rejected | Down | ContractViolation, Model>>()
    expectTypeOf(Pipeline.make("one", [quick])).toEqualTypeOf<
      Agent.Agent<In, Out, Rejected | Down | ContractViolation, Model>
    >()
    const words = Agent.compose("words", { run: (text: string) => Effect.succeed({ text }) })
    const three = Pipeline.make("three", [words, careful, report])
    expectTypeOf(three).toEqualTypeOf<Agent.Agent<string, string, Rejected | ContractViolation, Db>>()
  })

  it("goes on for any length", () => {
    const same = Agent.compose("same", { run: (text: string) => Effect.succeed(text) })
    const measure = Agent.compose("measure", { run: (text: string) => Effect.succeed(text.length) })
    const ten = [same, same, same, same, same, same, same, same, same, same] as const
    const line = Pipeline.make("line", [...ten, ...ten, ...ten, ...ten, ...ten, ...ten, measure])
    expectTypeOf(line).toEqualTypeOf<Agent.Agent<string, number>>()
  })

  it("does not take an agent that cannot take what the one before it gives", () => {
    // @ts-expect-error a score is no text
    Pipeline.make("wrong", [quick, careful])
    // @ts-expect-error a text is no score
    Pipeline.make("wrong", [quick, report, report])
    // @ts-expect-error there is nobody
    Pipeline.make("empty", [])
  })
})

describe("Router", () => {
  const Kind = Task.make("Kind", { input: { text: Schema.String }, output: Schema.Literals(["score", "pages"]) })
  const kind = Agent.make("kind", { task: Kind, run: () => Effect.as(Model, "score" as const) })

  it("takes what all routes take and gives what any gives", () => {
    const router = Router.make("router", { routes: { score: careful, pages: long }, choose: kind })
    expectTypeOf(router).toEqualTypeOf<
      Agent.Agent<
        In & { readonly text: string; readonly pages: number },
        Out | boolean,
        Rejected | ContractViolation,
        Db | Model
      >
    >()
  })

  it("types the choosing function by what the routes take", () => {
    const router = Router.make("router", {
      routes: { score: careful, quick },
      choose: ({ text }) => (text.length > 3 ? "score" : "quick")
    })
    expectTypeOf<Agent.Error<typeof router>>().toEqualTypeOf<Rejected | Down | ContractViolation>()
  })

  it("takes what the chooser needs beyond that", () => {
    const router = Router.make("router", {
      routes: { score: careful, quick },
      choose: ({ urgent }: In & { readonly urgent: boolean }) => (urgent ? "quick" : "score")
    })
    expectTypeOf<Agent.Input<typeof router>>().toExtend<In & { readonly urgent: boolean }>()
    // @ts-expect-error nobody says whether it is urgent
    router.run({ text: "" })
  })

  it("adds RouteUnknown exactly when the chooser may answer with any text", () => {
    const router = Router.make("router", { routes: { score: careful }, choose: ({ text }) => text })
    expectTypeOf<Agent.Error<typeof router>>().toEqualTypeOf<Rejected | ContractViolation | Router.RouteUnknown>()
  })

  it("does not take a chooser that names what is no route", () => {
    // @ts-expect-error there is no route "pages"
    Router.make("router", { routes: { score: careful }, choose: kind })
    // @ts-expect-error there is no route "fast"
    Router.make("router", { routes: { score: careful }, choose: ({ text }) => (text === "" ? "fast" : "score") })
  })

  it("adapts a route where it stands", () => {
    const router = Router.make("router", {
      routes: { score: careful, report: Agent.mapInput(report, ({ text }: In) => ({ score: text.length })) },
      choose: () => "score"
    })
    expectTypeOf<Agent.Output<typeof router>>().toEqualTypeOf<Out | string>()
    expectTypeOf<Agent.Input<typeof router>>().toEqualTypeOf<In>()
  })
})

describe("MapReduce", () => {
  const split = ({ pages }: { readonly pages: ReadonlyArray<string> }) => pages.map((text) => ({ text }))

  it("types each part by those before it", () => {
    const mean = MapReduce.make("mean", {
      split,
      map: careful,
      reduce: ({ answers, input }) => {
        expectTypeOf(answers).toEqualTypeOf<ReadonlyArray<Out>>()
        return `${input.pages.length} ${answers.length}`
      },
      concurrency: 2,
      key: ({ text }) => text
    })
    expectTypeOf(mean).toEqualTypeOf<
      Agent.Agent<{ readonly pages: ReadonlyArray<string> }, string, Rejected | ContractViolation, Db>
    >()
  })

  it("collects failures as answers, and none of them leaves", () => {
    const mean = MapReduce.make("mean", {
      split,
      map: quick,
      reduce: ({ answers }) => {
        expectTypeOf(answers).toEqualTypeOf<ReadonlyArray<Result.Result<Out, Rejected | Down | ContractViolation>>>()
        return answers.length
      },
      concurrency: "unbounded",
      onFailure: "collect"
    })
    expectTypeOf(mean).toEqualTypeOf<Agent.Agent<{ readonly pages: ReadonlyArray<string> }, number, never, Model>>()
  })

  it("has agents split and reduce", () => {
    const Words = Task.make("Words", {
      input: { pages: Schema.Array(Schema.String) },
      output: Schema.Array(Schema.Struct({ text: Schema.String }))
    })
    const Sum = Task.make("Sum", {
      input: { answers: Schema.Array(Schema.Struct({ score: Schema.Number })) },
      output: Schema.Number,
      error: Down
    })
    const mean = MapReduce.make("mean", {
      split: Agent.make("split", { task: Words, run: () => Effect.as(Model, []) }),
      map: careful,
      reduce: Agent.make("sum", { task: Sum, run: () => Effect.succeed(1) }),
      concurrency: 1
    })
    expectTypeOf(mean).toEqualTypeOf<
      Agent.Agent<{ readonly pages: ReadonlyArray<string> }, number, Rejected | Down | ContractViolation, Db | Model>
    >()
  })

  it("does not take items that the agent does not take", () => {
    MapReduce.make("wrong", {
      // @ts-expect-error a number is no text
      split: ({ pages }: { readonly pages: ReadonlyArray<number> }) => pages,
      map: careful,
      reduce: () => 0,
      concurrency: 1
    })
  })
})

describe("Race", () => {
  it("fails with AllFailed, which holds the errors of all", () => {
    const race = Race.make("race", { agents: [careful, quick] })
    expectTypeOf(race).toEqualTypeOf<
      Agent.Agent<In, Out, Race.AllFailed<Rejected | Down | ContractViolation>, Db | Model>
    >()
    Effect.catchTag(race.run({ text: "" }), "AllFailed", ({ failures }) => {
      expectTypeOf(failures).toEqualTypeOf<ReadonlyArray<Race.Failure<Rejected | Down | ContractViolation>>>()
      return Effect.void
    })
  })

  it("fails as an agent when the first to end decides", () => {
    const race = Race.make("race", { agents: [careful, long], first: "settled", stagger: "2 seconds" })
    expectTypeOf<Agent.Error<typeof race>>().toEqualTypeOf<Rejected | ContractViolation>()
    expectTypeOf<Agent.Output<typeof race>>().toEqualTypeOf<Out | boolean>()
  })

  it("AllFailed.schema is the schema of its errors", () => {
    const schema = Race.AllFailed.schema(Schema.Union([Rejected, Down]))
    expectTypeOf<typeof schema.Type>().toEqualTypeOf<Race.AllFailed<Rejected | Down>>()
    // As the error of a task, too.
    Task.make("Raced", { input: {}, output: Schema.String, error: schema })
  })
})

describe("Debate", () => {
  const Argue = Task.make("Argue", {
    input: Debate.turn(Schema.String, Schema.Int),
    output: Schema.Int,
    error: Rejected
  })
  const Judge = Task.make("Judge", {
    input: Debate.hearing(Schema.String, Schema.Int),
    output: { winner: Schema.String }
  })
  const debater = Agent.make("debater", { task: Argue, run: ({ round }) => Effect.as(Model, round) })
  const judge = Agent.make("judge", { task: Judge, errors: Down, run: () => Effect.succeed({ winner: "" }) })

  it("takes the question and gives the verdict", () => {
    const debate = Debate.make("debate", { debaters: { for: debater, against: debater }, judge, rounds: 2 })
    expectTypeOf(debate).toEqualTypeOf<
      Agent.Agent<string, { readonly winner: string }, Rejected | Down | ContractViolation, Model>
    >()
  })

  it("types the judging functions by what is said", () => {
    const debate = Debate.make("debate", {
      debaters: { for: debater, against: debater },
      judge: ({ transcript }) => transcript.map(({ argument }) => argument + 1),
      until: ({ question }) => question.length > 3,
      rounds: 2
    })
    expectTypeOf(debate).toEqualTypeOf<Agent.Agent<string, Array<number>, Rejected | ContractViolation, Model>>()
  })

  it("does not take debaters or judges that do not understand each other", () => {
    const text = Agent.compose("text", { run: (_: Debate.Turn<string, string>) => Effect.succeed("") })
    // @ts-expect-error one argues in numbers, one in text
    Debate.make("debate", { debaters: { for: debater, against: text }, judge: () => "", rounds: 1 })
    // @ts-expect-error the judge listens to numbers
    Debate.make("debate", { debaters: { for: text, against: text }, judge, rounds: 1 })
  })
})

describe("Cascade", () => {
  const options = { tiers: [quick, careful], accept: ({ answer }: { answer: Out }) => answer.score > 1 } as const

  it("fails as its tiers do", () => {
    const cascade = Cascade.make("cascade", {
      tiers: [quick, careful],
      accept: ({ answer, input }) => answer.score > input.text.length
    })
    expectTypeOf(cascade).toEqualTypeOf<Agent.Agent<In, Out, Rejected | Down | ContractViolation, Db | Model>>()
  })

  it("fails with Unsure exactly when it is to", () => {
    const cascade = Cascade.make("cascade", { ...options, whenUnsure: "fail" })
    expectTypeOf<Agent.Error<typeof cascade>>().toEqualTypeOf<
      Rejected | Down | ContractViolation | Cascade.Unsure<Out>
    >()
    expectTypeOf<(typeof Cascade.Unsure)["prototype"]["best"]>().toBeAny()
    const schema = Cascade.Unsure.schema(Schema.Struct({ score: Schema.Number }))
    expectTypeOf<typeof schema.Type>().toEqualTypeOf<Cascade.Unsure<Out>>()
  })

  it("fails only as the last tier when the others are passed over", () => {
    const cascade = Cascade.make("cascade", { ...options, onFailure: "escalate" })
    expectTypeOf<Agent.Error<typeof cascade>>().toEqualTypeOf<Rejected | ContractViolation>()
  })

  it("has an agent judge, whose errors leave", () => {
    const Judge = Task.make("Judge", {
      input: { answer: Schema.Struct({ score: Schema.Number }) },
      output: Schema.Boolean,
      error: Down
    })
    const judge = Agent.make("judge", { task: Judge, run: () => Effect.as(Model, true) })
    const cascade = Cascade.make("cascade", { tiers: [careful], accept: judge })
    expectTypeOf(cascade).toEqualTypeOf<Agent.Agent<In, Out, Rejected | Down | ContractViolation, Db | Model>>()
    // @ts-expect-error it does not judge texts
    Cascade.make("cascade", { tiers: [report], accept: judge })
  })
})
