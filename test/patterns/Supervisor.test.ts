import { assert, describe, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Exit, Fiber, Metric, Result, Schedule, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Agent from "../../src/core/Agent.ts"
import * as Task from "../../src/core/Task.ts"
import * as Directive from "../../src/patterns/supervisor/Directive.ts"
import * as RestartIntensity from "../../src/patterns/supervisor/RestartIntensity.ts"
import * as Routing from "../../src/patterns/supervisor/Routing.ts"
import * as Supervisor from "../../src/patterns/supervisor/Supervisor.ts"
import * as Breaker from "../../src/policies/Breaker.ts"

class Rejected extends Schema.TaggedError<Rejected>()("Rejected", { by: Schema.String }) {}
class Flaky extends Schema.TaggedError<Flaky>()("Flaky", { by: Schema.String }) {}

const Work = Task.make("Work", {
  input: { id: Schema.Int },
  output: Schema.String,
  error: Schema.Union([Rejected, Flaky])
})
type Failure = Rejected | Flaky

/** An agent whose every call the test decides. */
const worker = (
  name: string,
  behave: (call: number, id: number) => Effect.Effect<string, Failure> = () => Effect.succeed(name),
  capabilities: ReadonlyArray<string> = []
) => {
  const log: Array<number> = []
  let calls = 0
  const agent = Agent.make(name, {
    task: Work,
    capabilities,
    run: ({ id }) =>
      Effect.suspend(() => {
        log.push(id)
        return behave(++calls, id)
      })
  })
  return Object.assign(agent, { log })
}

const flaky = (by: string) => Effect.fail(new Flaky({ by }))
const rejected = (by: string) => Effect.fail(new Rejected({ by }))
const onFailure = {
  Rejected: Directive.escalate,
  Flaky: Directive.reroute,
  ContractViolation: Directive.escalate
} as const

/** Lets every fiber run until it waits. */
const settle = Effect.repeat(Effect.yieldNow, { times: 20 })
const start = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })

describe("policy", () => {
  it.effect("V1: each failure meets the rule for its tag, and no other", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const alice = worker("alice", (_, id) => (id === 1 ? rejected("alice") : flaky("alice")))
      const team = Supervisor.make("team", {
        agents: [alice],
        onFailure: {
          Rejected: (error) => {
            seen.push(`Rejected by ${error.by}`)
            return Directive.escalate
          },
          Flaky: (error) => {
            seen.push(`Flaky by ${error.by}`)
            return Directive.resume("instead")
          },
          ContractViolation: Directive.escalate
        }
      })
      assert.instanceOf(yield* Effect.flip(team.run({ id: 1 })), Rejected)
      assert.strictEqual(yield* team.run({ id: 2 }), "instead")
      assert.deepStrictEqual(seen, ["Rejected by alice", "Flaky by alice"])
      assert.deepStrictEqual(alice.log, [1, 2])
    })
  )

  it.effect("V1: a contract violation is a failure like any other; a defect is a bug that no rule sees", () =>
    Effect.gen(function* () {
      const team = Supervisor.make("team", {
        agents: [worker("alice", () => Effect.die("bug")), worker("bob")],
        onFailure: { ...onFailure, ContractViolation: Directive.resume("resumed") }
      })
      assert.strictEqual(yield* team.run({ id: "no number" } as never), "resumed")
      const exit = yield* Effect.exit(team.run({ id: 1 }))
      assert.isTrue(Exit.hasDies(exit))
    })
  )

  it.effect("V2: reroute tries each worker once, then fails with the last error", () =>
    Effect.gen(function* () {
      const agents = ["alice", "bob", "carol"].map((name) => worker(name, () => flaky(name)))
      const [alice, bob, carol] = agents as [Worker, Worker, Worker]
      const team = Supervisor.make("team", { agents: [alice, bob, carol], route: Routing.roundRobin, onFailure })
      const error = yield* Effect.flip(team.run({ id: 7 }))
      assert(error._tag === "Flaky")
      assert.strictEqual(error.by, "carol")
      assert.deepStrictEqual(
        agents.map(({ log }) => log),
        [[7], [7], [7]]
      )
    })
  )

  it.effect("restart waits by its schedule, then does what comes afterwards", () =>
    Effect.gen(function* () {
      const alice = worker("alice", () => flaky("alice"))
      const bob = worker("bob")
      const team = Supervisor.make("team", {
        agents: [alice, bob],
        intensity: { restarts: 10, within: "1 minute" },
        onFailure: {
          ...onFailure,
          Flaky: Directive.restart(Schedule.spaced("1 second").pipe(Schedule.upTo({ times: 2 })), Directive.reroute)
        }
      })
      const fiber = yield* start(team.run({ id: 1 }))
      yield* settle
      assert.deepStrictEqual(alice.log, [1])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(alice.log, [1, 1])
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(fiber), "bob")
      assert.deepStrictEqual(alice.log, [1, 1, 1])
      assert.strictEqual((yield* Supervisor.stats(team)).workers[0]!.restarts, 2)
    })
  )

  it.effect("V7: a stopped worker gets no more inputs; with all stopped there is NoWorker", () =>
    Effect.gen(function* () {
      const alice = worker("alice", () => flaky("alice"))
      const bob = worker("bob", (call) => (call === 1 ? Effect.succeed("bob") : flaky("bob")))
      const team = Supervisor.make("team", { agents: [alice, bob], onFailure: { ...onFailure, Flaky: Directive.stop } })
      assert.strictEqual(yield* team.run({ id: 1 }), "bob")
      assert.instanceOf(yield* Effect.flip(team.run({ id: 2 })), Flaky)
      assert.deepStrictEqual([alice.log, bob.log], [[1], [1, 2]])
      const error = yield* Effect.flip(team.run({ id: 3 }))
      assert(error._tag === "NoWorker")
      assert.strictEqual(
        error.message,
        'Supervisor "team" has no agent for this input by "leastLoaded" (2 agents, 2 of them stopped).'
      )
      const { workers } = yield* Supervisor.stats(team)
      assert.deepStrictEqual(
        workers.map(({ state }) => state),
        ["Stopped", "Stopped"]
      )
    })
  )
})

