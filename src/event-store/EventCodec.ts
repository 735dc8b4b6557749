/**
 * Turns domain events into what the log stores, and back.
 *
 * The `_tag` of an event is its `type` in the envelope, everything else its
 * `data`. Codecs are derived once, when the codec is made.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import type { Json, NewEvent, StoredEvent } from "./Envelope.ts"
import { EventStoreError, StoreCorrupt } from "./EventStoreError.ts"

/**
 * A schema of tagged events that needs no services.
 *
 * @category models
 * @since 0.1.0
 */
// `any`: the encoded form is never looked at, and its variance would reject every concrete schema.
export type EventSchema = Schema.ConstraintCodec<{ readonly _tag: string }, any, never, never>

/**
 * How old shapes of an event become the current one: the first function turns
 * version 1 into version 2, and so on. The current version is one more than the
 * number of functions.
 *
 * @category models
 * @since 0.1.0
 */
export type Upcasters<Tag extends string> = {
  readonly [T in Tag]?: ReadonlyArray<(data: Schema.JsonObject) => Schema.JsonObject>
}

/**
 * Names that events had before, and the names they have today. The versions of a renamed event go on counting.
 *
 * @category models
 * @since 0.1.0
 */
export type FormerNames<Tag extends string> = { readonly [former: string]: Tag }

/**
 * A domain event and the envelope it was found in.
 *
 * @category models
 * @since 0.1.0
 */
export interface TypedEvent<A> {
  readonly event: A
  readonly stored: StoredEvent
}

/**
 * Encodes and decodes the events of one schema.
 *
 * @category models
 * @since 0.1.0
 */
export interface EventCodec<A extends { readonly _tag: string }> {
  /** The event types of the schema, and the names they had before. */
  readonly types: ReadonlyArray<string>
  /** The version in which events of a type are written today. */
  readonly versionOf: (type: string) => number
  readonly encode: (event: A) => NewEvent
  readonly decode: (stored: StoredEvent) => Result.Result<A, EventStoreError>
}

/**
 * Derives a codec from a union (or a single) of tagged structs or classes.
 *
 * **Gotchas**
 *
 * Throws if a member of the schema has no literal `_tag`, or an upcaster or a former name leads to an unknown one.
 * `encode` throws for a value that violates its own schema: all are mistakes in the program.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <S extends EventSchema>(
  schema: S,
  upcasters: Upcasters<S["Type"]["_tag"]> = {},
  formerNames: FormerNames<S["Type"]["_tag"]> = {}
): EventCodec<S["Type"]> => {
  const types = tagsOf(schema)
  const renamed = checkedNames(types, formerNames)
  const steps = new Map(Object.entries(upcasters) as Array<[string, NonNullable<Upcasters<string>[string]>]>)
  for (const tag of steps.keys()) {
    if (!types.includes(tag)) throw new Error(`an upcaster is given for "${tag}", which is no event of the schema`)
  }
  const json = Schema.toCodecJson(schema)
  const encode = Schema.encodeSync(json)
  const decode = Schema.decodeUnknownResult(json)
  const versionOf = (type: string) => (steps.get(type)?.length ?? 0) + 1

  return {
    types: [...types, ...renamed.keys()],
    versionOf,
    encode: (event) => {
      const { _tag: type, ...data } = encode(event) as Schema.JsonObject & { readonly _tag: string }
      return { type, schemaVersion: versionOf(type), data }
    },
    decode: (stored) => {
      const { data, schemaVersion } = stored
      const type = renamed.get(stored.type) ?? stored.type
      if (!isObject(data)) return corrupt(stored, "its data is not an object")
      if (schemaVersion > versionOf(type)) {
        return corrupt(stored, `it has version ${schemaVersion} of its shape, this program knows ${versionOf(type)}`)
      }
      let current = data
      for (const upcast of steps.get(type)?.slice(schemaVersion - 1) ?? []) current = upcast(current)
      const decoded = decode({ ...current, _tag: type })
      return Result.isSuccess(decoded)
        ? Result.succeed(decoded.success)
        : corrupt(stored, decoded.failure.message, decoded.failure)
    }
  }
}

/**
 * Decodes a page of events, or fails at the first that does not decode.
 *
 * @category combinators
 * @since 0.1.0
 */
export const decodeAll = <A extends { readonly _tag: string }>(
  codec: EventCodec<A>,
  page: ReadonlyArray<StoredEvent>
): Effect.Effect<Array<TypedEvent<A>>, EventStoreError> =>
  Effect.suspend(() => {
    const events: Array<TypedEvent<A>> = []
    for (const stored of page) {
      const decoded = codec.decode(stored)
      if (Result.isFailure(decoded)) return Effect.fail(decoded.failure)
      events.push({ event: decoded.success, stored })
    }
    return Effect.succeed(events)
  })

const checkedNames = (types: ReadonlyArray<string>, formerNames: FormerNames<string>): ReadonlyMap<string, string> => {
  for (const [former, name] of Object.entries(formerNames)) {
    if (!types.includes(name))
      throw new Error(`"${former}" is said to be "${name}" today, which is no event of the schema`)
    if (types.includes(former))
      throw new Error(`"${former}" is an event of the schema, and cannot be a former name of "${name}"`)
  }
  return new Map(Object.entries(formerNames))
}

const isObject = (data: Json): data is Schema.JsonObject =>
  typeof data === "object" && data !== null && !Array.isArray(data)

const corrupt = (stored: StoredEvent, why: string, cause?: unknown): Result.Result<never, EventStoreError> =>
  Result.fail(
    new EventStoreError({
      reason: new StoreCorrupt({
        operation: "decode an event",
        detail: `event ${stored.version} of stream "${stored.stream}" (${stored.type}): ${why}`,
        ...(cause !== undefined && { cause })
      })
    })
  )

const tagsOf = (schema: EventSchema): ReadonlyArray<string> => {
  const { ast } = Schema.toEncoded(schema)
  return (SchemaAST.isUnion(ast) ? ast.types : [ast]).map((member) => {
    const tag = SchemaAST.isObjects(member)
      ? member.propertySignatures.find(({ name }) => name === "_tag")?.type
      : undefined
    if (tag === undefined || !SchemaAST.isLiteral(tag)) throw new Error("every event of a stream needs a literal _tag")
    return String(tag.literal)
  })
}
