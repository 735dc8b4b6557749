/** How long PostgreSQL is asked again. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { isDown, type Postgres, type PostgresError } from "../persistence/Postgres.ts"

/** A transaction that lost against another has done nothing: at once is as good as later. */
const rematches = Schedule.jittered(Schedule.spaced("10 millis")).pipe(Schedule.upTo({ times: 20 }))

const isBusy = (error: PostgresError): boolean => error.kind === "Busy"

/** At first the server may have only restarted; later, one attempt a second bothers nobody. */
const whileDown = Schedule.jittered(Schedule.min([Schedule.exponential("50 millis", 1.5), Schedule.spaced("1 second")]))

/**
 * What to do while the server is down.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * `"wait"` (default): operations wait, with a warning in the log, until the server is back; appends beyond the
   * store's `capacity` are not admitted meanwhile. `"fail"`: they fail with a retryable error.
   */
  readonly whenDown?: "wait" | "fail"
  /** How long an operation waits at most before it fails all the same. Default 5 minutes. */
  readonly waitAtMost?: Duration.Input
}

/** Patience as the options want it. */
export const patience = ({ waitAtMost, whenDown }: Options): Postgres["Service"]["patiently"] => {
  const schedule = whileDown.pipe(Schedule.upTo({ duration: waitAtMost ?? "5 minutes" }))
  return (effect) => {
    const rematched = Effect.catchIf(effect, isBusy, () => Effect.retry(effect, { while: isBusy, schedule: rematches }))
    return whenDown === "fail" ? rematched : untilUp(rematched, schedule)
  }
}

/** Says so in the log when it begins to wait, and when it ends. */
const untilUp = <A, R>(
  effect: Effect.Effect<A, PostgresError, R>,
  schedule: Schedule.Schedule<unknown>
): Effect.Effect<A, PostgresError, R> =>
  Effect.catchIf(effect, isDown, (error) =>
    Effect.logWarning(`${error.message} Waiting until it is back.`).pipe(
      Effect.andThen(Effect.retry(effect, { while: isDown, schedule })),
      Effect.tap(() => Effect.logInfo(`PostgreSQL is back at "${error.server}".`))
    )
  )
