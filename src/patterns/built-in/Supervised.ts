/** `Supervisor` as it is made from data: its policy names directives by error tags. */
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Breaker from "../../policies/Breaker.ts"
import * as Directive from "../supervisor/Directive.ts"
import * as Pattern from "../pattern/Pattern.ts"
import * as Routing from "../supervisor/Routing.ts"
import * as Supervisor from "../supervisor/Supervisor.ts"
import { errorTags } from "./Declared.ts"
import { strangers, twice } from "./Names.ts"
import { Count, Duration, Natural } from "./Quantities.ts"
import type { Whoever } from "./Whoever.ts"

const Plain = Schema.Literals(["escalate", "reroute", "stop"])

const Rule = Schema.Union([
  Plain,
  Schema.Struct({
    restart: Schema.Struct({
      times: Count,
      /** Before the first restart; twice as long before each further one. */
      delay: Pattern.optional(Duration, Schema.decodeSync(Duration)("100 millis")),
      afterwards: Pattern.optional(Plain, "escalate")
    })
  }),
  Schema.Struct({ resume: Schema.Json })
])

const plain = { escalate: Directive.escalate, reroute: Directive.reroute, stop: Directive.stop }

const directiveOf = (rule: typeof Rule.Type): Directive.Directive => {
  if (typeof rule === "string") return plain[rule]
  if ("resume" in rule) return Directive.resume(rule.resume)
  const { afterwards, delay, times } = rule.restart
  return Directive.restart(Schedule.exponential(delay).pipe(Schedule.upTo({ times })), plain[afterwards])
}

const Route = Schema.Union([
  Schema.Literals(["leastLoaded", "roundRobin"]),
  Schema.Struct({ weighted: Schema.Record(Schema.String, Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0))) })
])

const routes = { leastLoaded: Routing.leastLoaded, roundRobin: Routing.roundRobin }

/** Tags in a policy that no agent fails with, as far as these say what they fail with. */
const unruled = (onFailure: object, declared: ReadonlyArray<string> | undefined, ofBreaker: ReadonlyArray<string>) =>
  declared === undefined
    ? []
    : strangers(["onFailure"], onFailure, { kind: "error", known: [...new Set([...declared, ...ofBreaker])] })

export const supervisor = Pattern.make("Supervisor", {
  description: "Agents that can all do the same: each input goes to one, and a failure meets the rule for its tag.",
  options: {
    route: Pattern.optional(Route, "leastLoaded"),
    strategy: Pattern.optional(Schema.Literals(["OneForOne", "OneForAll", "RestForOne"]), "OneForOne"),
    intensity: Schema.optionalKey(Schema.Struct({ restarts: Natural, within: Duration })),
    breaker: Schema.optionalKey(Schema.Struct({ failures: Count, openFor: Duration })),
    /** By error tag. Agents that declare their errors fail with no others: another tag is a mistake. */
    onFailure: Pattern.optional(Schema.Record(Schema.String, Rule), {}),
    /** What to do about a tag without a rule. */
    otherwise: Pattern.optional(Rule, "escalate")
  },
  slots: { agents: Pattern.list() },
  validate: ({ agents, breaker, onFailure, route }) => [
    ...twice("agents", agents),
    ...unruled(onFailure, errorTags(agents), breaker === undefined ? [] : ["CircuitOpen"]),
    ...(typeof route === "string"
      ? []
      : strangers(["route", "weighted"], route.weighted, { kind: "agent", known: agents.map(({ name }) => name) }))
  ],
  build: (
    { agents, breaker, intensity, onFailure, otherwise, route, strategy },
    name
  ): Whoever<"agents", Supervisor.NoWorker | Supervisor.RestartsExceeded | Breaker.CircuitOpen> =>
    Supervisor.make(name, {
      agents: agents as never,
      route: typeof route === "string" ? routes[route] : Routing.weighted(route.weighted),
      strategy,
      ...(intensity === undefined ? {} : { intensity }),
      ...(breaker === undefined
        ? {}
        : { breaker: { trip: Breaker.consecutive(breaker.failures), openFor: breaker.openFor } }),
      onFailure: {
        ...Object.fromEntries(Object.entries(onFailure).map(([tag, rule]) => [tag, directiveOf(rule)])),
        [Directive.otherwise]: directiveOf(otherwise)
      } as never
    }) as any
})
