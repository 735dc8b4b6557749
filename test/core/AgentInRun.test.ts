import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Agent from "../../src/core/Agent.ts"
import { AgentTimedOut, ContractViolation, UnknownOutcome } from "../../src/core/AgentError.ts"
import * as Digest from "../../src/core/Digest.ts"
import * as Run from "../../src/core/Run.ts"
import * as StepPath from "../../src/core/StepPath.ts"
import * as Task from "../../src/core/Task.ts"

class DbError extends Schema.TaggedError<DbError>()("DbError", { code: Schema.Int }) {}

const Remind = Task.make("Remind", {
  input: { who: Schema.String, when: Schema.DateTimeUtcFromMillis },
  output: Schema.Duration,
  error: DbError
})

const input = { who: "alice", when: DateTime.makeUnsafe(1000) }

interface Handed {
  readonly path: string
  readonly spec: Run.StepSpec<any, any, any>
}

/** A run that remembers what it is handed, and performs each step once. */
const fakeRun = () => {
  const steps: Array<Handed> = []
  const log: Array<string> = []
  const run: Run.Run = {
    runId: "run-1",
    step: (scope, spec) =>
      Effect.suspend(() => {
        const path = StepPath.next(scope, spec.segment)
        steps.push({ path, spec })
        log.push(path)
        return Effect.andThen(
          Effect.yieldNow,
          Run.detached(spec.attempt({ attempt: 1, idempotencyKey: `run-1/${path}` }))
        )
      }),
    sleep: (scope, segment, duration) =>
      Effect.suspend(() => {
        log.push(`${StepPath.next(scope, segment)} ${Duration.toMillis(duration)}`)
        return segment === "timeout" ? Effect.never : Effect.void
      }),
    receive: () => Effect.undefined,
    note: (scope, note) => Effect.sync(() => void log.push(StepPath.next(scope, note.type))),
    patched: () => Effect.succeed(true),
    whileOwned: (effect) => effect,
    isAbandoned: () => false,
    time: { now: Effect.succeed(0), clock: Effect.succeed(0) }
  }
  const scope = StepPath.makeScope("release")
  return { steps, log, within: Effect.provideService(Run.CurrentRun, { run, scope }) }
}

type Codec = (value: any) => Exit.Exit<any, any>

/** Encodes, stores and decodes. */
const throughJson = (encode: Codec, decode: Codec) => (value: unknown) => {
  const encoded = encode(value)
  assert(Exit.isSuccess(encoded))
  const decoded = decode(JSON.parse(JSON.stringify(encoded.value)))
  assert(Exit.isSuccess(decoded))
  return decoded.value
}

const alice = Agent.make("alice", {
  task: Remind,
  run: ({ when }) => Effect.succeed(Duration.millis(DateTime.toEpochMillis(when)))
})

const handed = (agent: Agent.Agent<typeof input, any, any>) =>
  Effect.gen(function* () {
    const run = fakeRun()
    yield* Effect.exit(run.within(agent.run(input)))
    const [step] = run.steps
    assert(step !== undefined)
    return { ...run, step, spec: step.spec }
  })

