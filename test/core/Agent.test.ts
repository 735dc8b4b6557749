import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import * as Agent from "../../src/core/Agent.ts"
import { AgentTimedOut, ContractViolation } from "../../src/core/AgentError.ts"
import * as Task from "../../src/core/Task.ts"
import { recordingTracer } from "./recordingTracer.ts"

class Rejected extends Schema.TaggedError<Rejected>()("Rejected", { reason: Schema.String }) {}
class DbError extends Schema.TaggedError<DbError>()("DbError", { code: Schema.Int }) {}
class Db extends Context.Service<Db, { readonly verdict: string }>()("test/core/Db") {}

const Review = Task.make("Review", {
  input: { code: Schema.String, lines: Schema.Array(Schema.Struct({ length: Schema.Int })) },
  output: { verdict: Schema.NonEmptyString },
  error: Rejected
})

const input = { code: "1 + 1", lines: [{ length: 5 }] }
const fine = { verdict: "fine" }

/** An agent that counts how often it runs. */
const counting = (run: (calls: number) => Effect.Effect<{ readonly verdict: string }, Rejected | DbError>) => {
  const seen = { calls: 0, attempts: new Array<number>() }
  const agent = Agent.make("alice", {
    task: Review,
    errors: DbError,
    run: (_, { attempt }) => {
      seen.attempts.push(attempt)
      return run(++seen.calls)
    }
  })
  return { agent, seen }
}

const violation = <A, R>(effect: Effect.Effect<A, Rejected | DbError | ContractViolation, R>) =>
  Effect.flip(effect).pipe(
    Effect.map((error) => {
      assert.instanceOf(error, ContractViolation)
      return error as ContractViolation
    })
  )

describe("the contract of an agent", () => {
  it.effect("performs its task", () =>
    Effect.gen(function* () {
      const alice = Agent.make("alice", {
        task: Review,
        run: ({ code }) => Effect.succeed({ verdict: `${code}: fine` })
      })
      assert.deepStrictEqual(yield* alice.run(input), { verdict: "1 + 1: fine" })
      assert.deepStrictEqual(yield* Agent.run(alice, input), yield* Agent.run(input)(alice))
    })
  )

  it.effect("a wrong input names agent, task, side and path, and nothing runs", () =>
    Effect.gen(function* () {
      const { agent, seen } = counting(() => Effect.succeed(fine))
      const error = yield* violation(agent.run({ code: "", lines: [{ length: 1 }, { length: 0.5 }] }))
      assert.deepInclude(error, { agent: "alice", task: "Review", side: "input", path: ["lines", 1, "length"] })
      assert.include(error.message, `Agent "alice" was given a wrong input for task "Review" at "lines".1."length": `)
      assert.strictEqual(seen.calls, 0)
    })
  )

  it.effect("a wrong output names the same, and goes nowhere", () =>
    Effect.gen(function* () {
      const { agent } = counting(() => Effect.succeed({ verdict: "" }))
      const error = yield* violation(agent.run(input))
      assert.deepInclude(error, { agent: "alice", task: "Review", side: "output", path: ["verdict"] })
      assert.include(error.message, `Agent "alice" returned a wrong output for task "Review" at "verdict": `)
    })
  )

  it.effect("a violation of the whole value has no path, and a missing key is named", () =>
    Effect.gen(function* () {
      const { agent } = counting(() => Effect.succeed(fine))
      assert.deepStrictEqual((yield* violation(agent.run(null as never))).path, [])
      assert.deepStrictEqual((yield* violation(agent.run({ code: "" } as never))).path, ["lines"])
    })
  )

  it.effect("the value stays out of the message: it may be a secret", () =>
    Effect.gen(function* () {
      const { agent } = counting(() => Effect.succeed(fine))
      const error = yield* violation(agent.run({ code: ["hunter2"] as never, lines: [] }))
      assert.notInclude(JSON.stringify(error) + error.message, "hunter2")
    })
  )

  it.effect("the agent gets what its task names, and nothing else", () =>
    Effect.gen(function* () {
      const Echo = Task.make("Echo", { input: { a: Schema.Int }, output: { keys: Schema.Array(Schema.String) } })
      const echo = Agent.make("echo", {
        task: Echo,
        run: (value) => Effect.succeed({ keys: Object.keys(value), extra: 1 })
      })
      const excess = { a: 1, b: 2 }
      assert.deepStrictEqual(yield* echo.run(excess), { keys: ["a"] })
    })
  )

  it.effect("failures reach the caller typed", () =>
    Effect.gen(function* () {
      const { agent } = counting((calls) =>
        calls === 1 ? Effect.fail(new Rejected({ reason: "no tests" })) : Effect.fail(new DbError({ code: 7 }))
      )
      const caught = agent.run(input).pipe(
        Effect.catchTag("Rejected", (error) => Effect.succeed({ verdict: error.reason })),
        Effect.catchTag("DbError", (error) => Effect.succeed({ verdict: String(error.code) }))
      )
      assert.deepStrictEqual(yield* caught, { verdict: "no tests" })
      assert.deepStrictEqual(yield* caught, { verdict: "7" })
    })
  )

  it.effect("a defect stays a defect, also one that `run` throws", () =>
    Effect.gen(function* () {
      const { agent } = counting(() => {
        throw new Error("bug")
      })
      const exit = yield* Effect.exit(agent.run(input))
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause) && !Cause.hasFails(exit.cause))
    })
  )

  it.effect("outside a run there is no idempotency key, and the attempt is the first", () =>
    Effect.gen(function* () {
      const Info = Task.make("Info", { input: {}, output: { attempt: Schema.Int, idempotencyKey: Schema.String } })
      const agent = Agent.make("info", { task: Info, run: (_, info) => Effect.succeed(info) })
      assert.deepStrictEqual(yield* agent.run({}), { attempt: 1, idempotencyKey: "" })
    })
  )

  it.effect("names a span after the agent where no tracer listens, too", () =>
    Effect.gen(function* () {
      const inner = Agent.make("inner", {
        task: Task.make("Names", { input: {}, output: Schema.Array(Schema.String) }),
        run: () =>
          Effect.map(Effect.orDie(Effect.currentSpan), (span) => [
            span.name,
            span.parent._tag === "Some" && span.parent.value._tag === "Span" ? span.parent.value.name : ""
          ])
      })
      const outer = Agent.compose("outer", { run: () => inner.run({}) })
      assert.deepStrictEqual(yield* outer.run({}), ["inner", "outer"])
    })
  )

  it.effect("opens a span named after the agent, which fails when it fails", () =>
    Effect.gen(function* () {
      const { spans, tracer } = recordingTracer()
      const { agent } = counting(() => Effect.fail(new Rejected({ reason: "no tests" })))
      const team = Agent.compose("team", { run: agent.run })
      yield* Effect.exit(team.run(input)).pipe(Effect.withTracer(tracer))
      assert.deepStrictEqual(
        spans.map(({ name }) => name),
        ["team", "alice"]
      )
      assert.strictEqual(spans[1]?.parent._tag === "Some" ? spans[1].parent.value.spanId : undefined, spans[0]?.spanId)
      for (const { status } of spans) assert.isTrue(status._tag === "Ended" && Exit.isFailure(status.exit))
    })
  )
})

