/**
 * Is everything that a process depends on well, and is the process ready for work?
 *
 * Named checks are probed in the background, and what is down is probed by a schedule of its own until it recovers. The last
 * results are kept: asking for them costs nothing. They tell load balancers (`ready`), people (`report`) and supervisors
 * (`Routing.healthy`).
 *
 * Invariants (checked by `test/policies/Health.test.ts`):
 *
 *   H1. A probe that fails, dies or does not answer in its time makes its check `Unhealthy`, with the reason, and harms
 *       nothing else.
 *   H2. A check falls after `fall` bad probes in a row, and rises after `rise` good ones; the first one decides alone.
 *   H3. What is down is probed by its recovery schedule, everything else every so often.
 *   H4. The whole is `Unhealthy` if something required is, otherwise `Degraded` if anything is not healthy; it is ready
 *       unless it is `Unhealthy`.
 *   H5. At most `concurrency` probes run at once, and none after the scope is closed.
 *   H6. Each transition is published once, in order, and publishing delays no probe.
 *
 * **Durability** Health is a fact of the process. No run records it, and a program should not decide by it but through a
 * `Decision`, as a supervisor's routing does.
 *
 * Source: the thresholds are HAProxy's `fall` and `rise`; readiness is that of Kubernetes.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type * as Stream from "effect/Stream"
import { Broadcast } from "./Broadcast.ts"
import { aggregate, Degraded, HealthBoard, type Importance, observe, Status, type Thresholds } from "./HealthBoard.ts"
import * as Timeout from "./Timeout.ts"

export { Degraded, type Importance, Healthy, Status, Unhealthy } from "./HealthBoard.ts"

/**
 * What a check found last.
 *
 * @category models
 * @stability experimental
 * @since 0.1.0
 */
export const CheckReport = Schema.Struct({
  name: Schema.String,
  importance: Schema.Literals(["Required", "Optional"]),
  status: Status,
  checkedAt: Schema.DateTimeUtcFromString,
  took: Schema.DurationFromMillis
})
export type CheckReport = typeof CheckReport.Type

/**
 * The last results of all checks, and what they come to.
 *
 * @category models
 * @stability experimental
 * @since 0.1.0
 */
export const Report = Schema.Struct({ status: Status, ready: Schema.Boolean, checks: Schema.Array(CheckReport) })
export type Report = typeof Report.Type

/**
 * A check went from one status to another.
 *
 * @category models
 * @stability experimental
 * @since 0.1.0
 */
export interface Transition {
  readonly check: string
  readonly from: Status
  readonly to: Status
  readonly at: DateTime.Utc
}

/**
 * Something to be checked.
 *
 * @category models
 * @stability experimental
 * @since 0.1.0
 */
export interface Check<out R = never> extends Thresholds {
  readonly name: string
  readonly importance: Importance
  readonly probe: Effect.Effect<unknown, unknown, R>
  readonly timeout: Duration.Duration
  readonly every: Duration.Duration
  readonly recovery: Schedule.Schedule<unknown>
}

/**
 * The answer of a probe that works, but not well.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const degraded = (reason: string): typeof Degraded.Type => ({ _tag: "Degraded", reason })

/**
 * Describes a check. Its probe succeeds if all is well, answers `degraded(reason)` if not quite, and fails if it is down.
 *
 * **Details**
 *
 * - `timeout`, default 5 seconds: who has not answered by then is down.
 * - `every`, default 30 seconds: the pause between probes.
 * - `recovery`: the pauses while it is down. Default: exponential from 1 second, at most `every`. When it ends, `every`
 *   counts again.
 * - `fall`, `rise`, default 1: so many bad, or good, probes in a row change the status.
 * - `importance`, default `"Required"`: without it the process is not ready. `"Optional"`: it is degraded.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const check = <R = never>(
  name: string,
  options: {
    readonly probe: Effect.Effect<unknown, unknown, R>
    readonly timeout?: Duration.Input
    readonly every?: Duration.Input
    readonly recovery?: Schedule.Schedule<unknown>
    readonly fall?: number
    readonly rise?: number
    readonly importance?: Importance
  }
): Check<R> => {
  const { fall = 1, importance = "Required", probe, rise = 1 } = options
  const every = Timeout.limitOf(`every of check "${name}"`, options.every ?? "30 seconds")
  const timeout = Timeout.limitOf(`timeout of check "${name}"`, options.timeout ?? "5 seconds")
  for (const [what, count] of Object.entries({ fall, rise })) {
    if (!Number.isInteger(count) || count < 1) {
      throw new RangeError(`${what} of check "${name}" must be a positive integer, got ${count}`)
    }
  }
  const recovery = options.recovery ?? Schedule.min([Schedule.exponential("1 second"), Schedule.spaced(every)])
  return { name, importance, probe, timeout, every, recovery, fall, rise }
}

/**
 * The health of a process.
 *
 * @category services
 * @stability experimental
 * @since 0.1.0
 */
