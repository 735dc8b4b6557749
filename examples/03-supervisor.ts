/** Three reviewers under one supervisor: a busy database is tried again, a broken reviewer is left alone. */
import { Effect, Schedule, Schema, Stream } from "effect"
import { Agent, Breaker, Directive, Routing, Supervisor, Task } from "tutti"

class Rejected extends Schema.TaggedError<Rejected>()("Rejected", { by: Schema.String }) {}
class DbError extends Schema.TaggedError<DbError>()("DbError", {}) {}

const Review = Task.make("Review", { input: { code: Schema.String }, output: Schema.String, error: Rejected })

const reviewer = (name: string, review: (code: string) => Effect.Effect<string, Rejected | DbError>) =>
  Agent.make(name, { task: Review, errors: DbError, run: ({ code }) => review(code) })

let queries = 0
const alice = reviewer("alice", (code) =>
  ++queries === 1 ? Effect.fail(new DbError()) : Effect.succeed(`alice: ${code}`)
)
const bob = reviewer("bob", (code) =>
  code === "eval(x)" ? Effect.fail(new Rejected({ by: "bob" })) : Effect.succeed(`bob: ${code}`)
)
const carol = reviewer("carol", () => Effect.fail(new DbError()))

// #region supervisor
const reviewers = Supervisor.make("reviewers", {
  agents: [alice, bob, carol],
  route: Routing.roundRobin,
  intensity: { restarts: 10, within: "1 minute" },
  breaker: { trip: Breaker.consecutive(2), openFor: "30 seconds", isFailure: (error) => error._tag === "DbError" },
  // Leave a tag out and this does not compile.
  onFailure: {
    Rejected: Directive.escalate,
    DbError: Directive.restart(Schedule.exponential("10 millis").pipe(Schedule.upTo({ times: 1 })), Directive.reroute),
    ContractViolation: Directive.escalate,
    CircuitOpen: Directive.reroute
  }
})
// #endregion

const inputs = ["a()", "eval(x)", "b()", "c()"].map((code) => ({ code }))

export const program = Effect.gen(function* () {
  const reviews = yield* Supervisor.runEach(reviewers, inputs, { concurrency: 1 }).pipe(
    Stream.map((result) => (result._tag === "Success" ? result.success : result.failure._tag)),
    Stream.runCollect
  )
  const { workers } = yield* Supervisor.stats(reviewers)
  return [...reviews, ...workers.map(({ circuit, name, restarts }) => `${name} ${circuit} ${restarts}`)]
})

export const expected = [
  "alice: a()",
  "Rejected",
  "alice: b()",
  "bob: c()",
  "alice Closed 1",
  "bob Closed 0",
  "carol Open 1"
]

if (import.meta.main) console.log((await Effect.runPromise(program)).join("\n"))
