/**
 * The hands of a member: they take lanes that have work, and handle what is next in them.
 *
 * A lane that waits for its next try holds no worker, so that an event that fails never takes the others' turn (S6).
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Metric from "effect/Metric"
import * as Pull from "effect/Pull"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { StoredEvent } from "../event-store/Envelope.ts"
import type { Put } from "../persistence/Persistence.ts"
import type { Checkpoints, Outcome } from "./Checkpoints.ts"
import * as Handler from "./Handler.ts"
import type { Lane, Retry } from "./Share.ts"
import type { SubscriberMetrics } from "./SubscriberMetrics.ts"

/** What became of a subscriber's events in one member. */
export interface Counters {
  handled: number
  failures: number
  deadLettered: number
}

export interface Options {
  readonly subscriber: string
  readonly work: Handler.Work
  readonly retry: Schedule.Schedule<unknown, any>
  readonly checkpoints: Checkpoints
  readonly metrics: SubscriberMetrics
  readonly counters: Counters
  readonly gate: Gate
}

/** Whether a worker may begin with something: not while the subscriber is paused, or the member's lease in doubt. */
export interface Gate {
  readonly isOpen: () => boolean
  readonly open: Effect.Effect<void>
}

/** What is to be handled, and how it is settled. */
export interface Trial {
  readonly events: ReadonlyArray<StoredEvent>
  readonly isRedriven: boolean
  readonly complete: (puts: ReadonlyArray<Put>) => Effect.Effect<Outcome>
  readonly giveUp: (failure: GivenUp) => Effect.Effect<Outcome>
}

export interface GivenUp {
  readonly attempts: number
  readonly reason: string
  readonly cause: string
}

/** `again`: at once. `waiting`: after a delay. `stop`: the partition has another owner. */
export type Step = "settled" | "again" | "waiting" | "stop"

/** So often documents are refused before that counts as a failure. Each time somebody else got on, so it is not at once. */
const refusalsPerTry = 100

/** After so many turns a worker looks after other lanes. */
const turns = 64

export class Workers {
  /** Bounded by the window of the member: each lane is in it at most once, and has an event. */
  private readonly ready: Queue.Queue<Lane>
  private readonly options: Options
  private readonly idle = Latch.makeUnsafe(true)
  private readonly scope: Scope.Scope
  private busy = 0
  private isStopping = false
  /** Handles what is next in a lane. */
  private readonly turn: (lane: Lane) => Effect.Effect<Step | "empty">

  constructor(
    options: Options,
    parts: {
      readonly ready: Queue.Queue<Lane>
      readonly scope: Scope.Scope
      readonly turn: (workers: Workers) => (lane: Lane) => Effect.Effect<Step | "empty">
    }
  ) {
    this.options = options
    this.ready = parts.ready
    this.scope = parts.scope
    this.turn = parts.turn(this)
  }

  /** A lane has got work. */
  rouse(lane: Lane): void {
    if (lane.state !== "idle") return
    lane.state = "ready"
    Queue.offerUnsafe(this.ready, lane)
  }

  /** One worker. */
  readonly run: Effect.Effect<never> = Effect.suspend(() =>
    Effect.forever(
      Effect.flatMap(Queue.take(this.ready), (lane) =>
        Effect.flatMap(this.options.gate.open, () => (this.canGoOn(lane) ? this.takeInHand(lane) : Effect.void))
      )
    )
  )

  /** Begins with nothing any more, and waits until nothing is in hand. */
  readonly stop: Effect.Effect<void> = Effect.suspend(() => {
    this.isStopping = true
    return this.idle.await
  })

  private canGoOn(lane: Lane): boolean {
    return !this.isStopping && lane.share.state === "held"
  }

  private takeInHand(lane: Lane): Effect.Effect<void> {
    return Effect.suspend(() => {
      lane.state = "busy"
      lane.share.busy++
      this.busy++
      this.idle.closeUnsafe()
      return Effect.ensuring(
        this.goOn(lane),
        Effect.sync(() => this.putDown(lane))
      )
    })
  }

