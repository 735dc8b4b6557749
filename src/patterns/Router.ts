/**
 * One of several agents, chosen by the input: by a pure function, or by an agent that reads it.
 *
 * **When to use** The routes do different things. For agents that can all do the same, and a choice by load or health, use
 * `Supervisor`.
 *
 * Invariants (checked by `test/patterns/Router.test.ts` and `test/patterns/SmallPatterns.durable.test.ts`):
 *
 *   O1. Exactly one route is called, once: the one that was chosen. None, if the choice fails or names no route.
 *   O2. A chooser that can only name routes adds no error; one that answers any text adds `RouteUnknown`.
 *   O3. In a run, a replay takes the recorded route.
 *
 * Source: Hohpe & Woolf, "Enterprise Integration Patterns", 2003 (content-based router).
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Agent from "../core/Agent.ts"
import * as PatternEvent from "../core/PatternEvent.ts"
import * as Part from "./Part.ts"
import type { CommonInput } from "./supervisor/Supervisor.ts"

/** The chooser named a route that there is not. */
export class RouteUnknown extends Schema.TaggedError<RouteUnknown>()("RouteUnknown", {
  router: Schema.String,
  route: Schema.String,
  routes: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `Router "${this.router}" has no route "${this.route}": there are ${this.routes.map((route) => `"${route}"`).join(", ")}.`
  }
}

/** Agents by the names of their routes. */
export type Routes = { readonly [route: string]: Agent.Any }

/** What a chooser takes beyond what the routes take. */
type Asked<Choose> = Choose extends Agent.Any
  ? Agent.Input<Choose>
  : Choose extends (input: infer In) => unknown
    ? In
    : never

/** Fails to compile for a chooser that names, one by one, what is no route. */
type Names<Choose, R extends Routes> =
  string extends Part.Output<Choose>
    ? unknown
    : Part.Output<Choose> extends keyof R
      ? unknown
      : { readonly "there is no route": Exclude<Part.Output<Choose>, keyof R> }

/** `RouteUnknown`, if the chooser may answer with any text. */
type Stray<Choose, R extends Routes> = Part.Output<Choose> extends keyof R ? never : RouteUnknown

/**
 * What a router is made of.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<R extends Routes, Choose> {
  readonly routes: R
  /** Names the route for an input: an agent, or a pure function. */
  readonly choose: Choose & Names<Choose, R>
  readonly capabilities?: ReadonlyArray<string>
}

/**
 * Makes a router.
 *
 * **Details**
 *
 * - Takes what the chooser and all routes take; gives what any of the routes gives; fails as any of them, or the chooser,
 *   does. A route that takes something else is adapted where it stands: `Agent.mapInput`.
 * - In a run it states `RouteChosen`.
 *
 * **Errors** `RouteUnknown` — the chooser answered with a text that is no route. Never, if its type says so.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const make = <
  const R extends Routes,
  const Choose extends Agent.Agent<never, string, any, any> | Part.Part<CommonInput<R[keyof R]>, string>
>(
  name: string,
  options: Options<R, Choose>
): Agent.Agent<
  CommonInput<R[keyof R]> & Asked<Choose>,
  Agent.Output<R[keyof R]>,
  Agent.Error<R[keyof R]> | Agent.Error<Choose> | Stray<Choose, R>,
  Agent.Services<R[keyof R]> | Agent.Services<Choose>
> => {
  const routes = new Map<string, Agent.Any>(Object.entries(options.routes))
  if (routes.size === 0) throw new RangeError(`router "${name}" needs a route`)
  const choose = Part.play<any, string, any, any>(options.choose as any)
  const follow = (route: string, input: unknown) => {
    const agent = routes.get(route)
    if (agent === undefined) return Effect.fail(new RouteUnknown({ router: name, route, routes: [...routes.keys()] }))
    return Effect.andThen(PatternEvent.state({ _tag: "RouteChosen", route }), agent.run(input))
  }
  return Agent.compose<any, any, any, any>(name, {
    pattern: "Router",
    capabilities: options.capabilities ?? [],
    run: (input) => Effect.flatMap(choose(input), (route) => follow(route, input))
  })
}
