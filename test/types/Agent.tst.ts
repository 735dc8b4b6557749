/** What the types of tasks and agents promise. Checked by `npm run test:types`; nothing here runs. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { expectTypeOf } from "vitest"
import * as Agent from "../../src/core/Agent.ts"
import type { AgentTimedOut, ContractViolation, UnknownOutcome } from "../../src/core/AgentError.ts"
import type * as Run from "../../src/core/Run.ts"
import * as Task from "../../src/core/Task.ts"

class Rejected extends Schema.TaggedError<Rejected>()("Rejected", { reason: Schema.String }) {}
class DbError extends Schema.TaggedError<DbError>()("DbError", { code: Schema.Int }) {}
class NoSchema {
  readonly _tag = "NoSchema"
}
class Db extends Context.Service<Db, { readonly find: (code: string) => Effect.Effect<boolean, DbError> }>()(
  "test/types/Db"
) {}

const Verdict = Schema.Struct({ ok: Schema.Boolean })
type Verdict = typeof Verdict.Type
type Input = { readonly code: string }

const Review = Task.make("Review", { input: { code: Schema.String }, output: Verdict, error: Rejected })

const alice = Agent.make("alice", {
  task: Review,
  errors: DbError,
  capabilities: ["typescript", "security"],
  run: ({ code }) =>
    Effect.gen(function* () {
      const ok = yield* (yield* Db).find(code)
      if (!ok) return yield* new Rejected({ reason: "no tests" })
      return { ok }
    })
})

// The north star: input, output, failures and requirements, each as written.
expectTypeOf(alice).toEqualTypeOf<Agent.Agent<Input, Verdict, Rejected | DbError | ContractViolation, Db>>()
expectTypeOf(alice.run).toEqualTypeOf<
  (input: Input) => Effect.Effect<Verdict, Rejected | DbError | ContractViolation, Db>
>()
expectTypeOf<Agent.Input<typeof alice>>().toEqualTypeOf<Input>()
expectTypeOf<Agent.Output<typeof alice>>().toEqualTypeOf<Verdict>()
expectTypeOf<Agent.Error<typeof alice>>().toEqualTypeOf<Rejected | DbError | ContractViolation>()
expectTypeOf<Agent.Services<typeof alice>>().toEqualTypeOf<Db>()
expectTypeOf(Agent.run(alice, { code: "" })).toEqualTypeOf<ReturnType<typeof alice.run>>()
expectTypeOf(Agent.run({ code: "" })(alice)).toEqualTypeOf<ReturnType<typeof alice.run>>()
// @ts-expect-error a wrong input
alice.run({ code: 1 })
// @ts-expect-error no input
alice.run()

// A task without failures, an agent without needs.
const ping = Agent.make("ping", {
  task: Task.make("Ping", { input: {}, output: Schema.Void }),
  run: () => Effect.void
})
expectTypeOf(ping).toEqualTypeOf<Agent.Agent<{}, void, ContractViolation>>()

// A failure without a schema would not survive a restart.
Agent.make("bob", {
  task: Review,
  // @ts-expect-error NoSchema is neither in the task's error nor in `errors`
  run: () => Effect.fail(new NoSchema())
})
Agent.make("bob", {
  task: Review,
  // @ts-expect-error DbError is not declared
  run: () => Effect.fail(new DbError({ code: 1 }))
})
// @ts-expect-error an error without a tag cannot be named by a policy
Agent.make("bob", { task: Review, errors: Schema.String, run: () => Effect.succeed({ ok: true }) })
// @ts-expect-error the same for a task
Task.make("Review", { input: {}, output: Verdict, error: Schema.String })

// A wrong output.
Agent.make("bob", {
  task: Review,
  // @ts-expect-error `ok` is a boolean
  run: () => Effect.succeed({ ok: "yes" })
})
Agent.make("bob", {
  task: Review,
  // @ts-expect-error `ok` is missing
  run: () => Effect.succeed({})
})

// A schema that needs a service cannot be decoded by a recovery that does not have it.
declare const needy: Schema.Codec<string, string, Db, never>
// @ts-expect-error
Task.make("Review", { input: needy, output: Verdict })

// UnknownOutcome is in the type exactly when the agent must not run twice.
const idempotent = Agent.make("charge", { task: Review, idempotent: true, run: () => Effect.succeed({ ok: true }) })
expectTypeOf<Agent.Error<typeof idempotent>>().toEqualTypeOf<Rejected | ContractViolation>()
const once = Agent.make("charge", {
  task: Review,
  idempotent: false,
  reconcile: (key) => {
    expectTypeOf(key).toEqualTypeOf<string>()
    return Effect.succeed<Run.Reconciled<Verdict>>({ _tag: "Done", value: { ok: true } })
  },
  run: () => Effect.succeed({ ok: true })
})
expectTypeOf<Agent.Error<typeof once>>().toEqualTypeOf<Rejected | ContractViolation | UnknownOutcome>()
Agent.make("charge", {
  task: Review,
  idempotent: false,
  // @ts-expect-error what is reconciled is what the task promises
  reconcile: () => Effect.succeed({ _tag: "Done", value: { ok: "yes" } } as const),
  run: () => Effect.succeed({ ok: true })
})

// Combinators, in both styles.
type E = Rejected | DbError | ContractViolation
expectTypeOf(alice.pipe(Agent.retry(Schedule.recurs(2)))).toEqualTypeOf<typeof alice>()
expectTypeOf(Agent.retry(alice, Schedule.recurs(2))).toEqualTypeOf<typeof alice>()
Agent.retry(alice, Schedule.recurs(2).pipe(Schedule.setInputType<E>()))
// @ts-expect-error a schedule that looks at errors the agent does not have
Agent.retry(alice, Schedule.recurs(2).pipe(Schedule.setInputType<NoSchema>()))

expectTypeOf(alice.pipe(Agent.timeout("5 seconds"))).toEqualTypeOf<Agent.Agent<Input, Verdict, E | AgentTimedOut, Db>>()
expectTypeOf(Agent.timeout(alice, 5000)).toEqualTypeOf<Agent.Agent<Input, Verdict, E | AgentTimedOut, Db>>()

const bob = Agent.make("bob", {
  task: Task.make("Guess", { input: { code: Schema.String, hint: Schema.Int }, output: Schema.Boolean }),
  run: ({ hint }) => Effect.succeed(hint > 0)
})
type Either = Agent.Agent<
  Input & { readonly code: string; readonly hint: number },
  Verdict | boolean,
  ContractViolation,
  Db
>
expectTypeOf(alice.pipe(Agent.orElse(bob))).toEqualTypeOf<Either>()
expectTypeOf(Agent.orElse(alice, bob)).toEqualTypeOf<Either>()

expectTypeOf(alice.pipe(Agent.mapInput((lines: ReadonlyArray<string>) => ({ code: lines.join("\n") })))).toEqualTypeOf<
  Agent.Agent<ReadonlyArray<string>, Verdict, E, Db>
>()
// @ts-expect-error not the input of the agent
Agent.mapInput(alice, (lines: ReadonlyArray<string>) => ({ code: lines }))
expectTypeOf(alice.pipe(Agent.mapOutput(({ ok }) => ok))).toEqualTypeOf<Agent.Agent<Input, boolean, E, Db>>()

const DbLive = Layer.succeed(Db, { find: () => Effect.succeed(true) })
expectTypeOf(alice.pipe(Agent.provide(DbLive))).toEqualTypeOf<Agent.Agent<Input, Verdict, E>>()
expectTypeOf(
  alice.pipe(Agent.transform(Effect.catchTag("DbError", () => Effect.succeed<Verdict>({ ok: false }))))
).toEqualTypeOf<Agent.Agent<Input, Verdict, Rejected | ContractViolation, Db>>()

// A composed agent has the failures and needs of its parts.
const team = Agent.compose("team", {
  run: (input: Input) => Effect.all([Agent.timeout(alice, "1 second").run(input), once.run(input)], { concurrency: 2 })
})
expectTypeOf(team).toEqualTypeOf<Agent.Agent<Input, [Verdict, Verdict], E | AgentTimedOut | UnknownOutcome, Db>>()

// Agents are wide in what they take and narrow in what they give, as functions are.
expectTypeOf(alice).toExtend<
  Agent.Agent<Input & { readonly more: number }, { readonly ok: boolean }, unknown, Db | DbError>
>()
// @ts-expect-error it needs Db
alice satisfies Agent.Agent<Input, Verdict, E>

// A program that needs Db does not run until it is given.
Effect.runPromise(alice.run({ code: "" }).pipe(Effect.provide(DbLive)))
// @ts-expect-error Db is missing
Effect.runPromise(alice.run({ code: "" }))