  private goOn(lane: Lane): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      for (let turn = 0; turn < turns && this.canGoOn(lane) && this.options.gate.isOpen(); turn++) {
        const step = yield* this.turn(lane)
        if (step !== "settled" && step !== "again") return
      }
    })
  }

  private putDown(lane: Lane): void {
    const { share } = lane
    share.busy--
    this.busy--
    if (lane.state === "busy") {
      lane.state = "idle"
      if (share.state === "held" && lane.hasWork) this.rouse(lane)
      else if (!lane.hasWork) share.lanes.delete(lane.key)
    }
    if (share.state === "releasing" && share.busy === 0) this.options.checkpoints.flush(share)
    if (this.busy === 0) this.idle.openUnsafe()
  }

  /** One try, and what follows from its end. */
  attempt(lane: Lane, trial: Trial): Effect.Effect<Step> {
    lane.turnTo(trial.events[0]!.id)
    const { isRedriven } = trial
    const delivery = { attempt: lane.attempts + 1, fencingToken: lane.share.epoch, isRedriven }
    const run = Effect.suspend(() => this.options.work.run(trial.events, delivery))
    return Effect.matchCauseEffect(run, {
      onFailure: (cause) => this.failed(lane, trial, cause),
      onSuccess: (puts) =>
        Effect.flatMap(trial.complete(puts), (outcome) => this.completed(lane, trial, { puts, outcome }))
    })
  }

  private completed(
    lane: Lane,
    trial: Trial,
    { outcome, puts }: { readonly outcome: Outcome; readonly puts: ReadonlyArray<Put> }
  ): Effect.Effect<Step> {
    if (outcome === "lost") return Effect.succeed("stop")
    if (outcome === "committed") {
      lane.subject = ""
      this.options.counters.handled += trial.events.length
      return Effect.succeed("settled")
    }
    if (outcome === "refused" && ++lane.refusals < refusalsPerTry) return Effect.succeed("again")
    lane.refusals = 0
    const { subscriber } = this.options
    const documents = puts.map(({ collection, id }) => `${collection}/${id}`)
    const refused = new Handler.PutsRefused({ subscriber, documents, why: outcome })
    return this.failed(lane, trial, Cause.fail(refused))
  }

  private failed(lane: Lane, trial: Trial, cause: Cause.Cause<unknown>): Effect.Effect<Step> {
    const { counters, metrics, subscriber } = this.options
    return Effect.gen({ self: this }, function* () {
      counters.failures++
      yield* Metric.update(metrics.failures, 1)
      const [event] = trial.events
      if (trial.events.length > 1) {
        yield* Effect.logWarning(
          `Subscriber "${subscriber}" failed at ${trial.events.length} events, and tries each`,
          cause
        )
        lane.single = trial.events.length
        return "again"
      }
      lane.attempts++
      const failure = Handler.failureOf(subscriber, cause)
      const delay = yield* this.nextDelay(lane, failure)
      const what = `Subscriber "${subscriber}" failed at event ${event!.version} of "${event!.stream}" (${event!.type})`
      if (delay === undefined) {
        const outcome = yield* trial.giveUp({
          attempts: lane.attempts,
          reason: Handler.reasonOf(failure),
          cause: Cause.pretty(cause)
        })
        lane.subject = ""
        if (outcome === "lost") return "stop"
        counters.deadLettered++
        yield* Metric.update(metrics.deadLetters, 1)
        yield* Effect.logError(`${what} for the last time: it is a dead letter`, cause)
        return "settled"
      }
      yield* Effect.logWarning(`${what}, and tries again in ${Duration.format(delay)}`, cause)
      return yield* this.wait(lane, delay)
    })
  }

  /** Puts the lane down for a while. */
  wait(lane: Lane, delay: Duration.Duration): Effect.Effect<Step> {
    lane.state = "waiting"
    const rouse = Effect.sync(() => {
      lane.state = "idle"
      if (lane.share.state === "held") this.rouse(lane)
    })
    return Effect.as(Effect.forkIn(Effect.andThen(Effect.sleep(delay), rouse), this.scope), "waiting")
  }

  private nextDelay(lane: Lane, failure: unknown): Effect.Effect<Duration.Duration | undefined> {
    if (failure instanceof Handler.Undecodable) return Effect.succeed(undefined)
    if (lane.retry !== undefined) return lane.retry(failure)
    return Effect.flatMap(Schedule.toStep(this.options.retry), (step) => {
      const retry: Retry = (failure) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) =>
          step(now, failure).pipe(
            Effect.map(([, delay]) => delay),
            Pull.catchDone(() => Effect.succeed(undefined))
          )
        )
      lane.retry = retry
      return retry(failure)
    })
  }
}
