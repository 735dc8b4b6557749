import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Result from "effect/Result"
import type * as Stream from "effect/Stream"
import { describe, expectTypeOf, it } from "vitest"
import * as Agent from "../../src/core/Agent.ts"
import type { ContractViolation } from "../../src/core/AgentError.ts"
import * as Task from "../../src/core/Task.ts"
import * as Directive from "../../src/patterns/supervisor/Directive.ts"
import * as Routing from "../../src/patterns/supervisor/Routing.ts"
import * as Supervisor from "../../src/patterns/supervisor/Supervisor.ts"
import * as Breaker from "../../src/policies/Breaker.ts"

class Rejected extends Schema.TaggedError<Rejected>()("Rejected", { reason: Schema.String }) {}
class DbError extends Schema.TaggedError<DbError>()("DbError", { code: Schema.Int }) {}
class Db extends Context.Service<Db, { readonly query: Effect.Effect<number> }>()("test/Db") {}

const Review = Task.make("Review", {
  input: { code: Schema.String },
  output: Schema.Struct({ score: Schema.Number }),
  error: Rejected
})
const alice = Agent.make("alice", {
  task: Review,
  errors: DbError,
  run: () => Effect.flatMap(Db, (db) => Effect.map(db.query, (score) => ({ score })))
})
const bob = Agent.make("bob", { task: Review, run: ({ code }) => Effect.succeed({ score: code.length }) })
const Grade = Task.make("Grade", { input: { language: Schema.String }, output: Schema.Literals(["A", "B"]) })
const carol = Agent.make("carol", { task: Grade, run: () => Effect.succeed("A" as const) })

const backoff = Schedule.exponential("1 second")
const breaker = { trip: Breaker.consecutive(3), openFor: "30 seconds" } as const

