/** How a supervised call can fail, beyond the failures of its agents. */
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import { AnyError } from "../../core/AnyError.ts"

/** The agents failed too often: every call in flight under the supervisor ends so. */
export class RestartsExceeded extends Schema.TaggedError<RestartsExceeded>()("RestartsExceeded", {
  supervisor: Schema.String,
  /** The number that was allowed, all used up. */
  restarts: Schema.Int,
  within: Schema.DurationFromMillis,
  worker: Schema.String,
  /** The failure after which one restart more would have been needed. */
  cause: AnyError
}) {
  override get message(): string {
    return `Supervisor "${this.supervisor}" gave up: "${this.worker}" failed again after ${this.restarts} restarts within ${Duration.format(this.within)}.`
  }
}

/** None of the agents may take this input: none has the capability, or all were stopped. */
export class NoWorker extends Schema.TaggedError<NoWorker>()("NoWorker", {
  supervisor: Schema.String,
  route: Schema.String,
  workers: Schema.Int,
  stopped: Schema.Int
}) {
  override get message(): string {
    return `Supervisor "${this.supervisor}" has no agent for this input by "${this.route}" (${this.workers} agents, ${this.stopped} of them stopped).`
  }
}