type Worker = ReturnType<typeof worker>

/** Three workers; the first call of each hangs, save that of `bob`, which fails when told to. */
const trio = Effect.fnUntraced(function* (strategy: Supervisor.Strategy) {
  const fail = yield* Deferred.make<string, Failure>()
  const hang = (call: number, name: string) => (call === 1 ? Effect.never : Effect.succeed(`${name} again`))
  const alice = worker("alice", (call) => hang(call, "alice"))
  const bob = worker("bob", (call) => (call === 1 ? Deferred.await(fail) : Effect.succeed("bob again")))
  const carol = worker("carol", (call) => hang(call, "carol"))
  const team = Supervisor.make("team", {
    agents: [alice, bob, carol],
    route: Routing.roundRobin,
    strategy,
    onFailure: { ...onFailure, Flaky: Directive.restart() }
  })
  const fibers = yield* Effect.forEach([1, 2, 3], (id) => start(team.run({ id })))
  yield* settle
  yield* Deferred.fail(fail, new Flaky({ by: "bob" }))
  yield* settle
  const calls = [alice, bob, carol].map(({ log }) => log)
  const answers = fibers.map((fiber) => {
    const exit = fiber.pollUnsafe()
    return exit !== undefined && Exit.isSuccess(exit) ? exit.value : undefined
  })
  yield* Fiber.interruptAll(fibers)
  const stats = yield* Supervisor.stats(team)
  return { calls, answers, restarts: stats.workers.map(({ restarts }) => restarts), inFlight: stats.inFlight }
})

describe("strategies", () => {
  it.effect("V3: one-for-one restarts the failing call only", () =>
    Effect.gen(function* () {
      const { answers, calls, restarts } = yield* trio("OneForOne")
      assert.deepStrictEqual(calls, [[1], [2, 2], [3]])
      assert.deepStrictEqual(answers, [undefined, "bob again", undefined])
      assert.deepStrictEqual(restarts, [0, 1, 0])
    })
  )

  it.effect("V3: one-for-all restarts the calls on all workers, and counts one restart", () =>
    Effect.gen(function* () {
      const { answers, calls, restarts } = yield* trio("OneForAll")
      assert.deepStrictEqual(calls, [
        [1, 1],
        [2, 2],
        [3, 3]
      ])
      assert.deepStrictEqual(answers, ["alice again", "bob again", "carol again"])
      assert.deepStrictEqual(restarts, [0, 1, 0])
    })
  )

  it.effect("V3: rest-for-one restarts the calls on workers declared later", () =>
    Effect.gen(function* () {
      const { answers, calls } = yield* trio("RestForOne")
      assert.deepStrictEqual(calls, [[1], [2, 2], [3, 3]])
      assert.deepStrictEqual(answers, [undefined, "bob again", "carol again"])
    })
  )
})

