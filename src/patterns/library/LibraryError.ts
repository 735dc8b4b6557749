/** How an agent can fail to be made from data. */
import * as Schema from "effect/Schema"
import { Issue, lines } from "../pattern/PatternInvalid.ts"

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
