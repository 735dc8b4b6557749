/** Why votes lead to no decision. */
import * as Schema from "effect/Schema"

/** Several options share the first place. */
const tie = <O extends Schema.Constraint>(option: O) => Schema.TaggedStruct("Tie", { options: Schema.Array(option) })
/** No option has as many votes as the rule asks for. `votes`: those of the leading one. */
const Split = Schema.TaggedStruct("Split", { votes: Schema.Number, needed: Schema.Number })
/** Fewer members voted than the rule asks for. */
const QuorumMissed = Schema.TaggedStruct("QuorumMissed", { cast: Schema.Int, needed: Schema.Int })
/** Each of these options loses to another one of them, and none loses to an option outside. */
const cycle = <O extends Schema.Constraint>(option: O) =>
  Schema.TaggedStruct("Cycle", { options: Schema.Array(option) })

/** The schema of a reason, for these options. */
export const reasonFor = <O extends Schema.Constraint>(option: O) =>
  Schema.Union([tie(option), Split, QuorumMissed, cycle(option)])

export const Reason = reasonFor(Schema.String)
export type Reason<Option extends string = string> =
  | typeof Split.Type
  | typeof QuorumMissed.Type
  | { readonly _tag: "Tie"; readonly options: ReadonlyArray<Option> }
  | { readonly _tag: "Cycle"; readonly options: ReadonlyArray<Option> }

/** As the end of a sentence: "… because …". */
export const describe = (reason: Reason): string => {
  switch (reason._tag) {
    case "Tie":
      return `${quoted(reason.options)} are tied`
    case "Split":
      return `the leading option has ${reason.votes} of the ${reason.needed} votes needed`
    case "QuorumMissed":
      return `${reason.cast} voted where ${reason.needed} must`
    case "Cycle":
      return `${quoted(reason.options)} beat each other in a circle`
  }
}

/** In a sentence a few names say enough. */
const named = 5

const quoted = (options: ReadonlyArray<string>): string => {
  const names = options.slice(0, named).map((option) => `"${option}"`)
  return `${names.join(", ")}${options.length > named ? ` and ${options.length - named} more` : ""}`
}