export class Health extends Context.Service<
  Health,
  {
    /** The last results. Probes nothing. */
    readonly report: Effect.Effect<Report>
    /** Is everything that is required up, as far as is known? */
    readonly ready: Effect.Effect<boolean>
    /** Probes everything now. */
    readonly refresh: Effect.Effect<Report>
    /** Transitions from now on. Who reads too slowly misses the oldest. */
    readonly transitions: Stream.Stream<Transition>
    /** The last results for code that cannot wait, such as a routing. */
    readonly board: HealthBoard
  }
>()("tutti/policies/Health") {}

/** The services that checks need. */
export type Services<Checks extends ReadonlyArray<Check<any>>> = Checks[number] extends infer C
  ? C extends Check<infer R>
    ? R
    : never
  : never

/**
 * Probes every check once, and from then on in the background until the scope is closed.
 *
 * **Details** Returns when each check has a first result: after the longest timeout at the latest, if `concurrency`
 * (default 8) allows. Metric: the gauge `tutti_health_status` by `check`: 2 healthy, 1 degraded, 0 unhealthy.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* <const Checks extends ReadonlyArray<Check<any>>>(
  checks: Checks,
  options?: { readonly concurrency?: number }
): Effect.fn.Return<typeof Health.Service, never, Services<Checks> | Scope.Scope> {
  const concurrency = options?.concurrency ?? 8
  const all: ReadonlyArray<Check<Services<Checks>>> = checks
  validate(all, concurrency)
  const board = new HealthBoard()
  const broadcast = new Broadcast<Transition>()
  const places = yield* Semaphore.make(concurrency)
  const probe = (one: Check<Services<Checks>>) => Semaphore.withPermit(places, probeOnce(one, { board, broadcast }))
  const probeAll = Effect.forEach(all, probe, { concurrency: "unbounded", discard: true })
  const context = yield* Effect.context<Services<Checks>>()
  const report = Effect.sync(() => reportOf(all, board))
  yield* probeAll
  yield* Effect.forEach(all, (one) => Effect.forkScoped(watch(one, board, probe(one))), { discard: true })
  return Health.of({
    report,
    ready: Effect.sync(() => reportOf(all, board).ready),
    refresh: Effect.andThen(Effect.provideContext(probeAll, context), report),
    transitions: broadcast.stream,
    board
  })
})

/**
 * `make` as a layer.
 *
 * @category layers
 * @stability experimental
 * @since 0.1.0
 */
export const layer = <const Checks extends ReadonlyArray<Check<any>>>(
  checks: Checks,
  options?: { readonly concurrency?: number }
): Layer.Layer<Health, never, Services<Checks>> =>
  Layer.effect(Health, make(checks, options)) as Layer.Layer<Health, never, Services<Checks>>

const validate = (checks: ReadonlyArray<Check<any>>, concurrency: number): void => {
  if (!Number.isInteger(concurrency) || concurrency < 1) {
    throw new RangeError(`concurrency must be a positive integer, got ${concurrency}`)
  }
  const names = checks.map(({ name }) => name)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) throw new RangeError(`there are two checks named "${twice}"`)
}

const reportOf = (checks: ReadonlyArray<Check<any>>, board: HealthBoard): Report => {
  const reports = checks.map(({ importance, name }): CheckReport => {
    const { checkedAt, status, took } = board.get(name)!
    return { name, importance, status, checkedAt, took }
  })
  const status = aggregate(reports)
  return { status, ready: status._tag !== "Unhealthy", checks: reports }
}

