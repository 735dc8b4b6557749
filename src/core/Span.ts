/**
 * Spans that cost little: opened for every call of every agent.
 *
 * As `Effect.withSpan`, without the stack trace that it takes at each call, which would name only this package, and with
 * one change of the fiber's context instead of two. Effect's own tracer keeps spans to itself: under it a span has its
 * name and parent, for logs and causes, but nobody would hear when it begins and ends, so neither is told.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import { constUndefined } from "effect/Function"
import * as References from "effect/References"
import * as Tracer from "effect/Tracer"

const silent = Tracer.nativeTracer

/** Makes a function that runs an effect, on the fiber that is given, in a span of this name. */
export const named = (name: string, attributes: Readonly<Record<string, string>> = {}) => {
  const options = { attributes }
  const inside = (span: Tracer.Span) => (context: Context.Context<any>) => {
    const frame = { name, stack: constUndefined, parent: Context.get(context, References.CurrentStackFrame) }
    return Context.add(Context.add(context, References.CurrentStackFrame, frame), Tracer.ParentSpan, span)
  }
  const unheard = (context: Context.Context<any>) => {
    const span = silent.span({
      name,
      parent: Context.getOption(context, Tracer.ParentSpan),
      annotations: Context.empty(),
      links: [],
      startTime: 0n,
      kind: "internal",
      root: false,
      sampled: true
    })
    for (const key in attributes) span.attribute(key, attributes[key])
    return inside(span)(context)
  }
  return <A, E, R>(fiber: Fiber.Fiber<unknown, unknown>, self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    fiber.getRef(Tracer.Tracer) === silent
      ? Effect.updateContext(self, unheard)
      : Effect.useSpan(name, options, (span) => Effect.updateContext(self, inside(span)))
}
