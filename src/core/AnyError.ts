/**
 * A failure or defect that no schema knows, as JSON.
 *
 * Of an error name, message and cause are kept, and of a tagged one its fields, `_tag` among them, so that whoever reads it back can
 * still tell what it was; class and stack are not. Other errors carry whatever their library puts there, such as a request with its
 * headers: it is left out. What is no error is kept as far as JSON can hold it.
 */
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as SchemaParser from "effect/SchemaParser"
import * as SchemaTransformation from "effect/SchemaTransformation"

const defect = Schema.toCodecJson(Schema.Defect())
const encodeDefect = SchemaParser.encodeUnknownSync(defect)
const decodeDefect = SchemaParser.decodeUnknownSync(defect)

/** Kept by themselves. */
const ordinary = new Set(["name", "message", "stack", "cause"])

const encodeError = (error: Error, around: ReadonlyArray<Error>): Schema.Json => {
  if (around.includes(error)) return "[Circular]"
  const inside = [...around, error]
  const encoded: Record<string, Schema.Json> = { name: error.name, message: String(error.message) }
  if (error.cause !== undefined) encoded["cause"] = encodeValue(error.cause, inside)
  if (isTagged(error)) {
    const fields = Object.entries(error).filter(([key, value]) => !ordinary.has(key) && value !== undefined)
    encoded["fields"] = encodeEntries([["_tag", error._tag], ...fields], inside)
  }
  return encoded
}

const isTagged = (error: Error): error is Error & { readonly _tag: string } =>
  "_tag" in error && typeof error._tag === "string"

const encodeEntries = (
  entries: ReadonlyArray<readonly [string, unknown]>,
  around: ReadonlyArray<Error>
): Record<string, Schema.Json> =>
  Object.fromEntries(entries.map(([key, value]) => [key, encodeValue(value, around)] as const))

const encodeValue = (value: unknown, around: ReadonlyArray<Error>): Schema.Json => {
  if (Predicate.isError(value)) return encodeError(value, around)
  // Only among these may there be errors; the rest cannot be circular, or is no JSON at all.
  if (around.length > 0 && Array.isArray(value) && value.some(Predicate.isError)) {
    return value.map((each) => encodeValue(each, around))
  }
  return encodeDefect(value)
}

export const decode = (json: Schema.Json): unknown => {
  if (!isEncodedError(json)) return decodeDefect(json)
  const { cause, fields, ...rest } = json
  const error = decodeDefect(rest) as Error
  if (cause !== undefined) error.cause = decode(cause)
  if (isRecord(fields)) {
    for (const [key, value] of Object.entries(fields)) Object.assign(error, { [key]: decodeField(value) })
  }
  return error
}

const decodeField = (json: Schema.Json): unknown =>
  Array.isArray(json) && json.some(isEncodedError) ? json.map(decode) : isEncodedError(json) ? decode(json) : json

const isRecord = (json: unknown): json is { readonly [key: string]: Schema.Json } =>
  Predicate.isObject(json) && !Array.isArray(json)

const isEncodedError = (json: Schema.Json): json is { readonly [key: string]: Schema.Json } =>
  isRecord(json) && typeof json["message"] === "string" && typeof json["name"] === "string"

/** Encodes without failing. */
export const encode = (error: unknown): Schema.Json => encodeValue(error, [])

/** Any value, stored so. */
export const AnyError = Schema.Json.pipe(
  Schema.decodeTo(Schema.Unknown, SchemaTransformation.transform({ decode, encode }))
)
