/** Patterns whose agents work on the same thing, as they are made from data. */
import * as Schema from "effect/Schema"
import * as Agent from "../../core/Agent.ts"
import * as Task from "../../core/Task.ts"
import * as Consensus from "../consensus/Consensus.ts"
import * as Debate from "../Debate.ts"
import { tagOf } from "../supervisor/Directive.ts"
import * as MapReduce from "../MapReduce.ts"
import * as Pattern from "../pattern/Pattern.ts"
import * as Race from "../Race.ts"
import { namesOf } from "../swarm/Poll.ts"
import * as Swarm from "../swarm/Swarm.ts"
import { unknownName } from "../library/UnknownName.ts"
import { answerFields } from "./Declared.ts"
import { strangers, twice } from "./Names.ts"
import { Count, Duration } from "./Quantities.ts"
import type { Whoever } from "./Whoever.ts"

export const race = Pattern.make("Race", {
  description: "Agents that do the same at once, or one after the other when the first is slow: the first answer wins.",
  options: {
    first: Pattern.optional(Schema.Literals(["success", "settled"]), "success"),
    stagger: Schema.optionalKey(Duration)
  },
  slots: { agents: Pattern.list() },
  validate: ({ agents }) => twice("agents", agents),
  build: ({ agents, first, stagger }, name): Whoever<"agents", Race.AllFailed<unknown>> =>
    Race.make(name, { agents: agents as never, first, ...(stagger === undefined ? {} : { stagger }) }) as any
})

/** Says what there is to be done. */
const Splitting = Task.make("Splitting", { input: Schema.Any, output: Schema.Array(Schema.Any) })

/** Brings together what was done. */
const Reducing = Task.make("Reducing", {
  input: { input: Schema.Any, answers: Schema.Array(Schema.Any) },
  output: Schema.Any
})

export const mapReduce = Pattern.make("MapReduce", {
  description: "An input split into items, each done by the same agent, the answers brought together again.",
  options: { concurrency: Pattern.optional(Count, 8) },
  slots: { split: Pattern.one(Splitting), map: Pattern.one(), reduce: Pattern.one(Reducing) },
  build: ({ concurrency, map, reduce, split }, name): Whoever<"split" | "map" | "reduce"> =>
    MapReduce.make(name, { split, map, reduce, concurrency })
})

export const debate = Pattern.make("Debate", {
  description: "Agents that argue before a judge: each hears what was said before.",
  options: {
    rounds: Pattern.optional(Count, 2),
    speaking: Pattern.optional(Schema.Literals(["alternate", "simultaneous"]), "alternate")
  },
  slots: { debaters: Pattern.record(), judge: Pattern.one() },
  build: ({ debaters, judge, rounds, speaking }, name): Whoever<"debaters" | "judge"> =>
    Debate.make(name, { debaters, judge, rounds, speaking })
})

const Rule = Schema.Union([
  Schema.Literals(["majority", "unanimous", "plurality"]),
  Schema.Struct({ quorum: Count }),
  Schema.Struct({ weighted: Schema.Record(Schema.String, Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))) })
])

const unmet = (rule: typeof Rule.Type, members: ReadonlyArray<Agent.Any>): ReadonlyArray<Pattern.Issue> => {
  if (typeof rule === "string") return []
  if ("weighted" in rule) {
    return strangers(["rule", "weighted"], rule.weighted, { kind: "member", known: namesOf(members) })
  }
  return rule.quorum <= members.length
    ? []
    : [{ path: ["rule", "quorum"], message: `cannot be met by ${members.length} members` }]
}

/** A vote that no member's answer has, as far as these say what they answer. */
const unsaid = (vote: string | undefined, fields: ReadonlyArray<string> | undefined): ReadonlyArray<Pattern.Issue> =>
  vote === undefined || fields === undefined || fields.includes(vote)
    ? []
    : [{ path: ["vote"], message: unknownName("field", vote, new Set(fields)) }]

export const swarm = Pattern.make("Swarm", {
  description: "Peers that are asked the same thing and decide together; each answer is a vote.",
  options: {
    rule: Pattern.optional(Rule, "majority"),
    /** The field of an answer that is the vote. */
    vote: Schema.optionalKey(Schema.NonEmptyString),
    rounds: Pattern.optional(Count, 1),
    onFailure: Pattern.optional(Schema.Literals(["abstain", "fail"]), "abstain")
  },
  slots: { members: Pattern.list() },
  validate: ({ members, rule, vote }) => [...unmet(rule, members), ...unsaid(vote, answerFields(members))],
  build: ({ members, onFailure, rounds, rule, vote }, name): Whoever<"members", Swarm.NoConsensus> =>
    Agent.mapOutput(
      Swarm.make(name, {
        members: members as never,
        rule: ruleOf(rule),
        vote: (answer: unknown) => ballotOf(answer, vote),
        limits: { rounds },
        onFailure
      }) as Whoever<"members", Swarm.NoConsensus>,
      agreementOf
    )
})

const named = {
  majority: Consensus.majority,
  unanimous: Consensus.unanimous,
  plurality: Consensus.plurality
}

const ruleOf = (rule: typeof Rule.Type): Consensus.Rule<string> => {
  if (typeof rule === "string") return named[rule]()
  return "quorum" in rule ? Consensus.quorum(rule.quorum) : Consensus.weighted(rule.weighted)
}

/** A vote is a text, a number or a truth value; anything else abstains. */
const ballotOf = (answer: unknown, field: string | undefined): string | undefined => {
  const vote = field === undefined ? answer : (answer as { readonly [field: string]: unknown } | null)?.[field]
  return ["string", "number", "boolean"].includes(typeof vote) ? String(vote) : undefined
}

/** As JSON: of the error of a member that failed, its tag is left. */
const agreementOf = (agreement: unknown) => {
  const { abstentions, option, rounds, votes } = agreement as Swarm.Agreement<string, unknown, unknown>
  return {
    option,
    rounds,
    votes: votes.map(({ answer, member }) => ({ member, answer })),
    abstentions: abstentions.map((one) => ({
      member: one.member,
      why: one._tag === "Failed" ? tagOf(one.error) : one._tag
    }))
  }
}
