/**
 * What hooks did: each execution is counted, logged, and remembered for a while.
 *
 * **Details** In the log one that failed is a warning. One that refused a call or changed its input is information: without
 * it nobody could tell why the program does what it does. All others are there for who looks for them, at the level debug.
 *
 * **Gotchas** Nothing of a call's values gets here. But the message of a handler's failure does: keep secrets out of it.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as LogLevel from "effect/LogLevel"
import * as Metric from "effect/Metric"
import * as Schema from "effect/Schema"
import { Phase } from "./HookConfig.ts"

/**
 * One execution of a hook in this process.
 *
 * @category models
 * @since 0.1.0
 */
export const Execution = Schema.Struct({
  hook: Schema.String,
  phase: Phase,
  /**
   * A pre hook `"Passed"`, `"Changed"` or `"Refused"` a call; a post or event hook `"Observed"` it, or it is `"Queued"`; a
   * session was `"Opened"` or `"Closed"`; any of them `"Failed"`.
   */
  outcome: Schema.Literals(["Passed", "Changed", "Refused", "Observed", "Queued", "Opened", "Closed", "Failed"]),
  /** The agent whose call it was about; of a session the hooked scope, of an event hook the type of the event. */
  subject: Schema.String,
  runId: Schema.optionalKey(Schema.String),
  /** Tries so far. */
  attempts: Schema.Int,
  /** When it ended, in milliseconds since the Unix epoch. */
  at: Schema.Number,
  duration: Schema.DurationFromMillis,
  /** Why it failed, or refused. */
  reason: Schema.optionalKey(Schema.String)
})
export type Execution = typeof Execution.Type

const executions = Metric.counter("tutti_hook_executions_total", {
  description: "Executions of hooks, by hook, phase and outcome.",
  incremental: true
})
const durations = Metric.histogram("tutti_hook_duration_seconds", {
  description: "How long executions of hooks took, by hook and phase.",
  boundaries: Metric.exponentialBoundaries({ start: 0.001, factor: 4, count: 8 })
})

/** The executions of this process that are remembered. */
export class Executions {
  private readonly kept: Array<Execution> = []
  private readonly capacity: number

  constructor(capacity: number) {
    if (!(capacity >= 0)) throw new RangeError(`hooks must keep at least 0 executions, got ${capacity}`)
    this.capacity = capacity
  }

  /** Newest first. */
  get newest(): ReadonlyArray<Execution> {
    return this.kept.toReversed()
  }

  record(execution: Execution): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.kept.push(execution)
      if (this.kept.length > this.capacity) this.kept.shift()
      const { duration, hook, outcome, phase } = execution
      return Effect.all(
        [
          Metric.update(Metric.withAttributes(executions, { hook, phase, outcome }), 1),
          Metric.update(Metric.withAttributes(durations, { hook, phase }), Duration.toSeconds(duration)),
          log(execution)
        ],
        { discard: true }
      )
    })
  }
}

const levels: { readonly [O in Execution["outcome"]]: LogLevel.Severity } = {
  Failed: "Warn",
  Refused: "Info",
  Changed: "Info",
  Passed: "Debug",
  Observed: "Debug",
  Queued: "Debug",
  Opened: "Debug",
  Closed: "Debug"
}

const log = ({ attempts, duration, hook, outcome, phase, reason, runId, subject }: Execution): Effect.Effect<void> => {
  const sentence = `Hook "${hook}" (${phase}) of "${subject}": ${outcome}${reason === undefined ? "" : `, ${reason}`}`
  return Effect.logWithLevel(levels[outcome])(sentence).pipe(
    Effect.annotateLogs({
      hook,
      phase,
      subject,
      outcome,
      attempts,
      duration: Duration.format(duration),
      ...(runId !== undefined && { runId })
    })
  )
}
