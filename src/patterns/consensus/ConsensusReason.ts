/** Why votes lead to no decision. */
import * as Schema from "effect/Schema"

const Options = Schema.Array(Schema.String)

/** Several options share the first place. */
export const Tie = Schema.TaggedStruct("Tie", { options: Options })
/** No option has as many votes as the rule asks for. `votes`: those of the leading one. */
export const Split = Schema.TaggedStruct("Split", { votes: Schema.Number, needed: Schema.Number })
/** Fewer members voted than the rule asks for. */
export const QuorumMissed = Schema.TaggedStruct("QuorumMissed", { cast: Schema.Int, needed: Schema.Int })
/** Each of these options loses to another one of them, and none loses to an option outside. */
export const Cycle = Schema.TaggedStruct("Cycle", { options: Options })

export const Reason = Schema.Union([Tie, Split, QuorumMissed, Cycle])
export type Reason = typeof Reason.Type

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
