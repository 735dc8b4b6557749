/** V8 against the real journal: a run is dropped in the middle and replayed by a process that knows other facts. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, type Duration, Effect, Fiber, Layer, Schedule, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../src/backends/Memory.ts"
import * as Agent from "../../src/core/Agent.ts"
import { ContractViolation } from "../../src/core/AgentError.ts"
import * as Task from "../../src/core/Task.ts"
import * as Orchestration from "../../src/durable/Orchestration.ts"
import * as EventStore from "../../src/event-store/EventStore.ts"
import * as Directive from "../../src/patterns/supervisor/Directive.ts"
import * as Routing from "../../src/patterns/supervisor/Routing.ts"
import * as Supervisor from "../../src/patterns/supervisor/Supervisor.ts"
import * as Breaker from "../../src/policies/Breaker.ts"

class Flaky extends Schema.TaggedError<Flaky>()("Flaky", {}) {}

const Work = Task.make("Work", { input: { id: Schema.Int }, output: Schema.String, error: Flaky })
const Failures = Schema.Union([
  Flaky,
  ContractViolation,
  Breaker.CircuitOpen,
  Supervisor.NoWorker,
  Supervisor.RestartsExceeded
])
type Failure = typeof Failures.Type
type Run = (input: { readonly id: number }) => Effect.Effect<string, Failure>

/** One process after the other over one state. `held` is reached at the end of the program, and let go by `release`. */
const setUp = Effect.gen(function* () {
  const state = Memory.makeState()
  const gate = yield* Deferred.make<void>()
  let reached = yield* Deferred.make<void>()
  const hold = Agent.make("hold", {
    task: Task.make("Hold", { input: {}, output: {} }),
    run: () =>
      Effect.suspend(() => Effect.andThen(Deferred.succeed(reached, undefined), Effect.as(Deferred.await(gate), {})))
  })
  /** What a process is: its own supervisor, and the orchestration over it. */
  const processOf = (body: (hold: Effect.Effect<void>) => Effect.Effect<ReadonlyArray<string>>) =>
    Orchestration.make("Job", {
      input: {},
      output: Schema.Array(Schema.String),
      key: () => "one",
      run: () => body(Effect.asVoid(Effect.orDie(hold.run({}))))
    })
  type Job = ReturnType<typeof processOf>
  const inProcess = <A, E>(job: Job, effect: Effect.Effect<A, E, any>): Effect.Effect<A, E> =>
    Effect.provide(
      effect,
      Layer.fresh(job.layer.pipe(Layer.provideMerge(Memory.layerOf(state, { replayPatience: 0 })))),
      { local: true }
    ) as Effect.Effect<A, E>
  return {
    processOf,
    /** Runs until the program holds, then drops the process. */
    untilHeld: (job: Job) =>
      inProcess(
        job,
        Effect.andThen(
          job.start({}),
          Effect.suspend(() => Deferred.await(reached))
        )
      ),
    finish: (job: Job) =>
      Effect.gen(function* () {
        reached = yield* Deferred.make<void>()
        yield* Deferred.succeed(gate, undefined)
        return yield* inProcess(
          job,
          Effect.flatMap(job.start({}), (handle) => handle.await)
        )
      }),
    events: (job: Job) =>
      inProcess(
        job,
        Effect.gen(function* () {
          const store = yield* EventStore.EventStore
          const handle = yield* job.start({})
          const events = yield* Stream.runCollect(store.read(`run/${handle.id}` as never))
          return events.map((event) => `${event.type} ${event.meta.path ?? ""}`.trim())
        })
      )
  }
})

const tagOf = (run: Effect.Effect<string, Failure>): Effect.Effect<string> =>
  Effect.match(run, { onSuccess: (answer) => answer, onFailure: (error) => error._tag })

const worker = (
  name: string,
  log: Array<string>,
  behave: () => Effect.Effect<string, Flaky> = () => Effect.succeed(name)
) =>
  Agent.make(name, {
    task: Work,
    run: ({ id }) =>
      Effect.suspend(() => {
        log.push(`${name} ${id}`)
        return behave()
      })
  })
/** Lets time pass, step by step, until the fiber is done. */
const pass = <A, E>(fiber: Fiber.Fiber<A, E>, step: Duration.Input) =>
  Effect.gen(function* () {
    while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust(step)
    return yield* Fiber.join(fiber)
  })

const flaky = () => Effect.fail(new Flaky())

