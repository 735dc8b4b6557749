/** Policies around a translator that is busy, slow and sometimes down: each adds or takes an error, and the types say which. */
import { Duration, Effect, Schema } from "effect"
import { Agent, Breaker, Bulkhead, Deadline, Fallback, Hedge, RateLimiter, Retry, Task, Timeout } from "tutti"

class Busy extends Schema.TaggedError<Busy>()("Busy", { retryAfter: Schema.DurationFromMillis }) {}
class Down extends Schema.TaggedError<Down>()("Down", {}) {}

const Translate = Task.make("Translate", { input: { text: Schema.String }, output: Schema.String, error: Down })

let calls = 0
const service = Agent.make("service", {
  task: Translate,
  errors: Busy,
  run: ({ text }) =>
    Effect.suspend((): Effect.Effect<string, Busy | Down> => {
      calls++
      if (text === "tutti" && calls === 1) return Effect.fail(new Busy({ retryAfter: Duration.millis(5) }))
      if (text === "coda" && calls === 3) return Effect.never // lost on the way: only a second call helps
      return text === "fine" ? Effect.fail(new Down()) : Effect.succeed(`${text}, translated`)
    })
})
const dictionary = Agent.make("dictionary", {
  task: Translate,
  run: ({ text }) => Effect.succeed(`${text}, looked up`)
})

// #region policies
const perMinute = RateLimiter.make("service", { limit: 100, window: "1 minute", wait: "1 second" })
const circuit = Breaker.make("service", { trip: Breaker.consecutive(5), openFor: "30 seconds" })
const places = Bulkhead.make("service", { concurrency: 4, queue: 16 })

// From the inside out: the first stands next to the service.
const translator = service.pipe(
  Hedge.after("50 millis"),
  Timeout.after("2 seconds"),
  RateLimiter.protect(perMinute),
  Breaker.protect(circuit),
  Retry.upTo({ attempts: 3, base: "1 millis", on: ["Busy", "TimedOut"] }),
  Bulkhead.protect(places),
  Deadline.within("10 seconds"),
  Fallback.degrade(dictionary, { on: ["Down", "TimedOut", "CircuitOpen", "BulkheadFull", "DeadlineExceeded"] })
)
// #endregion

export const program = Effect.forEach(["tutti", "coda", "fine"], (text) =>
  Effect.map(translator.run({ text }), (answer) =>
    answer._tag === "Full" ? answer.value : `${answer.value}, for the service is ${answer.reason._tag}`
  )
).pipe(
  Effect.map((answers) => [...answers, `${calls} calls`]),
  Effect.provide(RateLimiter.layerMemory)
)

export const expected = ["tutti, translated", "coda, translated", "fine, looked up, for the service is Down", "5 calls"]

if (import.meta.main) console.log((await Effect.runPromise(program)).join("\n"))
