/**
 * Strings that PostgreSQL can hold, for strings that it cannot.
 *
 * Its text has neither U+0000 nor half a surrogate pair. Both are written as an escape character and a second one, and so
 * are the escape characters themselves, such that the order of code points and the prefixes of a string stay what they
 * were: names can still be sorted and found by their beginnings. All other strings are themselves.
 *
 *   U+0000 → U+0001 U+0001      a half → U+E000 and the half's place after U+0001
 *   U+0001 → U+0001 U+0002      U+E000 → U+E000 U+FFFF
 */
import type * as Schema from "effect/Schema"

// oxlint-disable-next-line no-control-regex
const odd = /[\0\u0001\ud800-\udfff\ue000]/gu
/** Finds them, and whole pairs as well, in less time. */
// oxlint-disable-next-line no-control-regex
const perhapsOdd = /[\0\u0001\ud800-\udfff\ue000]/
// oxlint-disable-next-line no-control-regex
const escaped = /[\u0001\ue000]./gsu

const firstHalf = 0xd800
const halves = 0x0100

const escape = (character: string): string => {
  if (character === "\0") return "\u0001\u0001"
  if (character === "\u0001") return "\u0001\u0002"
  if (character === "\ue000") return "\ue000\uffff"
  return `\ue000${String.fromCharCode(character.charCodeAt(0) - firstHalf + halves)}`
}

const unescape = (pair: string): string => {
  if (pair === "\u0001\u0001") return "\0"
  if (pair === "\u0001\u0002") return "\u0001"
  if (pair === "\ue000\uffff") return "\ue000"
  return String.fromCharCode(pair.charCodeAt(1) - halves + firstHalf)
}

/** What PostgreSQL stores for a string. */
export const toText = (text: string): string => (text.search(perhapsOdd) < 0 ? text : text.replace(odd, escape))

/** The string of which PostgreSQL has stored this. */
export const fromText = (text: string): string => text.replace(escaped, unescape)

/** What can stand for an odd character in JSON text: `JSON.stringify` writes all but U+E000 as an escape sequence. */
const oddJson = /\\u000[01]|\\u[dD][89a-fA-F]|\ue000/

/** What PostgreSQL stores as JSONB for a document. */
export const toJson = (value: Schema.Json): string => {
  const json = JSON.stringify(value)
  return oddJson.test(json) ? JSON.stringify(mapText(value, toText)) : json
}

/** The document of which PostgreSQL has stored this. */
export const fromJson = (json: string): Schema.Json => {
  const value = JSON.parse(json) as Schema.Json
  return oddJson.test(json) ? mapText(value, fromText) : value
}

const mapText = (value: Schema.Json, f: (text: string) => string): Schema.Json => {
  if (typeof value === "string") return f(value)
  if (typeof value !== "object" || value === null) return value
  if (Array.isArray(value)) return (value as ReadonlyArray<Schema.Json>).map((one) => mapText(one, f))
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [f(key), mapText(one as Schema.Json, f)]))
}
