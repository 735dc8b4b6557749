/** Runs the handler of a hook: in the context of its layer, apart from the program that it is asked about. */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Formatter from "effect/Formatter"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Tracer from "effect/Tracer"
import { type HookConfig, scheduleOf } from "./HookConfig.ts"
import type { TimeLimits } from "./HookTimeLimit.ts"

/**
 * Nothing of the program's context reaches a handler, but the span it stands in: neither the run, nor the interceptor. So
 * what a handler calls is not recorded, and no hook is asked about it.
 */
export const inContextOf = <R>(context: Context.Context<R>) => {
  const withSpan = (here: Context.Context<never>): Context.Context<R> =>
    Option.match(Context.getOption(here, Tracer.ParentSpan), {
      onNone: () => context,
      onSome: (span) => Context.add(context, Tracer.ParentSpan, span)
    })
  return <A, E>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E> => Effect.updateContext(self, withSpan)
}

/** How a handler ended: with an answer, or with why there is none. */
export interface Handled<A> {
  readonly result: Result.Result<A, string>
  readonly attempts: number
  readonly duration: Duration.Duration
}

/** Whose handler it is, and how patiently it is run. */
export interface Patience extends Pick<HookConfig, "retry" | "timeout"> {
  readonly hook: string
  readonly limits: TimeLimits
}

/** Tries until it succeeds or the retry ends. Does not fail: what becomes of a failure, its caller decides. */
export const handle = <A>(
  { hook, limits, retry, timeout }: Patience,
  run: (attempt: number) => Effect.Effect<A, unknown>
): Effect.Effect<Handled<A>> =>
  Effect.gen(function* () {
    const startedAt = yield* Clock.currentTimeMillis
    let attempts = 0
    const attempt = Effect.suspend(() => {
      attempts++
      const obstacle = limits.obstacle(hook)
      return obstacle === undefined
        ? limits.within(
            hook,
            timeout,
            Effect.suspend(() => run(attempts))
          )
        : Effect.fail(obstacle)
    }).pipe(Effect.sandbox)
    const result = yield* Effect.result(retry.times === 0 ? attempt : Effect.retry(attempt, scheduleOf(retry)))
    return {
      result: Result.mapError(result, (cause) => messageOf(Cause.squash(cause))),
      attempts,
      duration: Duration.millis((yield* Clock.currentTimeMillis) - startedAt)
    }
  })

/** What a failure says about itself. */
export const messageOf = (failure: unknown): string => {
  if (!(failure instanceof Error)) return typeof failure === "string" ? failure : Formatter.format(failure)
  return (failure.message === "" ? failure.name : failure.message).replace(/\.$/, "")
}
