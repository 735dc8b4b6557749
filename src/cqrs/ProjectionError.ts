/** What can go wrong between the log and its read models. */
import * as Schema from "effect/Schema"

/**
 * A projection cannot take an event, and stands still before it rather than skip it.
 *
 * @category errors
 * @since 0.1.0
 */
export class ProjectionFailed extends Schema.TaggedError<ProjectionFailed>()("ProjectionFailed", {
  projection: Schema.String,
  stream: Schema.String,
  /** Of the event in its stream. */
  version: Schema.Int,
  type: Schema.String,
  /** Why, as the second half of a sentence. */
  detail: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message(): string {
    const event = `event ${this.version} of stream "${this.stream}" (${this.type})`
    return `Projection "${this.projection}" stands still before ${event}: ${this.detail}.`
  }
}

/**
 * The first documents of a projection are still being made.
 *
 * @category errors
 * @since 0.1.0
 */
export class ProjectionNotReady extends Schema.TaggedError<ProjectionNotReady>()("ProjectionNotReady", {
  projection: Schema.String,
  version: Schema.Int
}) {
  override get message(): string {
    return `Version ${this.version} of projection "${this.projection}" is being built and cannot be asked yet.`
  }
}

/**
 * A projection has not come as far as was waited for.
 *
 * @category errors
 * @since 0.1.0
 */
export class PositionNotReached extends Schema.TaggedError<PositionNotReached>()("PositionNotReached", {
  projection: Schema.String,
  position: Schema.Int,
  reached: Schema.Int
}) {
  override get message(): string {
    return `Projection "${this.projection}" was awaited at position ${this.position} but has only come to ${this.reached}.`
  }
}
