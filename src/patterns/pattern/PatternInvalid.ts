/** What is wrong with an instance of a pattern, all of it at once. */
import * as Schema from "effect/Schema"

/** One mistake, and where it stands in the options or slots. */
export const Issue = Schema.Struct({
  path: Schema.Array(Schema.Union([Schema.String, Schema.Number])),
  message: Schema.String
})
export type Issue = typeof Issue.Type

const place = (path: Issue["path"]): string =>
  path.reduce<string>((text, key) => text + (typeof key === "number" ? `[${key}]` : text === "" ? key : `.${key}`), "")

/** `members[2].name: …`, a line for each. */
export const lines = (issues: ReadonlyArray<Issue>): ReadonlyArray<string> =>
  issues.map(({ message, path }) => (path.length === 0 ? message : `${place(path)}: ${message}`))

/**
 * An instance of a pattern does not match its options, slots or rules.
 *
 * @category errors
 * @since 0.1.0
 */
export class PatternInvalid extends Schema.TaggedError<PatternInvalid>()("PatternInvalid", {
  pattern: Schema.String,
  /** Name of the instance. */
  instance: Schema.String,
  issues: Schema.Array(Issue),
  /** What the pattern threw when it was to build the instance, if that is what is wrong. */
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message(): string {
    return `"${this.instance}" is no valid ${this.pattern}: ${lines(this.issues).join("; ")}.`
  }
}
