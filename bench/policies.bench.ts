/** What each policy costs around an effect that does nothing, beside the effect itself. Outside any run. */
import { Effect } from "effect"
import { Breaker, Budget, Bulkhead, Deadline, Fallback, Hedge, RateLimiter, Retry, SharedBreaker, Timeout } from "tutti"
import { compare, microsEach, printMachine } from "./harness.ts"

const calls = 10_000

const each = <E>(call: Effect.Effect<unknown, E, RateLimiter.RateLimits | SharedBreaker.Circuits>) => {
  const all = Effect.suspend(() => {
    let done = 0
    const body = () => {
      done++
      return call
    }
    return Effect.whileLoop({ while: () => done < calls, body, step: () => {} })
  }).pipe(Effect.provide([RateLimiter.layerMemory, SharedBreaker.layerMemory]))
  return async () => 1000 * (await microsEach(calls, () => Effect.runPromise(all)))
}

const reference = "the effect itself"
// It ends at once, and yet is not an exit, which some operators take a short way with.
const effect = Effect.suspend(() => Effect.succeed(1))
const circuit = Breaker.make("bench", { trip: Breaker.consecutive(5), openFor: "1 second" })
const shared = SharedBreaker.make("bench", { trip: Breaker.consecutive(5), openFor: "1 second" })
const limit = RateLimiter.make("bench", { limit: 1_000_000_000, window: "1 second" })

const policies = {
  "Retry.upTo": effect.pipe(Retry.upTo({ attempts: 3 })),
  "Timeout.after": effect.pipe(Timeout.after("1 minute")),
  "Deadline.within": effect.pipe(Deadline.within("1 minute")),
  "Bulkhead.protect": effect.pipe(Bulkhead.protect(Bulkhead.make("bench", { concurrency: 4 }))),
  "Bulkhead.protect, keyed": effect.pipe(Bulkhead.protect(Bulkhead.keyed("bench", { concurrency: 4 })("key"))),
  "RateLimiter.protect, in memory": effect.pipe(RateLimiter.protect(limit)),
  "Fallback.value": effect.pipe(Fallback.value(0)),
  "Hedge.after": effect.pipe(Hedge.after("1 minute")),
  "Breaker.protect": effect.pipe(Breaker.protect(circuit)),
  "SharedBreaker.protect, in memory": effect.pipe(SharedBreaker.protect(shared)),
  "Budget.charge, outside any budget": effect.pipe(Budget.charge({ reserve: { tokens: 1 } }))
}

printMachine()
await compare("A policy around an effect", { unit: "ns per call", rounds: 9, notes: [`${calls} calls each`] }, [
  { name: reference, run: each(effect) },
  { name: "Effect.timeoutOption", run: each(Effect.timeoutOption(effect, "1 minute")), reference },
  { name: "Effect.retry", run: each(Effect.retry(effect, { times: 2 })), reference },
  ...Object.entries(policies).map(([name, call]) => ({ name, run: each<unknown>(call), reference }))
])