describe("Supervisor.make", () => {
  it("infers input, output, errors and services of its agents", () => {
    const reviewers = Supervisor.make("reviewers", {
      agents: [alice, bob],
      route: Routing.leastLoaded,
      onFailure: {
        Rejected: Directive.escalate,
        DbError: Directive.restart(backoff),
        ContractViolation: Directive.escalate
      }
    })
    expectTypeOf<Agent.Input<typeof reviewers>>().toEqualTypeOf<{ readonly code: string }>()
    expectTypeOf<Agent.Output<typeof reviewers>>().toEqualTypeOf<{ readonly score: number }>()
    expectTypeOf<Agent.Error<typeof reviewers>>().toEqualTypeOf<
      Rejected | DbError | ContractViolation | Supervisor.RestartsExceeded | Supervisor.NoWorker
    >()
    expectTypeOf<Agent.Services<typeof reviewers>>().toEqualTypeOf<Db>()
    expectTypeOf(reviewers).toExtend<
      Agent.Agent<
        { readonly code: string },
        { readonly score: number },
        Rejected | DbError | ContractViolation | Supervisor.RestartsExceeded | Supervisor.NoWorker,
        Db
      >
    >()
  })

  it("takes what every agent takes, and answers what any of them answers", () => {
    const mixed = Supervisor.make("mixed", {
      agents: [bob, carol],
      route: Routing.byCapability(({ language }: { readonly language: string }) => [language]),
      onFailure: { Rejected: Directive.escalate, ContractViolation: Directive.escalate }
    })
    expectTypeOf<Agent.Input<typeof mixed>>().toEqualTypeOf<{ readonly code: string } & { readonly language: string }>()
    expectTypeOf<Agent.Output<typeof mixed>>().toEqualTypeOf<{ readonly score: number } | "A" | "B">()
    // Nothing restarts, so restarts cannot be exceeded.
    expectTypeOf<Agent.Error<typeof mixed>>().toEqualTypeOf<Rejected | ContractViolation | Supervisor.NoWorker>()
  })

  it("keeps in what resume and an unlimited restart keep in", () => {
    const kept = Supervisor.make("kept", {
      agents: [alice],
      onFailure: {
        Rejected: Directive.resume("rejected"),
        DbError: Directive.restart(),
        ContractViolation: (error) => Directive.resume(error._tag)
      }
    })
    expectTypeOf<Agent.Error<typeof kept>>().toEqualTypeOf<Supervisor.RestartsExceeded | Supervisor.NoWorker>()
    expectTypeOf<Agent.Output<typeof kept>>().toEqualTypeOf<
      { readonly score: number } | "rejected" | "ContractViolation"
    >()
  })

  it("gives a rule that is a function its own error", () => {
    const choosing = Supervisor.make("choosing", {
      agents: [alice],
      onFailure: {
        Rejected: (error) => {
          expectTypeOf(error).toEqualTypeOf<Rejected>()
          return Directive.resume(0)
        },
        DbError: (error) => (error.code === 503 ? Directive.restart(backoff) : Directive.reroute),
        ContractViolation: Directive.stop
      }
    })
    expectTypeOf<Agent.Error<typeof choosing>>().toEqualTypeOf<
      DbError | ContractViolation | Supervisor.RestartsExceeded | Supervisor.NoWorker
    >()
    expectTypeOf<Agent.Output<typeof choosing>>().toEqualTypeOf<{ readonly score: number } | 0>()
  })

  it("rejects a missing tag, naming it", () => {
    Supervisor.make("incomplete", {
      agents: [alice, bob],
      // @ts-expect-error Property 'DbError' is missing
      onFailure: { Rejected: Directive.escalate, ContractViolation: Directive.escalate }
    })
  })

  it("rejects an unknown tag", () => {
    Supervisor.make("unknown", {
      agents: [bob],
      onFailure: {
        Rejected: Directive.escalate,
        ContractViolation: Directive.escalate,
        // @ts-expect-error bob does not fail so
        DbError: Directive.escalate
      }
    })
  })

  it("takes no rule for the rest instead: that is for policies from data", () => {
    Supervisor.make("the rest", {
      agents: [bob],
      // @ts-expect-error Property 'ContractViolation' is missing
      onFailure: { Rejected: Directive.escalate, [Directive.otherwise]: Directive.escalate }
    })
  })

  it("asks for CircuitOpen exactly when there is a breaker", () => {
    const guarded = Supervisor.make("guarded", {
      agents: [bob],
      breaker,
      onFailure: {
        Rejected: Directive.escalate,
        ContractViolation: Directive.escalate,
        CircuitOpen: Directive.reroute
      }
    })
    expectTypeOf<Agent.Error<typeof guarded>>().toEqualTypeOf<
      Rejected | ContractViolation | Breaker.CircuitOpen | Supervisor.NoWorker
    >()
    Supervisor.make("no rule", {
      agents: [bob],
      breaker,
      // @ts-expect-error Property 'CircuitOpen' is missing
      onFailure: { Rejected: Directive.escalate, ContractViolation: Directive.escalate }
    })
    Supervisor.make("no breaker", {
      agents: [bob],
      onFailure: {
        Rejected: Directive.escalate,
        ContractViolation: Directive.escalate,
        // @ts-expect-error nothing opens a circuit here
        CircuitOpen: Directive.reroute
      }
    })
  })

  it("types the breaker's predicate by the agents' errors", () => {
    Supervisor.make("predicate", {
      agents: [alice],
      breaker: {
        trip: Breaker.consecutive(3),
        openFor: "30 seconds",
        isFailure: (error) => {
          expectTypeOf(error).toEqualTypeOf<Rejected | DbError | ContractViolation>()
          return error._tag === "DbError"
        }
      },
      onFailure: {
        Rejected: Directive.escalate,
        DbError: Directive.reroute,
        ContractViolation: Directive.escalate,
        CircuitOpen: Directive.reroute
      }
    })
  })

  it("rejects a route that needs more than the input has", () => {
    Supervisor.make("route", {
      agents: [bob],
      // @ts-expect-error the input has no language
      route: Routing.byCapability(({ language }: { readonly language: string }) => [language]),
      onFailure: { Rejected: Directive.escalate, ContractViolation: Directive.escalate }
    })
  })

  it("nests: the outer policy names what leaves the inner supervisor", () => {
    const inner = Supervisor.make("inner", {
      agents: [alice, bob],
      onFailure: {
        Rejected: Directive.escalate,
        DbError: Directive.restart(),
        ContractViolation: Directive.resume({ score: 0 })
      }
    })
    const outer = Supervisor.make("outer", {
      agents: [inner, bob],
      onFailure: {
        Rejected: Directive.escalate,
        ContractViolation: Directive.escalate,
        RestartsExceeded: Directive.reroute,
        NoWorker: Directive.reroute
      }
    })
    expectTypeOf<Agent.Error<typeof outer>>().toEqualTypeOf<
      Rejected | ContractViolation | Supervisor.RestartsExceeded | Supervisor.NoWorker
    >()
    Supervisor.make("outer", {
      agents: [inner],
      // @ts-expect-error Property 'RestartsExceeded' is missing
      onFailure: { Rejected: Directive.escalate, NoWorker: Directive.reroute }
    })
  })
})

describe("batches", () => {
  const reviewers = Supervisor.make("reviewers", {
    agents: [alice],
    onFailure: { Rejected: Directive.escalate, DbError: Directive.restart(), ContractViolation: Directive.escalate }
  })
  type E = Rejected | ContractViolation | Supervisor.RestartsExceeded | Supervisor.NoWorker
  it("runAll fails with what a call fails with, runEach with nothing", () => {
    expectTypeOf(Supervisor.runAll(reviewers, [{ code: "" }], { concurrency: 2 })).toEqualTypeOf<
      Stream.Stream<{ readonly score: number }, E, Db>
    >()
    expectTypeOf(reviewers.pipe(Supervisor.runEach([{ code: "" }]))).toEqualTypeOf<
      Stream.Stream<Result.Result<{ readonly score: number }, E>, never, Db>
    >()
    expectTypeOf(Supervisor.stats(reviewers)).toEqualTypeOf<Effect.Effect<Supervisor.Stats>>()
  })
})
