/** `Handoff` as it is made from data: each leg is given all that was done before it. */
import * as Schema from "effect/Schema"
import type * as Agent from "../../core/Agent.ts"
import * as Task from "../../core/Task.ts"
import * as Handoff from "../handoff/Handoff.ts"
import { unknownName } from "../library/UnknownName.ts"
import * as Pattern from "../pattern/Pattern.ts"
import type { CompensationFailed } from "../saga/CompensationFailed.ts"
import * as Verdict from "../Verdict.ts"
import { strangers, twice } from "./Names.ts"
import { Natural } from "./Quantities.ts"
import type { Whoever } from "./Whoever.ts"

/** Outputs of the legs so far, by name. */
const Baton = Schema.Record(Schema.String, Schema.Any)

/** Carries the baton a leg further. `feedback`: of the rejections that sent it back over this leg, the oldest first. */
const Carrying = Task.make("Carrying", {
  input: { input: Schema.Any, baton: Baton, feedback: Schema.Array(Schema.Any) },
  output: Schema.Any
})

/** Says whether the baton may go on. */
const Gating = Task.make("Gating", {
  input: { input: Schema.Any, baton: Baton },
  output: Verdict.schema(Schema.Json)
})

const Gate = Schema.Struct({
  /** The leg that the gate stands behind. Default: the last one. */
  after: Schema.optionalKey(Schema.String),
  /** The leg that a rejected baton goes back to. Default: the one that the gate stands behind. */
  back: Schema.optionalKey(Schema.String)
})

type Gates = { readonly [verifier: string]: typeof Gate.Type }

/** The gate of this verifier, if it stands behind an existing leg, and leads back to one that is not behind it. */
const gateOf = (verifier: string, gates: Gates, legs: ReadonlyArray<string>) => {
  const { after = legs.at(-1)!, back = after } = Object.hasOwn(gates, verifier) ? gates[verifier]! : {}
  return { verifier, after, back }
}

const misplaced = (legs: ReadonlyArray<string>, gates: Gates): ReadonlyArray<Pattern.Issue> =>
  Object.keys(gates).flatMap((verifier) => {
    const { after, back } = gateOf(verifier, gates, legs)
    const unknown = Object.entries(gates[verifier]!).flatMap(([end, leg]) =>
      legs.includes(leg) ? [] : [{ path: ["gates", verifier, end], message: unknownName("leg", leg, legs) }]
    )
    if (unknown.length > 0 || legs.indexOf(back) <= legs.indexOf(after)) return unknown
    return [{ path: ["gates", verifier, "back"], message: `"${back}" comes after "${after}"` }]
  })

export const handoff = Pattern.make("Handoff", {
  description:
    "Agents in sequence, each given the outputs of all before it. Verifiers between them send it back with feedback.",
  options: {
    /** By verifier. Several behind one leg are asked in the order of their names: not every store keeps that of an object. */
    gates: Pattern.optional(Schema.Record(Schema.String, Gate), {}),
    returns: Pattern.optional(Natural, 3)
  },
  slots: { legs: Pattern.list(Carrying), verifiers: Pattern.record(Gating, { atLeast: 0 }) },
  validate: ({ gates, legs, verifiers }) => [
    ...twice("legs", legs),
    ...strangers(["gates"], gates, { kind: "verifier", known: Object.keys(verifiers) }),
    ...misplaced(
      legs.map(({ name }) => name),
      gates
    )
  ],
  build: (
    { gates, legs, returns, verifiers },
    name
  ): Whoever<"legs" | "verifiers", Handoff.HandoffRejected | CompensationFailed> => {
    const names = legs.map((leg) => leg.name)
    const places = Object.keys(verifiers)
      .toSorted()
      .map((verifier) => gateOf(verifier, gates, names))
    const empty: AnyHandoff = Handoff.make(name, { input: Schema.Any, feedback: Schema.Json, returns })
    return legs.reduce(
      (carried, leg) =>
        places
          .filter(({ after }) => after === leg.name)
          .reduce((gated, gate) => withGate(gated, gate, verifiers[gate.verifier]!), withLeg(carried, leg)),
      empty
    )
  }
})

type AnyHandoff = Handoff.Handoff<any, any, Schema.Json, any, any>

const withLeg = (handoff: AnyHandoff, leg: Agent.Any): AnyHandoff =>
  handoff.leg(leg.name as never, leg, { input: (baton, input, feedback) => ({ input, baton, feedback }) })

const withGate = (handoff: AnyHandoff, gate: ReturnType<typeof gateOf>, verifier: Agent.Any): AnyHandoff =>
  handoff.verify(gate.verifier, verifier, { input: (baton, input) => ({ input, baton }), back: gate.back })
