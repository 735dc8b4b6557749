/** Patterns whose agents follow one another, as they are made from data. */
import * as Schema from "effect/Schema"
import * as Task from "../../core/Task.ts"
import * as Cascade from "../Cascade.ts"
import * as Pattern from "../pattern/Pattern.ts"
import * as Pipeline from "../Pipeline.ts"
import * as Router from "../Router.ts"
import type { Whoever } from "./Whoever.ts"

/** Names a route. */
const Choosing = Task.make("Choosing", { input: Schema.Any, output: Schema.String })

/** Says whether an answer is good enough. */
const Judging = Task.make("Judging", { input: { input: Schema.Any, answer: Schema.Any }, output: Schema.Boolean })

export const pipeline = Pattern.make("Pipeline", {
  description: "Agents one after the other: what one gives, the next one takes.",
  slots: { agents: Pattern.list() },
  build: ({ agents }, name): Whoever<"agents"> => {
    const [first, ...rest] = agents
    return Pipeline.make(name, [first!, ...rest] as any) as any
  }
})

export const router = Pattern.make("Router", {
  description: "One of several agents, named for each input by a chooser that reads it.",
  slots: { routes: Pattern.record(), chooser: Pattern.one(Choosing) },
  build: ({ chooser, routes }, name): Whoever<"chooser" | "routes", Router.RouteUnknown> =>
    Router.make(name, { routes, choose: chooser }) as any
})

export const cascade = Pattern.make("Cascade", {
  description: "Agents from cheap to dear: the next one is asked when a judge finds the answer not good enough.",
  options: {
    whenUnsure: Pattern.optional(Schema.Literals(["acceptLast", "fail"]), "acceptLast"),
    onFailure: Pattern.optional(Schema.Literals(["fail", "escalate"]), "fail")
  },
  slots: { tiers: Pattern.list(), judge: Pattern.one(Judging) },
  build: ({ judge, onFailure, tiers, whenUnsure }, name): Whoever<"tiers" | "judge", Cascade.Unsure<unknown>> =>
    Cascade.make(name, { tiers: tiers as never, accept: judge as never, whenUnsure, onFailure }) as any
})