describe("restart intensity", () => {
  it.prop(
    "V4: no window of the period holds more restarts than allowed",
    [Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 40 })))],
    ([gaps]) => {
      const limit = RestartIntensity.limit({ restarts: 3, within: 100 })
      let window = RestartIntensity.empty
      let now = 0
      const begun: Array<number> = []
      for (const gap of gaps) {
        now += gap
        const next = RestartIntensity.add(limit, window, now)
        const recent = begun.filter((at) => now - at < 100).length
        assert.strictEqual(next === undefined, recent >= 3)
        if (next === undefined) continue
        window = next
        begun.push(now)
        assert.isAtMost(window.length, 3)
      }
    }
  )

  it.effect("V4: one restart too many ends every call in flight, also those that wait", () =>
    Effect.gen(function* () {
      const alice = worker("alice", () => flaky("alice"))
      const bob = worker("bob", () => Effect.never)
      const carol = worker("carol", () => rejected("carol"))
      const team = Supervisor.make("team", {
        agents: [alice, bob, carol],
        route: Routing.make("by id", (input: { id: number }) => ["alice", "bob", "carol"][input.id]),
        intensity: { restarts: 3, within: "1 minute" },
        onFailure: { ...onFailure, Flaky: Directive.restart(), Rejected: Directive.restart(Schedule.spaced("1 hour")) }
      })
      const hanging = yield* start(team.run({ id: 1 }))
      const waiting = yield* start(team.run({ id: 2 }))
      yield* settle
      const error = yield* Effect.flip(team.run({ id: 0 }))
      assert(error._tag === "RestartsExceeded")
      assert.deepInclude(error, { supervisor: "team", restarts: 3, worker: "alice" })
      assert.instanceOf(error.cause, Flaky)
      assert.strictEqual(error.message, 'Supervisor "team" gave up: "alice" failed again after 3 restarts within 1m.')
      // The call that waits had one of the three.
      assert.deepStrictEqual(alice.log, [0, 0, 0])
      for (const fiber of [hanging, waiting]) {
        const failed = yield* Effect.flip(Fiber.join(fiber))
        assert.strictEqual(failed._tag, "RestartsExceeded")
      }
      const stats = yield* Supervisor.stats(team)
      assert.deepInclude(stats, { inFlight: 0, restarts: 0 })
    })
  )

  it.effect("V4: restarts stop counting when the period has passed", () =>
    Effect.gen(function* () {
      const alice = worker("alice", (call) => (call % 2 === 1 ? flaky("alice") : Effect.succeed("alice")))
      const team = Supervisor.make("team", {
        agents: [alice],
        intensity: { restarts: 1, within: "1 second" },
        onFailure: { ...onFailure, Flaky: Directive.restart() }
      })
      yield* team.run({ id: 1 })
      yield* TestClock.adjust("999 millis")
      assert.strictEqual((yield* Effect.flip(team.run({ id: 2 })))._tag, "RestartsExceeded")
      yield* TestClock.adjust("1 millis")
      yield* Effect.ignore(team.run({ id: 3 }))
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Supervisor.stats(team)).restarts, 0)
    })
  )
})

