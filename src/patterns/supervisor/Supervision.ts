/**
 * One call under a supervisor, from its assignment to its end.
 *
 * The call takes turns: assigned → at work → failed → (restart | reroute | …) until it is answered or fails. What depends
 * on the state of the process goes through a `Decision`; everything else follows from the input and recorded answers,
 * so that a replay takes the same turns.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { AnyError } from "../../core/AnyError.ts"
import * as PatternEvent from "../../core/PatternEvent.ts"
import * as Run from "../../core/Run.ts"
import * as Breaker from "../../policies/Breaker.ts"
import * as Decision from "../../policies/Decision.ts"
import * as Directive from "./Directive.ts"
import { NoWorker, RestartsExceeded } from "./SupervisorError.ts"
import type * as Team from "./Team.ts"

type Turn =
  | { readonly _tag: "Assign"; readonly again: number | undefined }
  | { readonly _tag: "Work"; readonly worker: number }
  | { readonly _tag: "Failed"; readonly slot: Team.Slot; readonly error: unknown; readonly refused: boolean }
  | { readonly _tag: "Answered"; readonly value: unknown }

type ScheduleStep = (now: number, input: unknown) => Effect.Effect<[unknown, Duration.Duration], unknown>

/** What a call remembers from turn to turn. */
interface Call {
  readonly input: unknown
  readonly tried: Set<number>
  /** How far the restart schedules are, by tag, for the present worker. */
  readonly schedules: Map<string, ScheduleStep>
  slot: Team.Slot | undefined
  lastError: { readonly error: unknown } | undefined
}

/** Runs the input under the supervisor. */
export const supervise = (team: Team.Team, input: unknown): Effect.Effect<any, any, any> => {
  const call: Call = { input, tried: new Set(), schedules: new Map(), slot: undefined, lastError: undefined }
  return Effect.onExitPrimitive(takeTurns(team, call), () => {
    // Interrupted between the reservation and the end of the work: the place must not stay taken.
    if (call.slot !== undefined) free(team, call, call.slot)
    return undefined
  })
}

const takeTurns = Effect.fnUntraced(function* (team: Team.Team, call: Call): Effect.fn.Return<any, any, any> {
  let turn: Turn = { _tag: "Assign", again: undefined }
  while (true) {
    switch (turn._tag) {
      case "Assign":
        turn = yield* assign(team, call, turn.again)
        break
      case "Work":
        turn = yield* work(team, call, turn.worker)
        break
      case "Failed":
        turn = yield* react(team, call, turn)
        break
      case "Answered":
        return turn.value
    }
  }
})

const Route = Schema.Union([
  Schema.TaggedStruct("Reserved", { worker: Schema.String, confidence: Schema.Number }),
  Schema.TaggedStruct("Refused", { worker: Schema.String, retryAfter: Schema.Number }),
  Schema.TaggedStruct("AllOpen", { worker: Schema.String, retryAfter: Schema.Number }),
  Schema.TaggedStruct("Nobody", { stopped: Schema.Int })
])
type Route = typeof Route.Type

const route = Decision.make<Route>("route", Route)

const assign = Effect.fnUntraced(function* (
  team: Team.Team,
  call: Call,
  again: number | undefined
): Effect.fn.Return<Turn, any, any> {
  const facts = {
    tried: Array.from(call.tried, (worker) => team.names[worker]!),
    again: again === undefined ? null : team.names[again]!
  }
  const routed = yield* team.isForegone
    ? Effect.succeed<Route>({ _tag: "Reserved", worker: team.names[0]!, confidence: 1 })
    : route(
        facts,
        Effect.clockWith((clock) => Effect.sync(() => reserve(team, call, again, clock)))
      )
  if (routed._tag === "Nobody") return yield* nobody(team, call, routed.stopped)
  const worker = yield* workerNamed(team, routed.worker)
  if (routed._tag === "Reserved") {
    if (again === undefined) {
      call.schedules.clear()
      yield* PatternEvent.state({ _tag: "WorkerAssigned", worker: routed.worker, confidence: routed.confidence })
    }
    return { _tag: "Work", worker }
  }
  const error = new Breaker.CircuitOpen({ name: routed.worker, retryAfter: Duration.millis(routed.retryAfter) })
  if (routed._tag === "AllOpen") return yield* Effect.fail(call.lastError === undefined ? error : call.lastError.error)
  return { _tag: "Failed", slot: { worker, generation: undefined }, error, refused: true }
})

