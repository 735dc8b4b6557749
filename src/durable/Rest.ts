/**
 * When a program has come to rest: none of its fibers can run until it hears an answer, or a step of it ends.
 *
 * The fibers of a run have a scheduler that counts those that are ready: begun, or stepped back for others. So it does not
 * matter how often a fiber yields, nor in which order a scheduler takes them. The body of a step is outside of the run; it
 * is waited for a little, because a step that was interrupted may have something to release before its fiber goes on.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"
import * as Run from "../core/Run.ts"

/** A scheduler that knows priorities looks here when nothing else can run, but before those who wait for idleness. */
const afterAllOthers = Number.MAX_SAFE_INTEGER - 1

/** So many turns of their fibers the bodies of steps get before they are taken to work, and not to release. */
const releaseTurns = 64

/** A program whose fibers take so many turns, and ask nothing, waits for something by yielding: it is taken to rest. */
const programTurns = 20_000

export class Rest {
  /** Fibers of the program that wait for their turn. It is itself the first. */
  private ready = 1
  /** Fibers in the bodies of steps that wait for their turn. */
  private working = 0
  private turns = 0
  private isLooking = false
  /** Set when the program begins. */
  private scheduler: Scheduler.Scheduler | undefined
  private dispatcher: Scheduler.SchedulerDispatcher | undefined
  private readonly waiting: Array<() => void> = []

  /** Nothing of the program can run, but for the fiber that wants to know. */
  get isNow(): boolean {
    return this.ready === 0 && this.working === 0
  }

  /** Calls back once the program rests. Of several that wait, each has a rest of its own. */
  whenAtRest(call: () => void): void {
    this.waiting.push(call)
    this.look()
  }

  /** The program as one whose rest is seen. */
  of<A, E, R>(program: Effect.Effect<A, E, R>, current: Run.Current): Effect.Effect<A, E, R> {
    return Effect.updateContext(program, (context: Context.Context<R>) => {
      const present = Context.get(context, Scheduler.Scheduler)
      // A child begins in the body of a step, under the scheduler of its parent.
      this.scheduler = present instanceof Counting ? present.outside : present
      this.ended()
      const counting: Scheduler.Scheduler = new Counting(this.scheduler, this)
      return context.pipe(Context.add(Run.CurrentRun, current), Context.add(Scheduler.Scheduler, counting))
    })
  }

  /** There is no rest before the effect has ended. */
  after<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.suspend(() => {
      this.ready++
      return Effect.onExitPrimitive(effect, () => {
        this.ended()
        return undefined
      })
    })
  }

  /** Counts a task until it has its turn. */
  counted(task: () => void): () => void {
    const isWork = Fiber.getCurrent()?.getRef(Run.CurrentRun) === undefined
    if (isWork) this.working++
    else this.ready++
    return () => {
      if (isWork) this.working--
      else this.ready--
      try {
        task()
      } finally {
        this.look()
      }
    }
  }

  private ended(): void {
    this.ready--
    this.look()
  }

  /** Looks in a turn of its own: whoever calls may be inside of a fiber that has not come to its end. */
  private look(): void {
    if (this.waiting.length === 0 || this.isLooking || !this.isAtRest()) return
    this.isLooking = true
    this.dispatcher ??= this.scheduler!.makeDispatcher()
    this.dispatcher.scheduleTask(this.looked, afterAllOthers)
  }

  private readonly looked = (): void => {
    this.isLooking = false
    if (this.isAtRest()) {
      this.turns = 0
      this.waiting.shift()?.()
    }
    this.look()
  }

  private isAtRest(): boolean {
    if (this.isNow) return true
    if (this.scheduler === undefined) return false
    this.turns++
    return this.turns > (this.ready === 0 ? releaseTurns : programTurns)
  }
}

class Counting implements Scheduler.Scheduler {
  readonly outside: Scheduler.Scheduler
  private readonly rest: Rest

  constructor(outside: Scheduler.Scheduler, rest: Rest) {
    this.outside = outside
    this.rest = rest
  }

  get executionMode(): "sync" | "async" {
    return this.outside.executionMode
  }

  shouldYield(fiber: Fiber.Fiber<unknown, unknown>): boolean {
    return this.outside.shouldYield(fiber)
  }

  makeDispatcher(): Scheduler.SchedulerDispatcher {
    const dispatcher = this.outside.makeDispatcher()
    return {
      scheduleTask: (task, priority) => dispatcher.scheduleTask(this.rest.counted(task), priority),
      flush: () => dispatcher.flush()
    }
  }
}
