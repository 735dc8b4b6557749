/**
 * One life of a simulated process: it has its own fibers and its own clock, and it can die.
 *
 * Invariants (checked by `test/testing/Incarnation.test.ts`):
 *
 *   D1. After `kill` no fiber of it takes another step: no finalizer, no compensation, no interruption. As in a crash.
 *   D2. Its time passes only when none of its fibers can run.
 *   D3. It is told apart from a run that ended: `Died` and `Stalled` are answers, not failures.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Scheduler from "effect/Scheduler"
import { SimulatedClock } from "./SimulatedClock.ts"

/** How a life went. `Stalled`: everything waited, and no time that may pass would have helped. */
export type End<A, E> =
  | { readonly _tag: "Finished"; readonly exit: Exit.Exit<A, E> }
  | { readonly _tag: "Died" }
  | { readonly _tag: "Stalled"; readonly waited: Duration.Duration }

export interface Options {
  /** Decides which fiber runs next. */
  readonly scheduler: Scheduler.Scheduler
  /** Milliseconds since the Unix epoch. */
  readonly startsAt: number
  /** How much of its time may pass before it counts as stalled. */
  readonly patience: Duration.Duration
}

/** Turns of the event loop without a task after which no fiber can run, unless one waits for the outside world. */
const quietTurns = 3

/** The outside world (a file, a socket) is given so many short rests before the process counts as stalled. */
const rests = 40

export class Incarnation {
  readonly clock: SimulatedClock
  private readonly options: Options
  private readonly scheduler: Mortal

  constructor(options: Options) {
    this.options = options
    this.clock = new SimulatedClock(options.startsAt)
    this.scheduler = new Mortal(options.scheduler)
  }

  /** Ends the life where it stands (D1). Called by a fiber of it, that fiber must wait for ever afterwards. */
  kill(): void {
    this.scheduler.die()
  }

  /** Runs the effect as the process's main program, in a world of its own. */
  live<A, E>(effect: Effect.Effect<A, E>, context: Context.Context<never>): Effect.Effect<End<A, E>> {
    return Effect.callback<End<A, E>>((resume) => {
      const ended = (end: End<A, E>) => {
        this.scheduler.onDeath = undefined
        this.scheduler.die()
        timekeeper.interruptUnsafe()
        // Steps back first: the caller must not go on inside of the fiber that has just died.
        resume(Effect.as(Effect.yieldNow, end))
      }
      this.scheduler.onDeath = () => ended({ _tag: "Died" })
      const timekeeper = Effect.runFork(
        Effect.andThen(this.passTime, (waited) => Effect.sync(() => ended({ _tag: "Stalled", waited })))
      )
      const own = Context.make(Clock.Clock, this.clock).pipe(Context.add(Scheduler.Scheduler, this.scheduler))
      const main = Effect.runForkWith(Context.merge(context, own))(effect)
      main.addObserver((exit) => ended({ _tag: "Finished", exit }))
      return Effect.sync(() => {
        this.scheduler.onDeath = undefined
        this.scheduler.die()
        timekeeper.interruptUnsafe()
      })
    })
  }

  /** Lets time pass whenever nothing can run (D2). Runs outside of the simulated world, and ends if nothing helps. */
  private get passTime(): Effect.Effect<Duration.Duration> {
    const { patience, startsAt } = this.options
    const limit = startsAt + Duration.toMillis(patience)
    return Effect.gen({ self: this }, function* () {
      for (let rested = 0; rested < rests; rested++) {
        const seen = this.scheduler.tasks
        yield* this.quiet
        while (this.clock.advance(limit)) yield* this.quiet
        if (this.scheduler.tasks !== seen) rested = 0
        yield* Effect.sleep("5 millis")
      }
      return Duration.millis(this.clock.currentTimeMillisUnsafe() - startsAt)
    })
  }

  private get quiet(): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      for (let quiet = 0, seen = this.scheduler.tasks; quiet < quietTurns; quiet++) {
        yield* Effect.yieldNow
        if (seen === this.scheduler.tasks && this.scheduler.pending === 0) continue
        seen = this.scheduler.tasks
        quiet = -1
      }
    })
  }
}

/** A scheduler that drops every task once it is dead, so that no fiber on it goes on. */
class Mortal implements Scheduler.Scheduler {
  readonly executionMode = "async"
  /** Tasks run so far. */
  tasks = 0
  /** Tasks that wait to be run. */
  pending = 0
  onDeath: (() => void) | undefined
  private dead = false
  private readonly scheduler: Scheduler.Scheduler

  constructor(scheduler: Scheduler.Scheduler) {
    this.scheduler = scheduler
  }

  die(): void {
    if (this.dead) return
    this.dead = true
    this.onDeath?.()
  }

  shouldYield(fiber: Parameters<Scheduler.Scheduler["shouldYield"]>[0]): boolean {
    // A dead fiber that is resumed from outside steps back, and is never called again.
    return this.dead || this.scheduler.shouldYield(fiber)
  }

  makeDispatcher(): Scheduler.SchedulerDispatcher {
    const dispatcher = this.scheduler.makeDispatcher()
    return {
      scheduleTask: (task, priority) => {
        if (this.dead) return
        this.pending++
        dispatcher.scheduleTask(() => {
          this.pending--
          this.tasks++
          if (!this.dead) task()
        }, priority)
      },
      flush: () => dispatcher.flush()
    }
  }
}
