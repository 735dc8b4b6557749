/** How long PostgreSQL is asked again. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { isDown, type Postgres, type PostgresError } from "../persistence/Postgres.ts"

/** A transaction that lost against another has done nothing: at once is as good as later. */
const rematches = Schedule.jittered(Schedule.spaced("10 millis")).pipe(Schedule.upTo({ times: 20 }))

/** At first the server may have only restarted; later, one attempt a second bothers nobody. */
const whileDown = Schedule.jittered(Schedule.min([Schedule.exponential("50 millis", 1.5), Schedule.spaced("1 second")]))

/** Patience as the option `whenDown` wants it. */
export const patience =
  (whenDown: "wait" | "fail"): Postgres["Service"]["patiently"] =>
  (effect) => {
    const rematched = Effect.retry(effect, { while: (error) => error.kind === "Busy", schedule: rematches })
    return whenDown === "fail" ? rematched : untilUp(rematched)
  }

/** Says so in the log when it begins to wait, and when it ends. */
const untilUp = <A, R>(effect: Effect.Effect<A, PostgresError, R>): Effect.Effect<A, PostgresError, R> =>
  Effect.catchIf(effect, isDown, (error) =>
    Effect.logWarning(`${error.message} Waiting until it is back.`).pipe(
      Effect.andThen(Effect.retry(effect, { while: isDown, schedule: whileDown })),
      Effect.tap(() => Effect.logInfo(`PostgreSQL is back at "${error.server}".`))
    )
  )
