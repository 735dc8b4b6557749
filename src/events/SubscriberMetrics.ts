/** Figures of subscribers, tagged by name. */
import * as Metric from "effect/Metric"

const lag = Metric.gauge("tutti_subscriber_lag", {
  description: "Positions between the head of the log and the oldest event of this member that is not handled."
})
const handled = Metric.counter("tutti_subscriber_handled_total", { incremental: true })
const failures = Metric.counter("tutti_subscriber_failures_total", { incremental: true })
const deadLetters = Metric.counter("tutti_subscriber_dead_letters_total", { incremental: true })

/** The metrics of one subscriber. */
export const make = (subscriber: string) => {
  const attributes = { subscriber }
  return {
    lag: Metric.withAttributes(lag, attributes),
    handled: Metric.withAttributes(handled, attributes),
    failures: Metric.withAttributes(failures, attributes),
    deadLetters: Metric.withAttributes(deadLetters, attributes)
  }
}
export type SubscriberMetrics = ReturnType<typeof make>