describe("breakers", () => {
  const breaker = { trip: Breaker.consecutive(2), openFor: "1 second" } as const

  it.effect("V5: with reroute, routing passes over open circuits, and comes back to them with one probe", () =>
    Effect.gen(function* () {
      const alice = worker("alice", (call) => (call <= 2 ? flaky("alice") : Effect.succeed("alice")))
      const bob = worker("bob")
      const team = Supervisor.make("team", {
        agents: [alice, bob],
        breaker,
        onFailure: { ...onFailure, CircuitOpen: Directive.reroute }
      })
      for (const id of [1, 2, 3, 4]) assert.strictEqual(yield* team.run({ id }), "bob")
      assert.deepStrictEqual(
        [alice.log, bob.log],
        [
          [1, 2],
          [1, 2, 3, 4]
        ]
      )
      assert.strictEqual((yield* Supervisor.stats(team)).workers[0]!.circuit, "Open")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* team.run({ id: 5 }), "alice")
      assert.strictEqual((yield* Supervisor.stats(team)).workers[0]!.circuit, "Closed")
    })
  )

  it.effect("V5: CircuitOpen leaves when all who could take the input are open", () =>
    Effect.gen(function* () {
      const alice = worker("alice", () => flaky("alice"), ["ts"])
      const bob = worker("bob")
      const team = Supervisor.make("team", {
        agents: [alice, bob],
        route: Routing.byCapability(({ id }: { id: number }) => (id < 10 ? ["ts"] : ["cobol"])),
        breaker,
        onFailure: { ...onFailure, CircuitOpen: Directive.reroute }
      })
      yield* Effect.flip(team.run({ id: 1 }))
      yield* Effect.flip(team.run({ id: 2 }))
      yield* TestClock.adjust("300 millis")
      const error = yield* Effect.flip(team.run({ id: 3 }))
      assert(error._tag === "CircuitOpen")
      assert.deepStrictEqual([error.name, Duration.toMillis(error.retryAfter)], ["alice", 700])
      assert.strictEqual((yield* Effect.flip(team.run({ id: 10 })))._tag, "NoWorker")
      assert.deepStrictEqual(alice.log, [1, 2])
    })
  )

  it.effect("V5: with any other rule, the refusal of the chosen worker meets that rule", () =>
    Effect.gen(function* () {
      const alice = worker("alice", () => flaky("alice"))
      const team = Supervisor.make("team", {
        agents: [alice, worker("bob")],
        breaker,
        onFailure: { ...onFailure, CircuitOpen: Directive.resume("later") }
      })
      yield* team.run({ id: 1 })
      yield* team.run({ id: 2 })
      assert.strictEqual(yield* team.run({ id: 3 }), "later")
      assert.deepStrictEqual(alice.log, [1, 2])
    })
  )

  it.effect("V5: a restart meets the circuit that its own failures opened", () =>
    Effect.gen(function* () {
      const alice = worker("alice", () => flaky("alice"))
      const bob = worker("bob")
      const team = Supervisor.make("team", {
        agents: [alice, bob],
        breaker,
        onFailure: { ...onFailure, Flaky: Directive.restart(), CircuitOpen: (_) => Directive.reroute }
      })
      assert.strictEqual(yield* team.run({ id: 1 }), "bob")
      assert.deepStrictEqual(alice.log, [1, 1])
    })
  )

  it.effect("V5: what isFailure does not accept speaks for the worker", () =>
    Effect.gen(function* () {
      const alice = worker("alice", (call) => (call === 2 ? rejected("alice") : flaky("alice")))
      const team = Supervisor.make("team", {
        agents: [alice],
        breaker: { ...breaker, isFailure: (error) => error._tag === "Flaky" },
        onFailure: { ...onFailure, CircuitOpen: Directive.escalate }
      })
      for (const id of [1, 2, 3]) yield* Effect.flip(team.run({ id }))
      assert.strictEqual((yield* Supervisor.stats(team)).workers[0]!.circuit, "Closed")
    })
  )
})

