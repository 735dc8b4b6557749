/**
 * What is known of the health of everything that is checked: pure rules, and the last results as plain synchronous state.
 */
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"

export const Healthy = Schema.TaggedStruct("Healthy", {})
export const Degraded = Schema.TaggedStruct("Degraded", { reason: Schema.String })
export const Unhealthy = Schema.TaggedStruct("Unhealthy", { reason: Schema.String })
export const Status = Schema.Union([Healthy, Degraded, Unhealthy])
export type Status = typeof Status.Type

/** Consecutive probes that it takes to fall, and to rise again. */
export interface Thresholds {
  readonly fall: number
  readonly rise: number
}

/** Where a check stands after its last probe. */
export interface Standing {
  readonly status: Status
  /** Bad probes in a row, and good ones: one of the two is 0. */
  readonly failures: number
  readonly successes: number
}

/** What one more probe changes. The first one decides alone. */
export const observe = (thresholds: Thresholds, before: Standing | undefined, seen: Status): Standing => {
  const failed = seen._tag === "Unhealthy"
  const failures = failed ? (before?.failures ?? 0) + 1 : 0
  const successes = failed ? 0 : (before?.successes ?? 0) + 1
  const wasDown = before?.status._tag === "Unhealthy"
  const confirmed =
    before === undefined || failed === wasDown || (failed ? failures >= thresholds.fall : successes >= thresholds.rise)
  return { status: confirmed ? seen : before.status, failures, successes }
}

export type Importance = "Required" | "Optional"

/** The status of the whole: the worst of what is required. What is optional degrades it at most. */
export const aggregate = (
  checks: ReadonlyArray<{ readonly name: string; readonly importance: Importance; readonly status: Status }>
): Status => {
  const name = (tag: Status["_tag"], importance?: Importance) =>
    checks
      .filter((check) => check.status._tag === tag && (importance ?? check.importance) === check.importance)
      .map((check) => check.name)
  const down = name("Unhealthy", "Required")
  if (down.length > 0) return { _tag: "Unhealthy", reason: `down: ${down.join(", ")}` }
  const impaired = [...name("Unhealthy"), ...name("Degraded")]
  return impaired.length > 0 ? { _tag: "Degraded", reason: `impaired: ${impaired.join(", ")}` } : { _tag: "Healthy" }
}

/** The last probe of a check. */
export interface Result extends Standing {
  readonly checkedAt: DateTime.Utc
  readonly took: Duration.Duration
}

export class HealthBoard {
  private readonly results = new Map<string, Result>()
  private changes = 0

  /** Changes with every change of a status: who remembers it knows whether there is news. */
  get version(): number {
    return this.changes
  }

  get(name: string): Result | undefined {
    return this.results.get(name)
  }

  /** Answers with the status before. `undefined`: there was none. */
  set(name: string, result: Result): Status | undefined {
    const before = this.results.get(name)?.status
    this.results.set(name, result)
    if (before?._tag !== result.status._tag) this.changes++
    return before
  }

  /** What is not checked is not down. */
  isDown(name: string): boolean {
    return this.results.get(name)?.status._tag === "Unhealthy"
  }
}
