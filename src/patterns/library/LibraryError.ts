/** How an agent can fail to be made from data, and a pattern to be found by a name in it. */
import * as Schema from "effect/Schema"
import { Issue, lines } from "../pattern/PatternInvalid.ts"
import { nearest, unknownName } from "./UnknownName.ts"

/**
 * The data makes no agent. All that is wrong with it, at once.
 *
 * @category errors
 * @since 0.1.0
 */
export class InstanceInvalid extends Schema.TaggedError<InstanceInvalid>()("InstanceInvalid", {
  /** Name of the outermost instance, if it has one. */
  instance: Schema.optionalKey(Schema.String),
  issues: Schema.NonEmptyArray(Issue)
}) {
  override get message(): string {
    const what = this.instance === undefined ? "The data" : `The data of "${this.instance}"`
    return `${what} makes no agent: ${lines(this.issues).join("; ")}.`
  }
}

/**
 * The text is neither JSON nor YAML.
 *
 * @category errors
 * @since 0.1.0
 */
export class DocumentUnreadable extends Schema.TaggedError<DocumentUnreadable>()("DocumentUnreadable", {
  /** What the parser found, with the line if it names one. */
  issue: Schema.String
}) {
  override get message(): string {
    return `The document is neither JSON nor YAML: ${this.issue}.`
  }
}

/**
 * The library has no pattern of this name.
 *
 * @category errors
 * @since 0.1.0
 */
export class PatternUnknown extends Schema.TaggedError<PatternUnknown>()("PatternUnknown", {
  pattern: Schema.String,
  /** Where the name stands in the data it comes from. Empty: it is all there is. */
  path: Issue.fields.path,
  /** Names of the patterns there are. */
  patterns: Schema.Array(Schema.String)
}) {
  /** What was probably meant. */
  get meant(): string | undefined {
    return nearest(this.pattern, this.patterns)
  }
  override get message(): string {
    return lines([{ path: this.path, message: unknownName("pattern", this.pattern, this.patterns) }]).join()
  }
}
