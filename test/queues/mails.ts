/** A queue that several processes of a test share. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as WorkQueue from "../../src/queues/WorkQueue.ts"

export const Mail = Schema.Struct({ to: Schema.String })

/** Claims lapse soon, so that a test need not wait for long. */
export const mails = WorkQueue.make("mails", {
  item: Mail,
  output: Schema.String,
  capacity: 1000,
  visibilityTimeout: "1 second",
  pollInterval: "50 millis",
  retry: Schedule.spaced("50 millis").pipe(Schedule.upTo({ times: 5 }))
})

/** Asks until it is so. */
export const eventually = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  so: (value: A) => boolean
): Effect.Effect<A, E, R> => effect.pipe(Effect.repeat({ until: so, schedule: Schedule.spaced("20 millis") }))