describe("a leaf in a run", () => {
  it.effect("hands itself over as one step, with its input as JSON", () =>
    Effect.gen(function* () {
      const { spec, steps } = yield* handed(alice)
      assert.strictEqual(steps.length, 1)
      assert.deepInclude(spec, {
        name: "alice",
        segment: "alice",
        idempotent: true,
        retry: undefined,
        onUnknown: undefined
      })
      assert.deepStrictEqual(spec.input, { who: "alice", when: 1000 })
      assert.strictEqual(Digest.ofJson(spec.input), Digest.ofJson({ who: "alice", when: 1000 }))
    })
  )

  it.effect("what its input does not name is not part of the digest", () =>
    Effect.gen(function* () {
      const { step } = yield* handed(Agent.mapInput(alice, (value: typeof input) => ({ ...value, noise: Math.PI })))
      assert.deepStrictEqual(step.spec.input, { who: "alice", when: 1000 })
    })
  )

  it.effect("its outcome survives JSON: output, task's error, own errors, violation", () =>
    Effect.gen(function* () {
      class Busy extends Schema.TaggedError<Busy>()("Busy", {}) {}
      const { spec } = yield* handed(
        Agent.make("bob", { task: Remind, errors: Busy, run: () => Effect.fail(new Busy()) })
      )
      assert.deepStrictEqual(
        throughJson(spec.codec.encodeSuccess, spec.codec.decodeSuccess)(Duration.seconds(3)),
        Duration.seconds(3)
      )
      const violation = new ContractViolation({
        agent: "bob",
        task: "Remind",
        side: "output",
        path: ["a", 0],
        issue: "wrong"
      })
      for (const error of [new DbError({ code: 7 }), new Busy(), violation]) {
        const back = throughJson(spec.codec.encodeError, spec.codec.decodeError)(error)
        assert.deepStrictEqual(back, error)
        assert.instanceOf(back, Object.getPrototypeOf(error).constructor)
      }
      assert.isTrue(Exit.isFailure(spec.codec.encodeError({ _tag: "Stranger" })))
    })
  )

  it.effect("codecs are built once, and shared by all calls", () =>
    Effect.gen(function* () {
      const run = fakeRun()
      yield* run.within(Effect.andThen(alice.run(input), alice.run(input)))
      assert.deepStrictEqual(run.log, ["release/alice", "release/alice#2"])
      assert.strictEqual(run.steps[0]?.spec.codec, run.steps[1]?.spec.codec)
    })
  )

  it.effect("a wrong input is refused before the run hears of it", () =>
    Effect.gen(function* () {
      const run = fakeRun()
      const error = yield* Effect.flip(run.within(alice.run({ who: "alice", when: 3 as never })))
      assert.deepInclude(error, { _tag: "ContractViolation", side: "input", path: ["when"] })
      assert.deepStrictEqual(run.log, [])
    })
  )

  it.effect("a wrong output is a violation, in a run as outside", () =>
    Effect.gen(function* () {
      const liar = Agent.make("liar", { task: Remind, run: () => Effect.succeed("soon" as never) })
      const inside = yield* Effect.flip(fakeRun().within(liar.run(input)))
      const outside = yield* Effect.flip(liar.run(input))
      assert.deepInclude(inside, { _tag: "ContractViolation", agent: "liar", side: "output" })
      assert.deepStrictEqual(inside, outside)
    })
  )

  it.effect("the agent gets what its task names, in a run as outside", () =>
    Effect.gen(function* () {
      const Echo = Task.make("Echo", { input: { a: Schema.Int }, output: { keys: Schema.Array(Schema.String) } })
      const echo = Agent.make("echo", {
        task: Echo,
        run: (value) => Effect.succeed({ keys: Object.keys(value), extra: 1 })
      })
      const excess = { a: 1, b: 2 }
      assert.deepStrictEqual(yield* fakeRun().within(echo.run(excess)), { keys: ["a"] })
    })
  )

  it.effect("gives the attempt its number and key", () =>
    Effect.gen(function* () {
      const Info = Task.make("Info", { input: {}, output: { attempt: Schema.Int, idempotencyKey: Schema.String } })
      const agent = Agent.make("info", { task: Info, run: (_, info) => Effect.succeed(info) })
      assert.deepStrictEqual(yield* fakeRun().within(agent.run({})), {
        attempt: 1,
        idempotencyKey: "run-1/release/info"
      })
    })
  )

  it.effect("a name that looks like a path is one segment", () =>
    Effect.gen(function* () {
      const { step } = yield* handed(Agent.make("a/b#2", { task: Remind, run: () => Effect.succeed(Duration.zero) }))
      assert.deepInclude(step.spec, { name: "a/b#2", segment: "a%2Fb%232" })
      assert.strictEqual(step.path, "release/a%2Fb%232")
    })
  )

  it.effect("one that must not run twice says so, and names its unknown outcome", () =>
    Effect.gen(function* () {
      const reconcile = () => Effect.succeed<Run.Reconciled<Duration.Duration>>({ _tag: "NeverRan" })
      const once = Agent.make("once", {
        task: Remind,
        idempotent: false,
        reconcile,
        run: () => Effect.succeed(Duration.zero)
      })
      const { spec } = yield* handed(once)
      assert.deepInclude(spec, { idempotent: false, reconcile })
      const unknown = spec.onUnknown?.({ path: "release/once", idempotencyKey: "key", startedAt: 5 })
      assert.instanceOf(unknown, UnknownOutcome)
      assert.strictEqual(
        unknown.message,
        `Step "release/once" of agent "once" was started but its outcome is unknown (idempotency key key).`
      )
      assert.isTrue(Exit.isSuccess(spec.codec.encodeError(unknown)))
    })
  )

  it.effect("agents called inside its body are part of the step", () =>
    Effect.gen(function* () {
      const outer = Agent.make("outer", { task: Remind, errors: ContractViolation, run: (value) => alice.run(value) })
      const { log } = yield* handed(outer)
      assert.deepStrictEqual(log, ["release/outer"])
    })
  )
})