describe("load", () => {
  it.effect("V6: places are given back after success, failure, defect and interruption", () =>
    Effect.gen(function* () {
      const ends = [Effect.succeed("ok"), rejected("alice"), Effect.die("bug"), Effect.never]
      const alice = worker("alice", (_, id) => ends[id]!)
      const team = Supervisor.make("team", {
        agents: [alice],
        breaker: { trip: Breaker.consecutive(100), openFor: "1 second" },
        onFailure: { ...onFailure, Flaky: Directive.restart(), CircuitOpen: Directive.escalate }
      })
      const fibers = yield* Effect.forEach([0, 1, 2, 3], (id) => start(Effect.exit(team.run({ id }))))
      yield* settle
      assert.strictEqual((yield* Supervisor.stats(team)).inFlight, 1)
      yield* Fiber.interruptAll(fibers)
      const stats = yield* Supervisor.stats(team)
      assert.strictEqual(stats.inFlight, 0)
      assert.strictEqual(stats.workers[0]!.assigned, 4)
    })
  )

  it.effect("V6: an interrupted probe leaves its place to another", () =>
    Effect.gen(function* () {
      const ends = [rejected("alice"), Effect.never, Effect.succeed("ok")]
      const team = Supervisor.make("team", {
        agents: [worker("alice", (_, id) => ends[id]!)],
        breaker: { trip: Breaker.consecutive(1), openFor: "1 second" },
        onFailure: { ...onFailure, CircuitOpen: Directive.escalate }
      })
      yield* Effect.flip(team.run({ id: 0 }))
      yield* TestClock.adjust("1 second")
      const probe = yield* start(team.run({ id: 1 }))
      assert.strictEqual((yield* Effect.flip(team.run({ id: 2 })))._tag, "CircuitOpen")
      yield* Fiber.interrupt(probe)
      assert.strictEqual(yield* team.run({ id: 2 }), "ok")
    })
  )

  it.effect("leastLoaded spreads concurrent calls", () =>
    Effect.gen(function* () {
      const agents = [worker("alice", () => Effect.never), worker("bob", () => Effect.never)] as const
      const team = Supervisor.make("team", { agents, onFailure })
      const fibers = yield* Effect.forEach([1, 2, 3, 4], (id) => start(team.run({ id })))
      yield* settle
      assert.deepStrictEqual(
        agents.map(({ log }) => log),
        [
          [1, 3],
          [2, 4]
        ]
      )
      yield* Fiber.interruptAll(fibers)
    })
  )

  it.effect("restarts and opened circuits are counted as metrics", () =>
    Effect.gen(function* () {
      const alice = worker("alice", (call) => (call === 1 ? flaky("alice") : Effect.succeed("alice")))
      const team = Supervisor.make("metered", {
        agents: [alice],
        breaker: { trip: Breaker.consecutive(1), openFor: "1 second" },
        onFailure: {
          ...onFailure,
          Flaky: Directive.restart(Schedule.spaced("2 seconds")),
          CircuitOpen: Directive.escalate
        }
      })
      const fiber = yield* start(team.run({ id: 1 }))
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* Fiber.join(fiber), "alice")
      const counters = (yield* Metric.snapshot).filter(({ attributes }) => attributes?.["supervisor"] === "metered")
      assert.deepStrictEqual(counters.map(({ id, state }) => [id, (state as { count: number }).count]).toSorted(), [
        ["tutti_supervisor_circuits_opened_total", 1],
        ["tutti_supervisor_restarts_total", 1]
      ])
    })
  )
})

describe("batches", () => {
  it.effect("V9: runAll answers in input order, with at most so many calls at once", () =>
    Effect.gen(function* () {
      let running = 0
      let most = 0
      const slow = (name: string) =>
        worker(name, (_, id) =>
          Effect.sync(() => void (most = Math.max(most, ++running))).pipe(
            Effect.andThen(Effect.sleep(`${10 - id} seconds`)),
            Effect.as(`${id}`),
            Effect.ensuring(Effect.sync(() => running--))
          )
        )
      const team = Supervisor.make("team", { agents: [slow("alice"), slow("bob"), slow("carol")], onFailure })
      const ids = Array.from({ length: 9 }, (_, id) => ({ id }))
      const fiber = yield* start(Stream.runCollect(Supervisor.runAll(team, ids, { concurrency: 2 })))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(
        yield* Fiber.join(fiber),
        ids.map(({ id }) => `${id}`)
      )
      assert.strictEqual(most, 2)
    })
  )

  it.effect("V9: runAll ends with the first failure; runEach answers it and goes on", () =>
    Effect.gen(function* () {
      const alice = worker("alice", (_, id) => (id === 2 ? rejected("alice") : Effect.succeed(`${id}`)))
      const team = Supervisor.make("team", { agents: [alice], onFailure })
      const ids = [{ id: 1 }, { id: 2 }, { id: 3 }]
      assert.instanceOf(yield* Effect.flip(Stream.runDrain(Supervisor.runAll(team, ids))), Rejected)
      assert.deepStrictEqual(alice.log, [1, 2])
      const results = yield* team.pipe(Supervisor.runEach(ids), Stream.runCollect)
      assert.deepStrictEqual(results.map(Result.isSuccess), [true, false, true])
    })
  )
})

