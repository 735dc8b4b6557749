/** What policies read from an error that they know nothing of. */
import * as Duration from "effect/Duration"

export const of = (error: unknown, field: string): unknown =>
  typeof error === "object" && error !== null && field in error ? (error as Record<string, unknown>)[field] : undefined

/** How long the error asks to be left alone. */
export const retryAfter = (error: unknown): Duration.Duration => {
  const asked = of(error, "retryAfter")
  return Duration.isDuration(asked) ? asked : Duration.zero
}