describe("V8: in a run", () => {
  it.effect("assignments replay as recorded, whatever the load is by then", () =>
    Effect.gen(function* () {
      const { events, finish, processOf, untilHeld } = yield* setUp
      const log: Array<string> = []
      const make = (busy: boolean) => {
        const agents = [worker("alice", log), worker("bob", log)] as const
        const team = Supervisor.make("team", {
          agents,
          // Stands for load: the two processes would choose differently.
          route: Routing.make("by process", () => (busy ? "bob" : "alice")),
          onFailure: { Flaky: Directive.escalate, ContractViolation: Directive.escalate }
        })
        return processOf((hold) =>
          Effect.gen(function* () {
            const first = yield* tagOf(team.run({ id: 1 }))
            yield* hold
            return [first, yield* tagOf(team.run({ id: 2 }))]
          })
        )
      }
      yield* untilHeld(make(false))
      const job = make(true)
      assert.deepStrictEqual(yield* finish(job), ["alice", "bob"])
      assert.deepStrictEqual(log, ["alice 1", "bob 2"])
      assert.deepStrictEqual(
        (yield* events(job)).filter((event) => event.includes("team/")),
        ["StepCompleted team/route", "WorkerAssigned team/~WorkerAssigned", "StepCompleted team/alice"]
      )
    })
  )

  it.effect("an open circuit that was refused, is refused again; the new process's circuits stay as they are", () =>
    Effect.gen(function* () {
      const { finish, processOf, untilHeld } = yield* setUp
      const log: Array<string> = []
      const make = () => {
        const team = Supervisor.make("team", {
          agents: [worker("alice", log, flaky), worker("bob", log)],
          breaker: { trip: Breaker.consecutive(1), openFor: "1 hour" },
          onFailure: {
            Flaky: Directive.reroute,
            ContractViolation: Directive.escalate,
            CircuitOpen: (_) => Directive.resume("refused")
          }
        })
        const job = processOf((hold) =>
          Effect.gen(function* () {
            const answers = [yield* tagOf(team.run({ id: 1 })), yield* tagOf(team.run({ id: 2 }))]
            yield* hold
            return answers
          })
        )
        return { job, team }
      }
      const first = make()
      yield* untilHeld(first.job)
      assert.strictEqual((yield* Supervisor.stats(first.team)).workers[0]!.circuit, "Open")
      const second = make()
      assert.deepStrictEqual(yield* finish(second.job), ["bob", "refused"])
      assert.deepStrictEqual(log, ["alice 1", "bob 1"])
      const stats = yield* Supervisor.stats(second.team)
      assert.strictEqual(stats.workers[0]!.circuit, "Closed")
      assert.strictEqual(stats.inFlight, 0)
    })
  )

  it.effect("V5: open circuits are passed over within one recorded choice, however many they are", () =>
    Effect.gen(function* () {
      const { events, finish, processOf } = yield* setUp
      const log: Array<string> = []
      const team = Supervisor.make("team", {
        agents: [worker("alice", log, flaky), worker("bob", log, flaky), worker("carol", log)],
        breaker: { trip: Breaker.consecutive(1), openFor: "1 hour" },
        onFailure: {
          Flaky: Directive.reroute,
          ContractViolation: Directive.escalate,
          CircuitOpen: Directive.reroute
        }
      })
      const job = processOf(() => Effect.all([tagOf(team.run({ id: 1 })), tagOf(team.run({ id: 2 }))]))
      assert.deepStrictEqual(yield* finish(job), ["carol", "carol"])
      const all = yield* events(job)
      assert.deepStrictEqual(
        all.filter((event) => event.startsWith("CircuitOpened")),
        ["CircuitOpened team/~CircuitOpened", "CircuitOpened team/~CircuitOpened#2"]
      )
      assert.deepStrictEqual(
        all.filter((event) => event.includes("team#2")),
        ["StepCompleted team#2/route", "WorkerAssigned team#2/~WorkerAssigned", "StepCompleted team#2/carol"]
      )
    })
  )

  it.effect("restarts replay as recorded and count for nothing in the new process", () =>
    Effect.gen(function* () {
      const { events, finish, processOf, untilHeld } = yield* setUp
      const log: Array<string> = []
      const make = () => {
        const team = Supervisor.make("team", {
          agents: [worker("alice", log, flaky), worker("bob", log, flaky)],
          intensity: { restarts: 2, within: "1 hour" },
          onFailure: {
            Flaky: Directive.restart(Schedule.spaced("1 minute")),
            ContractViolation: Directive.escalate
          }
        })
        const job = processOf((hold) =>
          Effect.gen(function* () {
            const answer = yield* tagOf(team.run({ id: 1 }))
            yield* hold
            return [answer]
          })
        )
        return { job, team }
      }
      const first = make()
      const fiber = yield* Effect.forkChild(untilHeld(first.job), { startImmediately: true })
      yield* pass(fiber, "1 minute")
      const second = make()
      assert.deepStrictEqual(yield* finish(second.job), ["RestartsExceeded"])
      assert.deepStrictEqual(log, ["alice 1", "alice 1", "alice 1"])
      assert.strictEqual((yield* Supervisor.stats(second.team)).restarts, 0)
      assert.deepStrictEqual(
        (yield* events(second.job)).filter((event) => /Worker|verdict|Timer/.test(event)),
        [
          "WorkerAssigned team/~WorkerAssigned",
          "WorkerFailed team/~WorkerFailed",
          "StepCompleted team/verdict",
          "TimerScheduled team/backoff",
          "TimerFired team/backoff",
          "WorkerRestarted team/~WorkerRestarted",
          "WorkerFailed team/~WorkerFailed#2",
          "StepCompleted team/verdict#2",
          "TimerScheduled team/backoff#2",
          "TimerFired team/backoff#2",
          "WorkerRestarted team/~WorkerRestarted#2",
          "WorkerFailed team/~WorkerFailed#3",
          "StepCompleted team/verdict#3"
        ]
      )
    })
  )

  it.effect("being restarted for another's sake replays as recorded", () =>
    Effect.gen(function* () {
      const { finish, processOf, untilHeld } = yield* setUp
      const log: Array<string> = []
      const make = Effect.gen(function* () {
        const fail = yield* Deferred.make<string, Flaky>()
        let aliceCalls = 0
        let bobCalls = 0
        const team = Supervisor.make("team", {
          agents: [
            worker("alice", log, () => (++aliceCalls === 1 ? Effect.never : Effect.succeed("alice"))),
            worker("bob", log, () =>
              ++bobCalls === 1 ? Effect.andThen(Effect.sleep("1 second"), Deferred.await(fail)) : Effect.succeed("bob")
            )
          ],
          strategy: "OneForAll",
          onFailure: { Flaky: Directive.restart(), ContractViolation: Directive.escalate }
        })
        yield* Deferred.fail(fail, new Flaky())
        return processOf((hold) =>
          Effect.gen(function* () {
            const answers = yield* Stream.runCollect(Supervisor.runEach(team, [{ id: 1 }, { id: 2 }]))
            yield* hold
            return answers.map((result) => (result._tag === "Success" ? result.success : result.failure._tag))
          })
        )
      })
      const fiber = yield* Effect.forkChild(untilHeld(yield* make), { startImmediately: true })
      yield* pass(fiber, "1 second")
      assert.deepStrictEqual(log.toSorted(), ["alice 1", "alice 1", "bob 2", "bob 2"])
      assert.deepStrictEqual(yield* finish(yield* make), ["alice", "bob"])
      assert.strictEqual(log.length, 4)
    })
  )

  it.effect("a batch keeps the identities of its inputs", () =>
    Effect.gen(function* () {
      const { events, finish, processOf } = yield* setUp
      const log: Array<string> = []
      const team = Supervisor.make("team", {
        agents: [worker("alice", log)],
        onFailure: { Flaky: Directive.escalate, ContractViolation: Directive.escalate }
      })
      const job = processOf(() =>
        Effect.orDie(Stream.runCollect(Supervisor.runAll(team, [{ id: 1 }, { id: 2 }], { concurrency: 2 })))
      )
      assert.deepStrictEqual(yield* finish(job), ["alice", "alice"])
      // One worker that nothing can take away: nothing is decided, so nothing but the note is recorded.
      assert.deepStrictEqual((yield* events(job)).filter((event) => event.includes("[")).toSorted(), [
        "StepCompleted [0]/team/alice",
        "StepCompleted [1]/team/alice",
        "WorkerAssigned [0]/team/~WorkerAssigned",
        "WorkerAssigned [1]/team/~WorkerAssigned"
      ])
    })
  )

  it.effect("a program without the worker that was assigned does not match its journal", () =>
    Effect.gen(function* () {
      const { finish, processOf, untilHeld } = yield* setUp
      const log: Array<string> = []
      const make = (names: readonly [string, ...Array<string>]) => {
        const team = Supervisor.make("team", {
          agents: names.map((name) => worker(name, log)) as unknown as readonly [ReturnType<typeof worker>],
          onFailure: { Flaky: Directive.stop, ContractViolation: Directive.escalate }
        })
        const run: Run = team.run
        return processOf((hold) => Effect.flatMap(tagOf(run({ id: 1 })), (answer) => Effect.as(hold, [answer])))
      }
      yield* untilHeld(make(["alice", "bob"]))
      const error = yield* Effect.flip(finish(make(["bob", "carol"])))
      assert.strictEqual(error._tag, "NonDeterminism")
    })
  )
})