interface Place {
  readonly board: HealthBoard
  readonly broadcast: Broadcast<Transition>
}

const isDegraded = Schema.is(Degraded)

const statusGauge = Metric.gauge("tutti_health_status", { description: "2 healthy, 1 degraded, 0 unhealthy." })
const level = { Healthy: 2, Degraded: 1, Unhealthy: 0 }

const probeOnce = <R>(one: Check<R>, { board, broadcast }: Place): Effect.Effect<void, never, R> =>
  Effect.gen(function* () {
    const before = yield* Clock.currentTimeMillis
    const { cause, status } = yield* answerOf(one)
    const now = yield* Clock.currentTimeMillis
    const at = DateTime.makeUnsafe(now)
    const standing = observe(one, board.get(one.name), status)
    const from = board.set(one.name, { ...standing, checkedAt: at, took: Duration.millis(now - before) })
    if (from?._tag === standing.status._tag) return
    yield* Metric.update(Metric.withAttributes(statusGauge, { check: one.name }), level[standing.status._tag])
    if (from !== undefined) broadcast.publish({ check: one.name, from, to: standing.status, at })
    yield* log(one.name, standing.status, { isFirst: from === undefined, cause })
  })

/** What a probe says. `cause`: of its failure. */
interface Answer {
  readonly status: Status
  readonly cause: Cause.Cause<unknown> | undefined
}

const answerOf = <R>(one: Check<R>): Effect.Effect<Answer, never, R> => {
  const late = `no answer within ${Duration.format(one.timeout)}`
  const answered = Effect.map(Effect.exit(one.probe), (exit): Answer =>
    Exit.isSuccess(exit)
      ? { status: isDegraded(exit.value) ? exit.value : { _tag: "Healthy" }, cause: undefined }
      : { status: { _tag: "Unhealthy", reason: reasonOf(exit.cause) }, cause: exit.cause }
  )
  return Effect.timeoutOrElse(answered, {
    duration: one.timeout,
    orElse: () => Effect.succeed<Answer>({ status: { _tag: "Unhealthy", reason: late }, cause: undefined })
  })
}

const reasonOf = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  if (error instanceof Error) return error.message === "" ? error.name : error.message
  return typeof error === "object" && error !== null && "_tag" in error ? String(error._tag) : String(error)
}

// oxlint-disable-next-line max-params
const log = (
  name: string,
  status: Status,
  { cause, isFirst }: { readonly isFirst: boolean; readonly cause: Cause.Cause<unknown> | undefined }
): Effect.Effect<void> => {
  if (status._tag === "Healthy") return isFirst ? Effect.void : Effect.logInfo(`"${name}" is healthy again.`)
  const message = `"${name}" is ${status._tag.toLowerCase()}: ${status.reason}`
  return cause === undefined ? Effect.logWarning(message) : Effect.logWarning(message, cause)
}

type Step = (now: number, input: unknown) => Effect.Effect<[unknown, Duration.Duration], unknown>

/** Probes for ever. */
const watch = Effect.fnUntraced(function* <R>(one: Check<R>, board: HealthBoard, probe: Effect.Effect<void, never, R>) {
  let recovery: Step | undefined
  while (true) {
    recovery = board.isDown(one.name) ? (recovery ?? (yield* Schedule.toStep(one.recovery))) : undefined
    yield* Effect.sleep(recovery === undefined ? one.every : yield* pause(recovery, one.every))
    yield* probe
  }
})

/** The next pause of the schedule, or `otherwise` if it has ended, or died. */
const pause = (step: Step, otherwise: Duration.Duration): Effect.Effect<Duration.Duration> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) =>
    Effect.matchCauseEffect(step(now, undefined), {
      onSuccess: ([, delay]) => Effect.succeed(delay),
      // A schedule ends by failing with its last output. Anything else is a bug in it, and no reason to stop probing.
      onFailure: (cause) =>
        Cause.hasFails(cause)
          ? Effect.succeed(otherwise)
          : Effect.as(Effect.logError("A recovery schedule died.", cause), otherwise)
    })
  )
