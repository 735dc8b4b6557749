/**
 * Agents in sequence, each handing a baton to the next, and that are an agent together.
 *
 * The baton holds the outputs of all legs so far. Between two legs stand gates: a check, or an agent that verifies. What a
 * gate rejects goes back to an earlier leg with feedback, and what was built since then is undone.
 *
 * Invariants (checked by `test/patterns/Handoff.test.ts` and, inside a run, by `Handoff.durable.test.ts`):
 *
 *   B1. Legs run in their order, one at a time; each sees the outputs of all legs before it, and of no other.
 *   B2. A leg begins only after every gate before it has accepted the baton as it is.
 *   B3. A rejected baton goes back to the leg that its gate names. This leg and those after it run again, and see the
 *       feedback of every rejection that sent the baton back over them, the oldest first.
 *   B4. The baton goes back at most `returns` times. The next rejection ends the handoff with all of them.
 *   B5. Before a leg is run again, the outputs of it and of the legs after it are undone, the latest first.
 *   B6. However a handoff ends without success, all legs are undone, the latest first: each output once, none twice.
 *       Inside a transaction, a handoff that succeeded is undone with it.
 *   B7. At each moment one leg holds the baton: whenever it passes on, that is recorded, once, from the one who held it.
 *       What a leg does is done and recorded between the baton's coming and its going, also across a crash: that it came is
 *       durable before the leg begins.
 *   B8. A leg has a scope of its own in a run, below that of the first leg it would be undone with.
 *
 * Going back is undone by transactions in transactions: see `Saga`.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaParser from "effect/SchemaParser"
import * as Agent from "../../core/Agent.ts"
import * as Task from "../../core/Task.ts"
import type { CompensationFailed } from "../saga/CompensationFailed.ts"
import type { HandoffRejected } from "./HandoffError.ts"
import type { Gate, Leg } from "./HandoffLeg.ts"
import * as HandoffRun from "./HandoffRun.ts"
import * as Verdict from "../Verdict.ts"

export { HandoffRejected, Rejection } from "./HandoffError.ts"

/**
 * A handoff under construction, and at the same time the agent that it has become so far.
 *
 * `Outputs` are the outputs of its legs by name: what the next leg sees, and what the handoff answers.
 *
 * @category models
 * @since 0.1.0
 */
export interface Handoff<Input, Outputs, Feedback, E = never, R = never> extends Agent.Agent<Input, Outputs, E, R> {
  /** Of the handoff's own input, for an orchestration that runs it. */
  readonly input: Task.DataSchema
  /** Names of the legs, in order. */
  readonly legs: ReadonlyArray<string>

  /**
   * Adds a leg: one agent's turn. Returns a new handoff.
   *
   * **Details** `input` sees the outputs of the legs before, the handoff's input, and the feedback of every rejection that
   * sent the baton back over this leg. It must be pure: it runs again on replay. `undo` runs if the baton goes back over
   * this leg, and if the handoff does not succeed; it is a compensation as in `Saga.undo`.
   */
  leg<const Name extends string, In, Out, E2, R2, R3 = never>(
    name: NewName<Name, Outputs>,
    agent: Agent.Agent<In, Out, E2, R2>,
    options: {
      readonly input: (baton: Outputs, input: Input, feedback: ReadonlyArray<Feedback>) => NoInfer<In>
      readonly undo?: (output: NoInfer<Out>, baton: Outputs) => Effect.Effect<unknown, unknown, R3>
      /** How often `undo` is tried. Default: `Saga.defaultRetry`. */
      readonly retry?: Schedule.Schedule<unknown, unknown>
    }
  ): Handoff<Input, With<Outputs, Name, Out>, Feedback, E | E2, R | R2 | R3>

  /**
   * Adds a gate after the latest leg: a pure function of the baton. It runs again on replay. Returns a new handoff.
   *
   * **Details** `back`: the leg that a rejected baton goes back to. Default: the latest leg.
   */
  check(
    name: string,
    check: (baton: Outputs, input: Input) => Verdict.Verdict<Feedback>,
    options?: { readonly back?: keyof Outputs & string }
  ): Handoff<Input, Outputs, Feedback, E | HandoffRejected, R>

  /**
   * Adds a gate after the latest leg: an agent that gives the verdict. Returns a new handoff.
   *
   * **Details** `input` must be pure: it runs again on replay. `back`: the leg that a rejected baton goes back to. Default:
   * the latest leg. A failure of the verifier is a failure of the handoff.
   */
  verify<In, E2, R2>(
    name: string,
    verifier: Agent.Agent<In, Verdict.Verdict<Feedback>, E2, R2>,
    options: {
      readonly input: (baton: Outputs, input: Input) => NoInfer<In>
      readonly back?: keyof Outputs & string
    }
  ): Handoff<Input, Outputs, Feedback, E | E2 | HandoffRejected, R | R2>
}

type NewName<Name extends string, Outputs> = Name extends keyof Outputs
  ? `The handoff has a leg "${Name}" already`
  : Name