// oxlint-disable-next-line max-params
const reserve = (team: Team.Team, call: Call, again: number | undefined, clock: Clock.Clock): Route => {
  const now = clock.currentTimeMillisUnsafe()
  const reservation =
    again === undefined ? team.reserve(call.input, call.tried, now) : team.admit({ worker: again, confidence: 1 }, now)
  switch (reservation._tag) {
    case "Nobody":
      return { _tag: "Nobody", stopped: team.stopped.size }
    case "Reserved":
      call.slot = reservation.slot
      return { ...reservation, worker: team.names[reservation.slot.worker]!, _tag: "Reserved" }
    default:
      return { ...reservation, worker: team.names[reservation.worker]! }
  }
}

const nobody = (team: Team.Team, call: Call, stopped: number): Effect.Effect<never, unknown> =>
  Effect.fail(
    call.lastError === undefined
      ? new NoWorker({ supervisor: team.name, route: team.options.route.name, workers: team.names.length, stopped })
      : call.lastError.error
  )

const workerNamed = (team: Team.Team, worker: string): Effect.Effect<number> => {
  const number = team.numberOf(worker)
  return number === undefined
    ? Effect.die(new Error(`the journal assigns "${worker}", which is no longer under supervisor "${team.name}"`))
    : Effect.succeed(number)
}

const work = Effect.fnUntraced(function* (
  team: Team.Team,
  call: Call,
  worker: number
): Effect.fn.Return<Turn, any, any> {
  const slot = (call.slot ??= team.enter(worker))
  const end = yield* interruptible(team, worker, team.agents[worker]!.run(call.input))
  call.slot = undefined
  team.leave(slot)
  if (end._tag === "Restarted" || end._tag === "GaveUp") {
    yield* settle(team, slot, "Ignored")
    if (end._tag === "GaveUp") return yield* gaveUp(team, end)
    yield* PatternEvent.state({ _tag: "WorkerRestarted", worker: team.names[worker]!, error: end.error })
    return again(team, worker)
  }
  const failure = Exit.isSuccess(end) ? undefined : Cause.findErrorOption(end.cause)
  if (failure?._tag === "Some") return { _tag: "Failed", slot, error: failure.value, refused: false }
  yield* settle(team, slot, Breaker.outcome(end, undefined))
  return { _tag: "Answered", value: yield* end }
})

/** The same worker once more. Its circuit may be open by now. */
const again = (team: Team.Team, worker: number): Turn =>
  team.hasBreaker ? { _tag: "Assign", again: worker } : { _tag: "Work", worker }

const settle = (team: Team.Team, slot: Team.Slot, outcome: "Success" | "Failure" | "Ignored"): Effect.Effect<void> =>
  slot.generation === undefined
    ? Effect.void
    : Effect.clockWith((clock) => Effect.sync(() => team.settle(slot, outcome, clock.currentTimeMillisUnsafe())))

const free = (team: Team.Team, call: Call, slot: Team.Slot): void => {
  call.slot = undefined
  team.leave(slot)
  // Ignored outcomes need no time.
  team.settle(slot, "Ignored", 0)
}

const gaveUp = (
  team: Team.Team,
  failed: { readonly worker: string; readonly cause: unknown }
): Effect.Effect<never, RestartsExceeded> => {
  const { restarts, within } = team.options.intensity
  return Effect.fail(
    new RestartsExceeded({
      supervisor: team.name,
      restarts,
      within: Duration.millis(within),
      worker: failed.worker,
      cause: failed.cause
    })
  )
}

const Interruption = Schema.Union([
  Schema.TaggedStruct("Restarted", { error: Schema.String }),
  Schema.TaggedStruct("GaveUp", { worker: Schema.String, cause: AnyError })
])

const interruption = Decision.make<Team.Interruption>("interrupt", Interruption)

/**
 * Runs the effect until it ends or the supervisor takes it away. In a run the two are steps that race, as a timeout
 * does, so the journal says which came first. -1: the call is with no worker.
 */
