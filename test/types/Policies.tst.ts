/** What policies do to types: each error one can add appears, each one handles leaves. Nothing here runs. */
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { expectTypeOf } from "vitest"
import * as Agent from "../../src/core/Agent.ts"
import type { ContractViolation } from "../../src/core/AgentError.ts"
import * as Task from "../../src/core/Task.ts"
import * as Bulkhead from "../../src/policies/Bulkhead.ts"
import * as Deadline from "../../src/policies/Deadline.ts"
import * as Fallback from "../../src/policies/Fallback.ts"
import * as Hedge from "../../src/policies/Hedge.ts"
import * as RateLimiter from "../../src/policies/RateLimiter.ts"
import * as Retry from "../../src/policies/Retry.ts"
import * as Timeout from "../../src/policies/Timeout.ts"

class Busy extends Schema.TaggedError<Busy>()("Busy", { retryAfter: Schema.DurationFromMillis }) {}
class Broken extends Schema.TaggedError<Broken>()("Broken", { part: Schema.String }) {}
class Db extends Context.Service<Db, { readonly query: Effect.Effect<string, Busy | Broken> }>()(
  "test/types/PoliciesDb"
) {}

const Work = Task.make("Work", { input: { id: Schema.Int }, output: Schema.String, error: Broken })
type Input = { readonly id: number }

const work = Agent.make("work", { task: Work, errors: Busy, run: () => Effect.flatMap(Db, (db) => db.query) })
type WorkError = Broken | Busy | ContractViolation
const effect = Effect.flatMap(Db, (db) => db.query)

const other = Agent.make("other", {
  task: Task.make("Other", { input: { name: Schema.String }, output: Schema.Int }),
  run: () => Effect.succeed(1)
})
const once = Agent.make("once", { task: Work, idempotent: false, run: () => Effect.succeed("done") })
const places = Bulkhead.make("places", { concurrency: 1 })
const limit = RateLimiter.make("limit", { limit: 1, window: "1 second" })

// Retry changes no type.
expectTypeOf(work.pipe(Retry.upTo({ attempts: 3 }))).toEqualTypeOf<Agent.Agent<Input, string, WorkError, Db>>()
expectTypeOf(effect.pipe(Retry.upTo({ attempts: 3 }))).toEqualTypeOf<Effect.Effect<string, Broken | Busy, Db>>()
expectTypeOf(work.pipe(Retry.upTo({ attempts: 3, on: ["Busy"] }))).toEqualTypeOf<
  Agent.Agent<Input, string, WorkError, Db>
>()

// Tags must be among those that can occur: of an effect, of an agent, and of a policy that is used more than once.
const onBusy = Retry.upTo({ attempts: 3, on: ["Busy"] })
expectTypeOf(effect.pipe(onBusy)).toEqualTypeOf<Effect.Effect<string, Broken | Busy, Db>>()
expectTypeOf(work.pipe(onBusy)).toEqualTypeOf<Agent.Agent<Input, string, WorkError, Db>>()
// @ts-expect-error "It never fails with Busy"
Effect.fail(new Broken({ part: "x" })).pipe(onBusy)
// @ts-expect-error "It never fails with Bussy"
work.pipe(Retry.upTo({ attempts: 3, on: ["Bussy"] }))
// @ts-expect-error there must be a limit
Retry.upTo({ on: ["Busy"] })

// `while` knows the errors: in a pipe, and with the target first; tags narrow it.
effect.pipe(
  Retry.upTo({
    attempts: 3,
    while: (error) => {
      expectTypeOf(error).toEqualTypeOf<Broken | Busy>()
      return true
    }
  })
)
expectTypeOf(work.pipe(Retry.upTo({ attempts: 3, while: (error) => error._tag === "Busy" }))).toEqualTypeOf<
  Agent.Agent<Input, string, WorkError, Db>
>()
effect.pipe(
  Retry.upTo({
    attempts: 3,
    on: ["Broken"],
    while: (error) => {
      expectTypeOf(error).toEqualTypeOf<Broken>()
      return error.part === "x"
    }
  })
)
Retry.upTo(work, {
  attempts: 3,
  on: ["Busy"],
  while: (error) => Duration.isFinite(error.retryAfter)
})
// @ts-expect-error it never fails with this tag
Retry.upTo(work, { attempts: 3, on: ["Missing"], while: () => true })

// The schedule fits where schedules do.
const schedule = Retry.schedule({ attempts: 3, while: (error: Busy) => Duration.isFinite(error.retryAfter) })
expectTypeOf(schedule).toEqualTypeOf<Schedule.Schedule<Duration.Duration, Busy>>()
Effect.retry(Effect.fail(new Busy({ retryAfter: Duration.zero })), schedule)
work.pipe(Agent.retry(Retry.schedule({ attempts: 3 })))
// @ts-expect-error the agent has errors that the schedule cannot look at
work.pipe(Agent.retry(schedule))

// The others add their errors.
expectTypeOf(work.pipe(Timeout.after("1 second"))).toEqualTypeOf<
  Agent.Agent<Input, string, WorkError | Timeout.TimedOut, Db>
>()
expectTypeOf(effect.pipe(Deadline.within("1 second"))).toEqualTypeOf<
  Effect.Effect<string, Broken | Busy | Deadline.DeadlineExceeded, Db>