describe("combinators of agents, outside a run", () => {
  it.effect("retry waits as the schedule says, sees the typed error, and counts the attempts", () =>
    Effect.gen(function* () {
      const { agent, seen } = counting((calls) =>
        calls < 3 ? Effect.fail(new DbError({ code: calls })) : Effect.succeed(fine)
      )
      const errors: Array<string> = []
      const patient = agent.pipe(
        Agent.retry(
          Schedule.exponential("1 second").pipe(
            Schedule.setInputType<Rejected | DbError | ContractViolation>(),
            Schedule.tap(({ input }) => Effect.sync(() => void errors.push(input._tag)))
          )
        )
      )
      const fiber = yield* Effect.forkChild(patient.run(input))
      yield* TestClock.adjust("999 millis")
      assert.strictEqual(seen.calls, 1)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(seen.calls, 2)
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* Fiber.join(fiber), fine)
      assert.deepStrictEqual(seen.attempts, [1, 2, 3])
      assert.deepStrictEqual(errors, ["DbError", "DbError"])
      yield* patient.run(input)
      assert.strictEqual(seen.attempts.at(-1), 1)
    })
  )

  it.effect("retry stops where the schedule stops, with the last error", () =>
    Effect.gen(function* () {
      const { agent, seen } = counting((calls) => Effect.fail(new DbError({ code: calls })))
      const stubborn = Agent.retry(agent, Schedule.recurs(2))
      assert.deepInclude(yield* Effect.flip(stubborn.run(input)), { _tag: "DbError", code: 3 })
      assert.strictEqual(seen.calls, 3)
    })
  )

  it.effect("retry gives a wrong output another try, and a wrong input none", () =>
    Effect.gen(function* () {
      const { agent, seen } = counting((calls) => Effect.succeed({ verdict: calls === 1 ? "" : "fine" }))
      const again = Agent.retry(agent, Schedule.recurs(1))
      assert.deepStrictEqual(yield* again.run(input), fine)
      yield* violation(again.run({} as never))
      assert.strictEqual(seen.calls, 2)
    })
  )

  it.effect("timeout interrupts, and fails with the agent and the limit", () =>
    Effect.gen(function* () {
      const interrupted = yield* Deferred.make<void>()
      const { agent } = counting(() => Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined)))
      const fiber = yield* agent.pipe(Agent.timeout("5 seconds")).run(input).pipe(Effect.flip, Effect.forkChild)
      yield* TestClock.adjust("5 seconds")
      const error = yield* Fiber.join(fiber)
      yield* Deferred.await(interrupted)
      assert.instanceOf(error, AgentTimedOut)
      assert.strictEqual(error.message, `Agent "alice" did not finish within 5s.`)
    })
  )

  it.effect("timeout before retry limits each attempt, after it all of them", () =>
    Effect.gen(function* () {
      const slow = () => counting((calls) => Effect.delay(Effect.succeed(fine), Duration.seconds(calls === 1 ? 10 : 1)))
      const each = slow()
      const fiber = yield* each.agent
        .pipe(Agent.timeout("5 seconds"), Agent.retry(Schedule.recurs(1)))
        .run(input)
        .pipe(Effect.forkChild)
      yield* TestClock.adjust("6 seconds")
      assert.deepStrictEqual(yield* Fiber.join(fiber), fine)

      const all = counting(() => Effect.delay(Effect.fail(new DbError({ code: 1 })), "2 seconds"))
      const whole = all.agent.pipe(Agent.retry(Schedule.forever), Agent.timeout("5 seconds"))
      const waiting = yield* whole.run(input).pipe(Effect.flip, Effect.forkChild)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* Fiber.join(waiting))._tag, "AgentTimedOut")
      assert.strictEqual(all.seen.calls, 3)
    })
  )

  it.effect("orElse asks another agent with the same input", () =>
    Effect.gen(function* () {
      const { agent } = counting(() => Effect.fail(new DbError({ code: 1 })))
      const bob = Agent.make("bob", { task: Review, run: ({ code }) => Effect.succeed({ verdict: code }) })
      assert.deepStrictEqual(yield* agent.pipe(Agent.orElse(bob)).run(input), { verdict: "1 + 1" })
      const content = counting(() => Effect.succeed(fine))
      assert.deepStrictEqual(yield* Agent.orElse(content.agent, bob).run(input), fine)
    })
  )

  it.effect("orElse leaves a defect alone", () =>
    Effect.gen(function* () {
      const { agent } = counting(() => Effect.die("bug"))
      const { agent: bob, seen } = counting(() => Effect.succeed(fine))
      const exit = yield* Effect.exit(Agent.orElse(agent, bob).run(input))
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
      assert.strictEqual(seen.calls, 0)
    })
  )

  it.effect("mapInput and mapOutput adapt both ends", () =>
    Effect.gen(function* () {
      const alice = Agent.make("alice", { task: Review, run: ({ code }) => Effect.succeed({ verdict: code }) })
      const adapted = alice.pipe(
        Agent.mapInput((code: string) => ({ code, lines: [] })),
        Agent.mapOutput(({ verdict }) => verdict.length)
      )
      assert.strictEqual(yield* adapted.run("1 + 1"), 5)
      assert.strictEqual(adapted.name, "alice")
    })
  )

  it.effect("provide gives the agent what it needs", () =>
    Effect.gen(function* () {
      const alice = Agent.make("alice", { task: Review, run: () => Db })
      assert.deepStrictEqual(yield* alice.pipe(Agent.provide(Layer.succeed(Db, fine))).run(input), fine)
    })
  )

  it.effect("transform does to each call what Effect can do to an effect", () =>
    Effect.gen(function* () {
      const { agent } = counting(() => Effect.fail(new Rejected({ reason: "no tests" })))
      const safe = agent.pipe(
        Agent.transform(Effect.catchTag("Rejected", ({ reason }) => Effect.succeed({ verdict: reason })))
      )
      assert.deepStrictEqual(yield* safe.run(input), { verdict: "no tests" })
    })
  )

  it.effect("combinators keep name and capabilities", () =>
    Effect.sync(() => {
      const alice = Agent.make("alice", { task: Review, capabilities: ["typescript"], run: () => Effect.succeed(fine) })
      const combined = [
        Agent.retry(alice, Schedule.recurs(1)),
        alice.pipe(Agent.retry(Schedule.recurs(1)), Agent.retry(Schedule.recurs(1))),
        Agent.timeout(alice, "1 second"),
        alice.pipe(Agent.retry(Schedule.recurs(1)), Agent.timeout("1 second")),
        Agent.orElse(alice, alice),
        Agent.mapInput(alice, (value: typeof input) => value),
        Agent.mapOutput(alice, (output) => output),
        Agent.provide(alice, Layer.empty),
        Agent.transform(alice, (effect) => effect)
      ]
      for (const { capabilities, name } of combined)
        assert.deepStrictEqual({ name, capabilities }, { name: "alice", capabilities: ["typescript"] })
    })
  )

  it.effect("compose makes an agent of a program of agents", () =>
    Effect.gen(function* () {
      const { agent, seen } = counting(() => Effect.succeed(fine))
      const twice = Agent.compose("twice", {
        capabilities: ["patience"],
        run: (value: typeof input) => Effect.andThen(agent.run(value), agent.run(value))
      })
      assert.deepStrictEqual(yield* twice.run(input), fine)
      assert.strictEqual(seen.calls, 2)
      assert.deepStrictEqual(twice.capabilities, ["patience"])
    })
  )
})
