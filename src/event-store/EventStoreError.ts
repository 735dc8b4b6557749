/** What can go wrong between a program and its log. */
import * as Schema from "effect/Schema"

/**
 * Somebody else appended first. Read again and decide again.
 *
 * @category errors
 * @since 0.1.0
 */
export class VersionConflict extends Schema.TaggedError<VersionConflict>()("VersionConflict", {
  stream: Schema.String,
  expected: Schema.Union([Schema.Int, Schema.Literals(["NoStream", "StreamExists", "Any"])]),
  actual: Schema.Int
}) {
  override get message(): string {
    return `Stream "${this.stream}" was expected at version ${this.expected} but is at ${this.actual}.`
  }
}

/**
 * A document that an append carried has another version than expected. Nothing was written.
 *
 * @category errors
 * @since 0.1.0
 */
export class DocumentConflict extends Schema.TaggedError<DocumentConflict>()("DocumentConflict", {
  collection: Schema.String,
  id: Schema.String
}) {
  override get message(): string {
    return `Document "${this.id}" of "${this.collection}" was changed by somebody else, so the append was not made.`
  }
}

/**
 * Documents were to be put in the commit of an append, but the backend keeps documents and events apart.
 *
 * @category errors
 * @since 0.1.0
 */
export class DocumentsUnsupported extends Schema.TaggedError<DocumentsUnsupported>()("DocumentsUnsupported", {
  /** Who wanted it. */
  subject: Schema.String
}) {
  override get message(): string {
    return `${this.subject} needs documents and events in one store, which this backend has not.`
  }
}

/**
 * The stream was deleted: it can be neither read nor appended to, ever again.
 *
 * @category errors
 * @since 0.1.0
 */
export class StreamDeleted extends Schema.TaggedError<StreamDeleted>()("StreamDeleted", {
  stream: Schema.String
}) {
  override get message(): string {
    return `Stream "${this.stream}" was deleted.`
  }
}

/**
 * The store cannot be reached or refuses to work right now.
 *
 * @category errors
 * @since 0.1.0
 */
export class StoreUnavailable extends Schema.TaggedError<StoreUnavailable>()("StoreUnavailable", {
  operation: Schema.String,
  retryable: Schema.Boolean,
  /** Why, as the second half of a sentence. */
  detail: Schema.optionalKey(Schema.String),
  cause: Schema.Defect()
}) {
  override get message(): string {
    const why = this.detail === undefined ? "" : `: ${this.detail}`
    return `The event store could not ${this.operation}${why}${this.retryable ? "; trying again may help" : ""}.`
  }
}

/**
 * What lies in the store is not what was written: a torn file, a foreign schema, an event that does not decode.
 *
 * @category errors
 * @since 0.1.0
 */
export class StoreCorrupt extends Schema.TaggedError<StoreCorrupt>()("StoreCorrupt", {
  operation: Schema.String,
  detail: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message(): string {
    return `The event store could not ${this.operation}: ${this.detail}.`
  }
}

/**
 * An operation on the log failed for the given reason; nothing was half done.
 *
 * @category errors
 * @since 0.1.0
 */
export class EventStoreError extends Schema.TaggedError<EventStoreError>()("EventStoreError", {
  reason: Schema.Union([StoreUnavailable, StoreCorrupt, StreamDeleted])
}) {
  override get message(): string {
    return this.reason.message
  }
}