describe("10,000 agents", () => {
  it.effect("V3: each has its two turns, while one of them is restarted and the others go on", () =>
    Effect.gen(function* () {
      const size = 10_000
      const unsteady = 4321
      const everybodyIsCalled = yield* Deferred.make<void>()
      let calls = 0
      let interrupted = 0
      // All are at work when the unsteady one fails.
      const atWork = (name: string) =>
        Effect.suspend(() => {
          if (++calls === size) Deferred.doneUnsafe(everybodyIsCalled, Effect.void)
          return Deferred.await(everybodyIsCalled)
        }).pipe(
          Effect.onInterrupt(() => Effect.sync(() => interrupted++)),
          Effect.as(name)
        )
      const agents = Array.from({ length: size }, (_, index) => {
        const name = `worker-${index}`
        const failsTwice = (call: number) =>
          Effect.flatMap(atWork(name), () => (call <= 2 ? flaky(name) : Effect.succeed(name)))
        return worker(name, index === unsteady ? failsTwice : () => atWork(name))
      })
      const team = Supervisor.make("team", {
        agents: agents as [Worker, ...Array<Worker>],
        route: Routing.roundRobin,
        onFailure: { ...onFailure, Flaky: Directive.restart() }
      })
      const inputs = Array.from({ length: 2 * size }, (_, id) => ({ id }))
      const answers = yield* Stream.runCollect(Supervisor.runAll(team, inputs))

      const turns = new Map<string, number>()
      for (const name of answers) turns.set(name, (turns.get(name) ?? 0) + 1)
      assert.deepStrictEqual(new Set(turns.values()), new Set([2]))
      assert.strictEqual(turns.size, size)
      const others = agents.filter((_, index) => index !== unsteady)
      assert.isTrue(others.every(({ log }) => log.length === 2))
      const [first, , again] = agents[unsteady]!.log
      assert.deepStrictEqual([agents[unsteady]!.log.length, again], [4, first])
      assert.strictEqual(interrupted, 0)
      const { inFlight, workers } = yield* Supervisor.stats(team)
      const restarted = workers.filter(({ restarts }) => restarts > 0)
      assert.deepStrictEqual(
        restarted.map(({ name, restarts }) => [name, restarts]),
        [[`worker-${unsteady}`, 2]]
      )
      assert.strictEqual(inFlight, 0)
    })
  )
})

describe("nesting", () => {
  it.effect("an inner supervisor that gives up is one failure to the outer one", () =>
    Effect.gen(function* () {
      const alice = worker("alice", () => flaky("alice"))
      const bob = worker("bob")
      const inner = Supervisor.make("inner", {
        agents: [alice],
        intensity: { restarts: 2, within: "1 minute" },
        onFailure: { ...onFailure, Flaky: Directive.restart() }
      })
      const outer = Supervisor.make("outer", {
        agents: [inner, bob],
        onFailure: { ...onFailure, RestartsExceeded: Directive.reroute, NoWorker: Directive.escalate }
      })
      assert.strictEqual(yield* outer.run({ id: 1 }), "bob")
      assert.deepStrictEqual([alice.log, bob.log], [[1, 1, 1], [1]])
    })
  )

  it("mistakes are named where they are made", () => {
    const alice = worker("alice")
    assert.throws(() => Supervisor.make("team", { agents: [alice, alice], onFailure }), 'two agents named "alice"')
    assert.throws(() => Supervisor.make("team", { agents: [] as never, onFailure: {} as never }), "needs an agent")
    assert.throws(
      () => Supervisor.make("team", { agents: [alice], intensity: { restarts: -1, within: "1 second" }, onFailure }),
      "restarts must be a natural number, got -1"
    )
    assert.throws(
      () => Supervisor.make("team", { agents: [alice], route: Routing.weighted({ bob: 1 }), onFailure }),
      'a weight is given for "bob", which is no worker'
    )
  })
})
