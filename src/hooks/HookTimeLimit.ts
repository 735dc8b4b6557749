/**
 * Time limits that hold also where what is limited cannot be interrupted.
 *
 * What is over its time is interrupted, and nobody waits for its end. What goes on all the same *lingers*: it is counted in
 * `tutti_hooks_lingering`, told of in the log, and once `most` of one hook linger, nothing more of that hook is begun.
 *
 * **Gotchas** Code that blocks the thread, and does not just refuse to be interrupted, is beyond any limit.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"

/** So many attempts of one hook may linger. */
const most = 16

const lingering = Metric.gauge("tutti_hooks_lingering", {
  description: "Attempts of hooks that were interrupted after their time limit and have not ended, by hook."
})

interface Waiting {
  readonly timeout: Duration.Duration
  /** Lets the wait be interrupted as its caller can be. */
  readonly restore: <A, E>(self: Effect.Effect<A, E>) => Effect.Effect<A, E>
}

/** The time limits of the hooks of one process, by name. */
export class TimeLimits {
  private readonly counts = new Map<string, number>()

  /** Why nothing more of the hook may be begun now, if that is so. */
  obstacle(hook: string): string | undefined {
    const count = this.lingeringOf(hook)
    return count < most ? undefined : `${count} attempts of it go on after their time, so that no more is begun`
  }

  /** Fails once the time is up. If the caller is interrupted, it waits as long again for the effect to end. */
  within<A, E>(hook: string, timeout: Duration.Duration, self: Effect.Effect<A, E>): Effect.Effect<A, E | Error> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(
        Effect.forkDetach(self, { startImmediately: true }),
        // Most handlers have nothing to wait for, and have ended.
        (fiber) => fiber.pollUnsafe() ?? this.awaitFor(hook, fiber, { timeout, restore })
      )
    )
  }

  private awaitFor<A, E>(
    hook: string,
    fiber: Fiber.Fiber<A, E>,
    { restore, timeout }: Waiting
  ): Effect.Effect<A, E | Error> {
    return Effect.gen({ self: this }, function* () {
      const exit = yield* restore(endOf(fiber, timeout)).pipe(
        Effect.onInterrupt(() => {
          fiber.interruptUnsafe()
          return Effect.andThen(endOf(fiber, timeout), this.leave(hook, fiber))
        })
      )
      if (exit !== undefined) return yield* exit
      fiber.interruptUnsafe()
      // What ends at once when it is interrupted has ended then.
      yield* Effect.yieldNow
      const late = `it did not finish within ${Duration.format(timeout)}`
      if (fiber.pollUnsafe() !== undefined) return yield* Effect.fail(new Error(late))
      yield* this.leave(hook, fiber)
      return yield* Effect.fail(new Error(`${late}, and goes on although it was interrupted`))
    })
  }

  private lingeringOf(hook: string): number {
    return this.counts.get(hook) ?? 0
  }

  /** Leaves it to itself, if it has not ended. */
  private leave(hook: string, fiber: Fiber.Fiber<unknown, unknown>): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (fiber.pollUnsafe() !== undefined) return Effect.void
      const ended = Fiber.await(fiber).pipe(
        Effect.andThen(this.count(hook, -1)),
        Effect.andThen(Effect.logInfo(`An attempt of hook "${hook}" that lingered has ended`))
      )
      return this.count(hook, 1).pipe(
        Effect.andThen(Effect.logWarning(`An attempt of hook "${hook}" goes on after its time: it is not waited for`)),
        Effect.andThen(Effect.forkDetach(ended)),
        Effect.asVoid
      )
    })
  }

  private count(hook: string, change: 1 | -1): Effect.Effect<void> {
    return Effect.suspend(() => {
      const count = this.lingeringOf(hook) + change
      this.counts.set(hook, count)
      return Metric.update(Metric.withAttributes(lingering, { hook }), count)
    })
  }
}

/** How it ended; `undefined` if that took longer. */
const endOf = <A, E>(
  fiber: Fiber.Fiber<A, E>,
  duration: Duration.Duration
): Effect.Effect<Exit.Exit<A, E> | undefined> =>
  Effect.raceFirst(Fiber.await(fiber), Effect.as(Effect.sleep(duration), undefined))
