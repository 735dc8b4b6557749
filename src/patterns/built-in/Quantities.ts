/** Options that several patterns have. */
import * as Schema from "effect/Schema"

/** An integer from 1. */
export const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))

/** An integer from 0. */
export const Natural = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/** `5 seconds`. */
export const Duration = Schema.DurationFromString
