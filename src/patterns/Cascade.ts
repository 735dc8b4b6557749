/**
 * Agents from cheap to dear: the next one is asked only when the answer of the one before is not good enough.
 *
 * Invariants (checked by `test/patterns/Cascade.test.ts` and `test/patterns/SmallPatterns.durable.test.ts`):
 *
 *   D1. Tiers are asked in their order, one at a time, until an answer is accepted; no tier behind it is asked.
 *   D2. `whenUnsure: "fail"`: an answer that leaves was accepted. When none is, the cascade fails with `Unsure`, which holds
 *       the last tier's answer.
 *   D3. `whenUnsure: "acceptLast"`: the last tier's answer leaves unjudged.
 *   D4. `onFailure: "escalate"`: a tier that fails is passed over; only the last tier's failure leaves.
 *   D5. In a run it is stated which tiers were passed over, why, and which one answered.
 *
 * Source: Chen, Zaharia & Zou, "FrugalGPT", 2023.
 */
import type * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Agent from "../core/Agent.ts"
import * as PatternEvent from "../core/PatternEvent.ts"
import { Unsure } from "./CascadeError.ts"
import * as Part from "./Part.ts"
import type { Last } from "./Pipeline.ts"
import type { CommonInput } from "./supervisor/Supervisor.ts"

export { Unsure } from "./CascadeError.ts"

type Tiers = Arr.NonEmptyReadonlyArray<Agent.Any>

/** What becomes of the last tier's answer. */
export type WhenUnsure = "acceptLast" | "fail"

/** What becomes of a tier's failure. */
export type OnFailure = "fail" | "escalate"

/** An answer to be judged, and what it answers. */
export interface Proposal<In, Out> {
  readonly input: In
  readonly answer: Out
}

/** What is judged in a cascade of these tiers. */
export type ProposalOf<T extends Tiers> = Proposal<CommonInput<T[number]>, Agent.Output<T[number]>>

/**
 * What a cascade is made of.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<T extends Tiers, Accept, U extends WhenUnsure, F extends OnFailure> {
  /** From cheap to dear. */
  readonly tiers: T
  /** Is the answer good enough? An agent, or a pure function. */
  readonly accept: Accept
  /** Default `"acceptLast"`. */
  readonly whenUnsure?: U
  /** Default `"fail"`. */
  readonly onFailure?: F
  readonly capabilities?: ReadonlyArray<string>
}

/**
 * Makes a cascade.
 *
 * **Details**
 *
 * - Takes what all tiers take, gives what any of them gives. `accept` takes `{ input, answer }`.
 * - A cascade with `"acceptLast"` does not ask `accept` about the last tier's answer.
 * - In a run it states `TierPassed` and `TierAnswered`.
 *
 * **Errors** `Unsure` — no answer was accepted; its `best` is the last tier's. With `whenUnsure: "fail"` only.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const make = <
  const T extends Tiers,
  const Accept extends Part.Part<ProposalOf<T>, boolean>,
  const U extends WhenUnsure = "acceptLast",
  const F extends OnFailure = "fail"
>(
  name: string,
  options: Options<T, Accept, U, F>
): Agent.Agent<
  CommonInput<T[number]>,
  Agent.Output<T[number]>,
  | Agent.Error<F extends "escalate" ? Last<T> : T[number]>
  | Agent.Error<Accept>
  | (U extends "fail" ? Unsure<Agent.Output<Last<T>>> : never),
  Agent.Services<T[number]> | Agent.Services<Accept>
> => {
  const tiers: ReadonlyArray<Agent.Any> = options.tiers
  if (tiers.length === 0) throw new RangeError(`cascade "${name}" needs a tier`)
  const accept = Part.play<Proposal<unknown, unknown>, boolean, any, any>(options.accept as any)
  const settings: Settings = {
    name,
    tiers,
    accept,
    acceptsLast: options.whenUnsure !== "fail",
    escalates: options.onFailure === "escalate"
  }
  return Agent.compose<any, any, any, any>(name, {
    pattern: "Cascade",
    capabilities: options.capabilities ?? [],
    run: (input) => climb(settings, input)
  })
}

interface Settings {
  readonly name: string
  readonly tiers: ReadonlyArray<Agent.Any>
  readonly accept: (proposal: Proposal<unknown, unknown>) => Effect.Effect<boolean, any, any>
  readonly acceptsLast: boolean
  readonly escalates: boolean
}

const climb = ({ accept, acceptsLast, escalates, name, tiers }: Settings, input: unknown) =>
  Effect.gen(function* () {
    let best: unknown
    for (const [place, tier] of tiers.entries()) {
      const isLast = place === tiers.length - 1
      const call = tier.run(input)
      const answer = yield* escalates && !isLast ? Effect.result(call) : Effect.map(call, Result.succeed)
      if (Result.isSuccess(answer)) {
        best = answer.success
        if ((isLast && acceptsLast) || (yield* accept({ input, answer: best }))) {
          yield* PatternEvent.state({ _tag: "TierAnswered", tier: tier.name })
          return best
        }
      }
      const reason = Result.isSuccess(answer) ? "Unsure" : tagOf(answer.failure)
      yield* PatternEvent.state({ _tag: "TierPassed", tier: tier.name, reason })
    }
    return yield* new Unsure({ cascade: name, best })
  })

const tagOf = (error: unknown): string => String((error as { readonly _tag?: unknown } | null)?._tag ?? error)
