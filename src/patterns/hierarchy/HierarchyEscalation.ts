/** A matter goes up the chain until somebody answers it. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as AgentCodec from "../../core/AgentCodec.ts"
import type { ContractViolation } from "../../core/AgentError.ts"
import * as PatternEvent from "../../core/PatternEvent.ts"
import * as Run from "../../core/Run.ts"
import type * as Task from "../../core/Task.ts"
import { MatterUnresolved, nobody } from "./HierarchyError.ts"
import { CurrentParty, type Lead, superiors } from "./HierarchyParty.ts"
import { inOwnScope } from "./HierarchyRecord.ts"
import type { Unresolved } from "./HierarchyResolver.ts"

/**
 * Raises a matter and waits for the answer of the nearest one above who resolves it.
 *
 * **Details** Question and answer are checked against the matter's schemas. Each hop up the chain is noted in the run.
 *
 * **Gotchas** In the body of a step, whatever answers is part of that step: it is not recorded, and waits for no signal.
 *
 * **Errors** `MatterUnresolved` — nobody up to the root answers it; `chain` says who was asked.
 *
 * @category running
 * @stability experimental
 * @since 0.1.0
 */
export const escalate = <T extends Task.Any>(
  matter: T,
  question: Task.Input<T>
): Effect.Effect<Task.Output<T>, Task.Error<T> | ContractViolation | Unresolved<T["name"]>> =>
  Effect.flatMap(CurrentParty, (party) => {
    const raisedBy = party?.name ?? nobody
    const owner: AgentCodec.Owner = { agent: raisedBy, task: matter.name }
    const asked = checked(owner, "input", AgentCodec.ofTask(matter).checkInput(question))
    const chain = superiors(party)
    const raise = (question: unknown) => raiseTo(chain, { matter, question, raisedBy, chain, from: raisedBy })
    return inOwnScope(`escalate ${matter.name}`)(Effect.flatMap(asked, raise))
  })

interface Matter {
  readonly matter: Task.Any
  readonly question: unknown
  readonly raisedBy: string
  readonly chain: ReadonlyArray<Lead>
  /** Who passes it up. */
  readonly from: string
}

/** Up the chain, hop by hop, to the first who resolves it. */
const raiseTo = (above: ReadonlyArray<Lead>, raised: Matter): Effect.Effect<any, any> =>
  Effect.gen(function* () {
    let { from } = raised
    for (const [index, lead] of above.entries()) {
      yield* PatternEvent.state({ _tag: "Escalated", matter: raised.matter.name, from, to: lead.name })
      if (lead.leads.resolvers.has(raised.matter.name)) {
        return yield* resolveBy(lead, raised, raiseTo(above.slice(index + 1), { ...raised, from: lead.name }))
      }
      from = lead.name
    }
    return yield* exhausted(raised)
  })

const resolveBy = (lead: Lead, { matter, question, raisedBy }: Matter, passOn: Effect.Effect<any, any>) =>
  Effect.gen(function* () {
    const { name, resolve } = lead.leads.resolvers.get(matter.name)!
    let passedOn = false
    const passing = Effect.suspend(() => {
      passedOn = true
      return passOn
    })
    // What it needs was there where its lead was called: its services are captured, and so out of the type.
    const resolved = Effect.suspend(() => resolve(question, { raisedBy, passOn: passing })) as Effect.Effect<
      unknown,
      any
    >
    const answer = yield* Run.provideCaptured(Effect.provideService(resolved, CurrentParty, lead), lead.leads.context)
    const owner: AgentCodec.Owner = { agent: lead.name, task: name }
    const checkedAnswer = yield* checked(owner, "output", AgentCodec.ofTask(matter).checkOutput(answer))
    if (!passedOn) yield* PatternEvent.state({ _tag: "MatterResolved", matter: name, raisedBy, by: lead.name })
    return checkedAnswer
  })

const exhausted = ({ chain, matter, raisedBy }: Matter): Effect.Effect<never, MatterUnresolved> => {
  const asked = chain.map(({ name }) => name)
  return Effect.andThen(
    PatternEvent.state({ _tag: "EscalationExhausted", matter: matter.name, chain: asked }),
    Effect.fail(new MatterUnresolved({ matter: matter.name, raisedBy, chain: asked }))
  )
}

const checked = (
  owner: AgentCodec.Owner,
  side: "input" | "output",
  exit: ReturnType<AgentCodec.TaskCodec["checkInput"]>
): Effect.Effect<any, ContractViolation> => {
  if (Exit.isSuccess(exit)) return Effect.succeed(exit.value)
  const issue = Cause.findErrorOption(exit.cause)
  return issue._tag === "Some"
    ? Effect.fail(AgentCodec.violation(owner, side, issue.value))
    : Effect.die(Cause.squash(exit.cause))
}