>()
expectTypeOf(work.pipe(Deadline.at(null as unknown as DateTime.Utc), Deadline.exempt)).toEqualTypeOf<
  Agent.Agent<Input, string, WorkError | Deadline.DeadlineExceeded, Db>
>()
expectTypeOf(Deadline.remaining).toEqualTypeOf<Effect.Effect<Duration.Duration>>()
expectTypeOf(Deadline.current).toEqualTypeOf<Effect.Effect<Option.Option<DateTime.Utc>>>()
expectTypeOf(effect.pipe(Bulkhead.protect(places))).toEqualTypeOf<
  Effect.Effect<string, Broken | Busy | Bulkhead.BulkheadFull, Db>
>()
expectTypeOf(effect.pipe(RateLimiter.protect(limit))).toEqualTypeOf<
  Effect.Effect<
    string,
    Broken | Busy | RateLimiter.RateLimited | RateLimiter.RateLimitUnavailable,
    Db | RateLimiter.RateLimits
  >
>()
expectTypeOf(work.pipe(Hedge.after("1 second"))).toEqualTypeOf<Agent.Agent<Input, string, WorkError, Db>>()
// @ts-expect-error "It is not idempotent: a second call would do harm"
once.pipe(Hedge.after("1 second"))
// @ts-expect-error nor is what is made of it
once.pipe(Timeout.after("1 second"), Hedge.after("1 second"))

// Fallbacks take errors away.
expectTypeOf(effect.pipe(Fallback.to(Effect.succeed(1)))).toEqualTypeOf<Effect.Effect<string | number, never, Db>>()
expectTypeOf(effect.pipe(Fallback.to(Effect.fail("no"), { on: ["Busy"] }))).toEqualTypeOf<
  Effect.Effect<string, Broken | string, Db>
>()
expectTypeOf(work.pipe(Fallback.to(other, { on: ["Busy"] }))).toEqualTypeOf<
  Agent.Agent<Input & { readonly name: string }, string | number, Broken | ContractViolation, Db>
>()
expectTypeOf(effect.pipe(Fallback.value("none"))).toEqualTypeOf<Effect.Effect<string, never, Db>>()
expectTypeOf(work.pipe(Fallback.value(0, { on: ["Busy", "Broken"] }))).toEqualTypeOf<
  Agent.Agent<Input, string | 0, ContractViolation, Db>
>()
// @ts-expect-error it never fails so
effect.pipe(Fallback.value(0, { on: ["Missing"] }))
// @ts-expect-error "An agent falls back to an agent"
work.pipe(Fallback.to(Effect.succeed(1)))
// @ts-expect-error "An effect falls back to an effect"
effect.pipe(Fallback.to(other))

// A degraded answer is marked, and keeps its error.
expectTypeOf(effect.pipe(Fallback.degrade(Effect.succeed(1), { on: ["Busy"] }))).toEqualTypeOf<
  Effect.Effect<Fallback.Full<string> | Fallback.Degraded<number, Busy>, Broken, Db>
>()
expectTypeOf(work.pipe(Fallback.degradeToValue(null))).toEqualTypeOf<
  Agent.Agent<Input, Fallback.Full<string> | Fallback.Degraded<null, WorkError>, never, Db>
>()
expectTypeOf<
  ReturnType<typeof Fallback.Answer<typeof Schema.String, typeof Schema.Int, typeof Busy>>["Type"]
>().toEqualTypeOf<Fallback.Full<string> | Fallback.Degraded<number, Busy>>()

// All of them in one pipe, around an effect and around an agent.
const protectedEffect = effect.pipe(
  Timeout.after("1 second"),
  RateLimiter.protect(limit),
  Retry.upTo({ attempts: 3, on: ["Busy", "TimedOut", "RateLimited"] }),
  Bulkhead.protect(places),
  Deadline.within("1 minute"),
  Fallback.degradeToValue(0, { on: ["TimedOut", "RateLimited", "RateLimitUnavailable", "BulkheadFull"] })
)
type Lesser = Timeout.TimedOut | RateLimiter.RateLimited | RateLimiter.RateLimitUnavailable | Bulkhead.BulkheadFull
expectTypeOf(protectedEffect).toEqualTypeOf<
  Effect.Effect<
    Fallback.Full<string> | Fallback.Degraded<0, Lesser>,
    Broken | Busy | Deadline.DeadlineExceeded,
    Db | RateLimiter.RateLimits
  >
>()
const protectedAgent = work.pipe(
  Hedge.after("100 millis"),
  Timeout.after("1 second"),
  RateLimiter.protect(limit),
  Retry.upTo({ attempts: 3, on: ["Busy", "TimedOut", "RateLimited"] }),
  Bulkhead.protect(places),
  Deadline.within("1 minute"),
  Fallback.degradeToValue(0, { on: ["TimedOut", "RateLimited", "RateLimitUnavailable", "BulkheadFull"] })
)
expectTypeOf(protectedAgent).toEqualTypeOf<
  Agent.Agent<
    Input,
    Fallback.Full<string> | Fallback.Degraded<0, Lesser>,
    WorkError | Deadline.DeadlineExceeded,
    Db | RateLimiter.RateLimits
  >
>()
