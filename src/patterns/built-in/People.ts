/** `Approval` as it is made from data: requests and decisions are JSON. */
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import * as Agent from "../../core/Agent.ts"
import type { ContractViolation } from "../../core/AgentError.ts"
import * as Approval from "../approval/Approval.ts"
import * as Pattern from "../pattern/Pattern.ts"
import * as Quantities from "./Quantities.ts"

const Choices = Schema.NonEmptyArray(Schema.String)

/** More than nothing, and an end to it. */
const Patience = Quantities.Duration.check(
  Schema.makeFilter((duration: Duration.Duration) =>
    Duration.isFinite(duration) && Duration.toMillis(duration) > 0 ? undefined : "must be positive and finite"
  )
)

export const approval = Pattern.make("Approval", {
  description: "A person who decides: the input is the request, and the answer says what was decided, and by whom.",
  options: {
    /** Whom a request is addressed to. Default: anyone. */
    to: Pattern.optional(Schema.Array(Schema.String), []),
    /** What can be decided. Default: any JSON. */
    choices: Schema.optionalKey(Choices),
    timeout: Schema.optionalKey(Patience)
  },
  slots: {},
  build: ({ choices, timeout, to }, name): Agent.Agent<any, unknown, Approval.ApprovalTimedOut | ContractViolation> =>
    Approval.make(name, {
      request: Schema.Json,
      decision: choices === undefined ? Schema.Json : Schema.Literals(choices),
      to: () => to,
      ...(timeout === undefined ? {} : { timeout })
    })
})
