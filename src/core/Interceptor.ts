/**
 * The seam at which calls of agents can be looked at, changed and refused from outside the program.
 *
 * Every call of an agent asks its fiber's context for an interceptor. None, the default: the call goes on, at the cost of
 * that lookup. Patterns know nothing of it. In a run an interceptor is part of the program: what it decides must follow
 * from the call and from recorded answers, because it is asked again on replay.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type * as Task from "./Task.ts"

/** One call of an agent, as its interceptor sees it. */
export interface Call {
  readonly agent: string
  /** The pattern that the agent is made by: `Supervisor`, `Swarm`, … `undefined`: a leaf, or a bare composition. */
  readonly pattern: string | undefined
  readonly capabilities: ReadonlyArray<string>
  /** Of a leaf. A composed agent has no schema of its own. */
  readonly task: Task.Any | undefined
  readonly input: unknown
}

/** Carries out a call: by `proceed`, with the same input or another one, or not at all. */
export type Intercept = <A, E, R>(
  call: Call,
  proceed: (input: unknown) => Effect.Effect<A, E, R>
) => Effect.Effect<A, E, R>

/** Who is asked at each call, if anyone. */
export const Interceptor: Context.Reference<Intercept | undefined> = Context.Reference<Intercept | undefined>(
  "tutti/core/Interceptor",
  { defaultValue: () => undefined }
)

/** The agent's side of a call. */
export type Callee = Omit<Call, "input">

/** What a call does on the fiber that carries it out. */
type Perform<A, E, R> = (fiber: Fiber.Fiber<unknown, unknown>, input: any) => Effect.Effect<A, E, R>

/** Makes calls go through the interceptor, if there is one. */
export const interceptable =
  <A, E, R>(callee: Callee, perform: Perform<A, E, R>): Perform<A, E, R> =>
  (fiber, input) => {
    const intercept = fiber.getRef(Interceptor)
    return intercept === undefined
      ? perform(fiber, input)
      : intercept({ ...callee, input }, (input) => Effect.withFiber((fiber) => perform(fiber, input)))
  }
