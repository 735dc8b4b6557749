import * as Schedule from "effect/Schedule"

/** How long to wait before asking a store that failed again. Never gives up. */
export const patience = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("10 seconds")])
