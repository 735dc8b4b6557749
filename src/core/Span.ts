/**
 * Spans that cost little: opened for every call of every agent.
 *
 * As `Effect.withSpan`, without the stack trace that it takes at each call, which would name only this package, and with
 * one change of the fiber's context instead of two.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { constUndefined } from "effect/Function"
import * as References from "effect/References"
import * as Tracer from "effect/Tracer"

/** Puts what runs in a context into a span. */
export type Enter = <R>(context: Context.Context<R>) => Context.Context<R>

/** Makes a function that opens a span around what `use` makes, which says with `enter` what is in it. */
export const opened =
  (name: string, attributes: Readonly<Record<string, string>> = {}) =>
  <A, E, R>(use: (enter: Enter) => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.useSpan(name, { attributes }, (span) => use((context) => entered(context, span)))

const entered = <R>(context: Context.Context<R>, span: Tracer.Span): Context.Context<R> => {
  const parent = Context.get(context as Context.Context<never>, References.CurrentStackFrame)
  const frame = { name: span.name, stack: constUndefined, parent }
  return context.pipe(Context.add(References.CurrentStackFrame, frame), Context.add(Tracer.ParentSpan, span)) as any
}

/** Makes a function that runs an effect in a span of this name. */
export const named = (name: string, attributes?: Readonly<Record<string, string>>) => {
  const open = opened(name, attributes)
  return <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    open((enter) => Effect.updateContext(self, (context: Context.Context<R>) => enter(context)))
}