type With<Outputs, Name extends string, Out> = {
  readonly [N in keyof Outputs | Name]: N extends keyof Outputs ? Outputs[N] : Out
}

/**
 * What a handoff is made of, besides its legs and gates.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<Input extends Task.SchemaOrFields, Feedback extends Task.SchemaOrFields> {
  /** A schema, or the fields of a struct. */
  readonly input: Input
  /** What gates say when they reject: a schema, or the fields of a struct. Default: a string. */
  readonly feedback?: Feedback
  /** How often the baton may go back, over all gates. Default 3. */
  readonly returns?: number
}

/**
 * Makes a handoff without legs.
 *
 * **Details**
 *
 * - It is a transaction named after itself: nest it in another one, and it is undone with that. What transactions inside
 *   its legs did is undone with the handoff, as always (`Saga`).
 * - Its output is the baton: the outputs of all legs by name.
 * - The input is not checked here: each agent checks what it is given.
 *
 * **Gotchas** What has no `undo` stays done when the baton goes back. Undoing cannot be interrupted: see `Saga.transaction`.
 *
 * **Errors** `HandoffRejected` — a gate rejected once more than `returns`. `CompensationFailed` — something could not be
 * undone, on going back or at the end; the handoff ends there.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const make = <
  const Input extends Task.SchemaOrFields,
  const Feedback extends Task.SchemaOrFields = typeof Schema.String
>(
  name: string,
  options: Options<Input, Feedback>
): Handoff<Task.ToSchema<Input>["Type"], {}, Task.ToSchema<Feedback>["Type"], CompensationFailed> => {
  const { returns = 3 } = options
  if (!Number.isInteger(returns) || returns < 0) {
    throw new RangeError(`returns of handoff "${name}" must be an integer from 0, got ${returns}`)
  }
  const input = Task.toSchema(options.input)
  return build([], { name, input, feedback: Task.toSchema(options.feedback ?? Schema.String), returns }) as any
}

const formatIssue = SchemaIssue.makeFormatterDefault()

/**
 * The verdict on a value that must match a schema: for gates made by `check`. The feedback says what does not match.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const conforms = (schema: Task.DataSchema): ((value: unknown) => Verdict.Verdict<string>) => {
  const check = SchemaParser.decodeUnknownExit(Schema.toType(schema))
  return (value) => {
    const exit = check(value)
    if (Exit.isSuccess(exit)) return Verdict.accepted()
    const issue = Cause.findErrorOption(exit.cause)
    return Verdict.rejected(issue._tag === "Some" ? formatIssue(issue.value) : "does not match its schema")
  }
}

/** Options as they arrive, their types forgotten. */
interface AnyLegOptions extends Pick<Leg, "input"> {
  readonly undo?: (output: any, baton: any) => Effect.Effect<unknown, unknown, any>
  readonly retry?: Leg["retry"]
}
interface GateOptions {
  readonly back?: string
}

const build = (legs: ReadonlyArray<Leg>, settings: HandoffRun.Settings): Handoff<any, any, any, any, any> => {
  let course: HandoffRun.Course | undefined
  const gated = (name: string, judge: Gate["judge"], options: GateOptions | undefined) =>
    build(withGate(legs, { name, judge, back: options?.back }, settings.name), settings)
  return {
    ...Agent.compose<any, any, any, any>(settings.name, {
      pattern: "Handoff",
      run: (input) => HandoffRun.run((course ??= HandoffRun.course(legs, settings)), input)
    }),
    input: settings.input,
    legs: legs.map(({ name }) => name),
    leg: (name: string, agent: Agent.Any, { input, retry, undo }: AnyLegOptions) => {
      if (legs.some((leg) => leg.name === name)) {
        throw new Error(`handoff "${settings.name}" has a leg "${name}" already`)
      }
      return build([...legs, { name, agent, input, undo, retry, gates: [] }], settings) as any
    },
    check: (name: string, check: (baton: any, input: any) => Verdict.Verdict<any>, options?: GateOptions) =>
      gated(name, (baton, input) => Effect.sync(() => check(baton, input)), options),
    verify: (
      name: string,
      verifier: Agent.Any,
      options: GateOptions & { readonly input: (baton: any, input: any) => unknown }
    ) => gated(name, (baton, input) => verifier.run(options.input(baton, input)), options)
  }
}

interface NewGate extends Omit<Gate, "back"> {
  readonly back: string | undefined
}

/** The types say the same, but for the first gate. This is for those who came around them. */
const withGate = (legs: ReadonlyArray<Leg>, gate: NewGate, handoff: string): ReadonlyArray<Leg> => {
  const latest = legs.at(-1)
  if (latest === undefined) throw new Error(`gate "${gate.name}" of handoff "${handoff}" stands before the first leg`)
  const back = legs.findIndex(({ name }) => name === (gate.back ?? latest.name))
  if (back < 0)
    throw new Error(`gate "${gate.name}" goes back to "${gate.back}", which is no leg of "${handoff}" so far`)
  return [...legs.slice(0, -1), { ...latest, gates: [...latest.gates, { ...gate, back }] }]
}