const interruptible = <A, E, R>(
  team: Team.Team,
  worker: number,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<Exit.Exit<A, E> | Team.Interruption, never, R> => {
  if (!team.mayInterrupt) return Effect.exit(effect)
  const ticket: Team.Ticket = { worker, signal: Deferred.makeUnsafe() }
  team.tickets.add(ticket)
  return Effect.onExitPrimitive(
    Effect.raceFirst(Effect.exit(effect), interruption(null, Deferred.await(ticket.signal))),
    () => {
      team.tickets.delete(ticket)
      return undefined
    }
  )
}

const Verdict = Schema.Struct({ circuitOpened: Schema.Boolean, gaveUp: Schema.Boolean })
const verdict = Decision.make<Team.Verdict>("verdict", Verdict)

const noConsequences: Team.Verdict = { circuitOpened: false, gaveUp: false }

/** Does what the policy says about the failure. */
const react = Effect.fnUntraced(function* (
  team: Team.Team,
  call: Call,
  failed: Extract<Turn, { readonly _tag: "Failed" }>
): Effect.fn.Return<Turn, any, any> {
  const { error, slot } = failed
  const name = team.names[slot.worker]!
  const tag = Directive.tagOf(error)
  let directive = Directive.choose(team.options.policy, error)
  let delay: Duration.Duration | undefined
  if (directive._tag === "Restart" && directive.schedule !== undefined) {
    delay = yield* nextDelay(call, directive.schedule, error)
    if (delay === undefined) directive = directive.afterwards
  }
  const counts = !failed.refused && Breaker.outcome(Exit.fail(error), team.options.breaker?.isFailure) === "Failure"
  yield* PatternEvent.state({ _tag: "WorkerFailed", worker: name, error: tag })
  const consequences = yield* judge(team, { slot, error, counts, directive: directive._tag })
  if (consequences.circuitOpened) yield* PatternEvent.state({ _tag: "CircuitOpened", worker: name })
  switch (directive._tag) {
    case "Escalate":
      return yield* Effect.fail(error)
    case "Resume":
      return { _tag: "Answered", value: directive.value }
    case "Restart":
      if (consequences.gaveUp) return yield* gaveUp(team, { worker: name, cause: error })
      if (delay !== undefined) yield* backoff(team, delay)
      yield* PatternEvent.state({ _tag: "WorkerRestarted", worker: name, error: tag })
      return again(team, slot.worker)
    default:
      call.tried.add(slot.worker)
      call.lastError = { error }
      yield* PatternEvent.state({ _tag: "WorkerRerouted", from: name, error: tag })
      return { _tag: "Assign", again: undefined }
  }
})

/** Only what touches the state of the process is a decision. */
const judge = (team: Team.Team, failure: Team.Failure): Effect.Effect<Team.Verdict> => {
  const speaks = failure.counts && team.hasBreaker
  if (!speaks && failure.directive !== "Restart" && failure.directive !== "Stop") {
    return Effect.as(settle(team, failure.slot, "Success"), noConsequences)
  }
  const facts = {
    worker: team.names[failure.slot.worker]!,
    error: Directive.tagOf(failure.error),
    directive: failure.directive
  }
  return verdict(
    facts,
    Effect.clockWith((clock) =>
      Effect.suspend(() => {
        const judged = team.judge(failure, clock.currentTimeMillisUnsafe())
        return Effect.as(count(team, failure.directive === "Restart" && !judged.gaveUp, judged.circuitOpened), judged)
      })
    )
  )
}

const restartsTotal = Metric.counter("tutti_supervisor_restarts_total", { incremental: true })
const circuitsOpenedTotal = Metric.counter("tutti_supervisor_circuits_opened_total", { incremental: true })

const count = (team: Team.Team, restarted: boolean, opened: boolean): Effect.Effect<void> => {
  const attributes = { supervisor: team.name }
  return Effect.andThen(
    restarted ? Metric.update(Metric.withAttributes(restartsTotal, attributes), 1) : Effect.void,
    opened ? Metric.update(Metric.withAttributes(circuitsOpenedTotal, attributes), 1) : Effect.void
  )
}

/** Delay before the next try. `undefined`: the schedule is done. */
const nextDelay = Effect.fnUntraced(function* (
  call: Call,
  schedule: Schedule.Schedule<unknown, any>,
  error: unknown
): Effect.fn.Return<Duration.Duration | undefined> {
  const tag = Directive.tagOf(error)
  const step: ScheduleStep = call.schedules.get(tag) ?? (yield* Schedule.toStep(schedule))
  call.schedules.set(tag, step)
  const now = yield* Run.withCurrent(({ run }) => run.time.now, Clock.currentTimeMillis)
  const decided = yield* Effect.exit(step(now, error))
  if (Exit.isSuccess(decided)) return decided.value[1]
  // A schedule ends by failing with its last output. Anything else is a bug in it.
  return Cause.hasFails(decided.cause) ? undefined : yield* Effect.failCause(decided.cause as Cause.Cause<never>)
})

/** Waits before a restart. The supervisor may give up meanwhile. */
const backoff = Effect.fnUntraced(function* (team: Team.Team, delay: Duration.Duration) {
  const slept = Run.withCurrent(({ run, scope }) => run.sleep(scope, "backoff", delay), Effect.sleep(delay))
  const end = yield* interruptible(team, -1, slept)
  if (end._tag === "GaveUp") return yield* gaveUp(team, end)
})