describe("combinators in a run", () => {
  it.effect("retry becomes part of the one step", () =>
    Effect.gen(function* () {
      const schedule = Schedule.recurs(3)
      const { log, spec } = yield* handed(Agent.retry(alice, schedule))
      assert.deepStrictEqual(log, ["release/alice"])
      assert.strictEqual(spec.retry, schedule)
    })
  )

  it.effect("timeout becomes part of the one step, and its error of the codec", () =>
    Effect.gen(function* () {
      const limited = alice.pipe(Agent.timeout("5 seconds"), Agent.retry(Schedule.recurs(1)))
      const { log, spec } = yield* handed(limited)
      assert.deepStrictEqual(log, ["release/alice"])
      const error = new AgentTimedOut({ agent: "alice", timeout: Duration.seconds(5) })
      assert.deepStrictEqual(throughJson(spec.codec.encodeError, spec.codec.decodeError)(error), error)
    })
  )

  it.effect("mapInput, mapOutput, transform and orElse leave the step as it is", () =>
    Effect.gen(function* () {
      const failing = Agent.make("bob", { task: Remind, run: () => Effect.fail(new DbError({ code: 1 })) })
      const combined = failing.pipe(
        Agent.orElse(alice),
        Agent.mapInput((value: typeof input) => ({ ...value })),
        Agent.mapOutput(Duration.toMillis),
        Agent.transform(Effect.withSpan("more"))
      )
      const { log } = yield* handed(combined)
      assert.deepStrictEqual(log, ["release/bob", "release/alice"])
    })
  )

  it.effect("a second retry repeats the step in a scope of its own, with durable waits", () =>
    Effect.gen(function* () {
      const failing = Agent.make("bob", { task: Remind, run: () => Effect.fail(new DbError({ code: 1 })) })
      const inner = Schedule.recurs(9)
      const { log, spec } = yield* handed(
        failing.pipe(Agent.retry(inner), Agent.retry(Schedule.max([Schedule.recurs(2), Schedule.spaced("3 seconds")])))
      )
      assert.strictEqual(spec.retry, inner)
      assert.deepStrictEqual(log, [
        "release/bob/bob",
        "release/bob/backoff 3000",
        "release/bob/bob#2",
        "release/bob/backoff#2 3000",
        "release/bob/bob#3"
      ])
    })
  )

  it.effect("a timeout around a composed agent is a durable timer", () =>
    Effect.gen(function* () {
      const team = Agent.compose("team", { run: alice.run })
      const { log } = yield* handed(Agent.timeout(team, "1 minute"))
      assert.sameMembers(log, ["release/team/team/alice", "release/team/timeout 60000"])
    })
  )

  it.effect("compose opens a scope for each call", () =>
    Effect.gen(function* () {
      const pair = Agent.compose("pair", {
        run: (value: typeof input) => Effect.all([alice.run(value), alice.run(value)], { concurrency: 2 })
      })
      const team = Agent.compose("team", {
        run: (value: typeof input) => Effect.andThen(pair.run(value), pair.run(value))
      })
      const { log } = yield* handed(team)
      assert.deepStrictEqual(log, [
        "release/team/pair/alice",
        "release/team/pair/alice#2",
        "release/team/pair#2/alice",
        "release/team/pair#2/alice#2"
      ])
    })
  )

  it.effect("the same program has the same paths each time", () =>
    Effect.gen(function* () {
      const team = Agent.compose("team", {
        run: (value: typeof input) =>
          Effect.forEach(["x", "y", "z"], (branch) => Run.scoped(branch)(alice.run(value)), { concurrency: 3 })
      })
      assert.deepStrictEqual((yield* handed(team)).log, (yield* handed(team)).log)
    })
  )
})

describe("the seam", () => {
  it.effect("outside a run, scopes and notes cost nothing and say nothing", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* Run.scoped("branch")(Effect.succeed(1)), 1)
      yield* Run.note({ type: "WorkerAssigned", data: {} })
    })
  )

  it.effect("a note is stated at its place", () =>
    Effect.gen(function* () {
      const { log, within } = fakeRun()
      yield* within(Run.scoped("team")(Run.note({ type: "WorkerAssigned", data: { worker: "alice" } })))
      assert.deepStrictEqual(log, ["release/team/WorkerAssigned"])
    })
  )

  it.effect("what is detached belongs to no run", () =>
    Effect.gen(function* () {
      const { log, within } = fakeRun()
      yield* within(Run.detached(alice.run(input)))
      assert.deepStrictEqual(log, [])
    })
  )
})
