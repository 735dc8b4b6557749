/** Common set-ups of the built-in patterns. */
import * as Schema from "effect/Schema"
import * as Pattern from "../pattern/Pattern.ts"
import * as PatternTemplate from "../library/PatternTemplate.ts"
import { Count } from "./Quantities.ts"

const Members = Schema.NonEmptyArray(PatternTemplate.Member)

export const supervisedPool = PatternTemplate.make("SupervisedPool", {
  description: "Agents that share the load; one that fails is left alone for a while, and another one takes the input.",
  parameters: {
    agents: Members,
    failures: Pattern.optional(Count, 3),
    openFor: Pattern.optional(Schema.String, "30 seconds")
  },
  produce: ({ agents, failures, openFor }) => ({
    pattern: "Supervisor",
    options: { breaker: { failures, openFor }, onFailure: { CircuitOpen: "reroute" } },
    slots: { agents }
  })
})

export const majorityOfThree = PatternTemplate.make("MajorityOfThree", {
  description: "Three are asked the same thing, and two who agree decide.",
  parameters: {
    first: PatternTemplate.Member,
    second: PatternTemplate.Member,
    third: PatternTemplate.Member,
    vote: Schema.optionalKey(Schema.NonEmptyString)
  },
  produce: ({ first, second, third, vote }) => ({
    pattern: "Swarm",
    options: { rule: { quorum: 2 }, ...(vote === undefined ? {} : { vote }) },
    slots: { members: [first, second, third] }
  })
})

export const draftAndVerify = PatternTemplate.make("DraftAndVerify", {
  description: "A draft, looked at by somebody else, and written again with the feedback until it is accepted.",
  parameters: {
    writer: PatternTemplate.Member,
    verifier: PatternTemplate.Member,
    rounds: Pattern.optional(Count, 3)
  },
  produce: ({ rounds, verifier, writer }) => ({
    pattern: "VerifyLoop",
    options: { rounds },
    slots: { attempt: writer, verify: verifier }
  })
})

export const cheapFirst = PatternTemplate.make("CheapFirst", {
  description: "A cheap agent answers; a dear one is asked when the answer is not good enough, or there is none.",
  parameters: { cheap: PatternTemplate.Member, dear: PatternTemplate.Member, judge: PatternTemplate.Member },
  produce: ({ cheap, dear, judge }) => ({
    pattern: "Cascade",
    options: { onFailure: "escalate" },
    slots: { tiers: [cheap, dear], judge }
  })
})
