/**
 * The document store: read models, checkpoints and leases. `(collection, id)` → JSON document with a version.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/**
 * The document store cannot be reached, refuses to work, or holds what cannot be read.
 *
 * @category errors
 * @since 0.1.0
 */
export class PersistenceError extends Schema.TaggedError<PersistenceError>()("PersistenceError", {
  operation: Schema.String,
  retryable: Schema.Boolean,
  /** Why, as the second half of a sentence. */
  detail: Schema.optionalKey(Schema.String),
  cause: Schema.Defect()
}) {
  override get message(): string {
    const why = this.detail === undefined ? "" : `: ${this.detail}`
    return `The document store could not ${this.operation}${why}${this.retryable ? "; trying again may help" : ""}.`
  }
}

/**
 * A document as it is read.
 *
 * @category models
 * @since 0.1.0
 */
export interface Document {
  readonly id: string
  /** 1 for a new document, one more with each put. */
  readonly version: number
  readonly body: Schema.JsonObject
}

/**
 * A document on its way into the store.
 *
 * @category models
 * @since 0.1.0
 */
export interface Put {
  readonly collection: string
  readonly id: string
  readonly body: Schema.JsonObject
  /** Put only if the stored version is this one; 0: only if there is none. Left out: always. */
  readonly expected?: number
  /** Instant, in milliseconds since the Unix epoch, after which the document is gone. */
  readonly expiresAt?: number
}

/**
 * Which documents of a collection to read, in which order.
 *
 * **Details**
 *
 * Values are compared with their JSON type: `1` is neither `"1"` nor `true`. A missing field is `null`. Ordered by a
 * field, documents without it come first, then numbers, then text by code point.
 *
 * @category models
 * @since 0.1.0
 */
export interface Query {
  /** Keep documents whose top-level field equals the value, or one of the values. */
  readonly where?: { readonly [field: string]: Schema.Json | ReadonlyArray<Schema.Json> }
  /** Order by this top-level field, then by id. Default: by id. */
  readonly orderBy?: string
  readonly descending?: boolean
  /** At most so many. Default 100. */
  readonly limit?: number
  readonly offset?: number
}

/**
 * The document store. Every write is durable when it succeeds.
 *
 * The invariants P1 to P12 are stated and checked by `testing/conformance/PersistenceConformance.ts`.
 *
 * @category services
 * @since 0.1.0
 */
export class Persistence extends Context.Service<
  Persistence,
  {
    readonly get: (collection: string, id: string) => Effect.Effect<Document | undefined, PersistenceError>
    /**
     * All or none, in one commit. `false`: some `expected` did not hold, and nothing was written. Later puts of one call
     * see the earlier ones.
     */
    readonly putAll: (puts: ReadonlyArray<Put>) => Effect.Effect<boolean, PersistenceError>
    readonly delete: (collection: string, id: string) => Effect.Effect<void, PersistenceError>
    readonly query: (collection: string, query?: Query) => Effect.Effect<ReadonlyArray<Document>, PersistenceError>
    /**
     * Makes queries by these top-level fields quick. Changes no answer, and to ask again costs little. Left out by a store
     * that is as quick without.
     */
    readonly index?: (collection: string, fields: ReadonlyArray<string>) => Effect.Effect<void, PersistenceError>
    /** Gives back the room of expired documents. Nobody can see the difference. Left out by a store that does so by itself. */
    readonly purge?: Effect.Effect<void, PersistenceError>
  }
>()("tutti/persistence/Persistence") {}

/**
 * Declares that a collection is queried, or ordered, by these fields. A store that has no use for it does nothing.
 *
 * @category combinators
 * @since 0.1.0
 */
export const index = (
  collection: string,
  fields: ReadonlyArray<string>
): Effect.Effect<void, PersistenceError, Persistence> =>
  Persistence.use((persistence) => persistence.index?.(collection, fields) ?? Effect.void)
