/**
 * How a document lies in a file: `collection/id.json`, with everything that is known of it.
 *
 * Names are made of letters that every file system keeps apart: all but `a-z 0-9 _ -` is escaped, capitals, too, and
 * long names are cut into directories. So the name of a file tells its document and nothing else.
 */
import type { Staged } from "./MemoryPersistence.ts"

/** A file that is no document of ours, or is no longer. */
export class ForeignFile extends Error {
  constructor(name: string, why: string) {
    super(`the file "${name}" ${why}`)
  }
}

/** Most file systems allow 255 bytes for one part of a path. */
const partLength = 200

const escaped = (name: string): string =>
  name === ""
    ? "%"
    : name.replaceAll(/[^a-z0-9_-]/g, (unit) => {
        const code = unit.charCodeAt(0)
        return code < 256 ? `%${code.toString(16).padStart(2, "0")}` : `%u${code.toString(16).padStart(4, "0")}`
      })

/** A part that goes on in the next one ends with a plus sign, which no escaped name has. */
const partsOf = (name: string): string =>
  Array.from({ length: Math.ceil(escaped(name).length / partLength) }, (_, index) =>
    escaped(name).slice(index * partLength, (index + 1) * partLength)
  ).join("+/")

/** Where a document lies, relative to the directory of the store. */
export const nameOf = (collection: string, id: string): string => `${partsOf(collection)}/${partsOf(id)}.json`

/** The text of a document's file. */
export const encode = (staged: Staged): string => `${JSON.stringify(plain(staged), undefined, 2)}\n`

/** The document in a file, or the reason why there is none. Throws `ForeignFile`. */
export const decode = (name: string, text: string): Staged => {
  const stored = fromPlain(name, parse(name, text))
  if (nameOf(stored.collection, stored.entry.id) !== name) {
    throw new ForeignFile(name, "holds a document that belongs into another file")
  }
  return stored
}

/** The text of several documents that are one commit. */
export const encodeAll = (staged: ReadonlyArray<Staged>): string => JSON.stringify(staged.map(plain))

/** The documents of a commit. Throws `ForeignFile`. */
export const decodeAll = (name: string, text: string): ReadonlyArray<Staged> => {
  const values = parse(name, text)
  if (!Array.isArray(values)) throw new ForeignFile(name, "holds no list of documents")
  return values.map((value) => fromPlain(name, value))
}

const plain = ({ collection, entry }: Staged) => ({ collection, ...entry })

const parse = (name: string, text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    throw new ForeignFile(name, "is torn, or was never JSON")
  }
}

const fromPlain = (name: string, value: unknown): Staged => {
  if (!isObject(value)) throw new ForeignFile(name, "holds no document")
  const { body, collection, expiresAt, id, version } = value
  const isComplete =
    typeof collection === "string" &&
    typeof id === "string" &&
    Number.isSafeInteger(version) &&
    isObject(body) &&
    (expiresAt === undefined || typeof expiresAt === "number")
  if (!isComplete) throw new ForeignFile(name, "holds no document")
  return { collection, entry: { id, version, body, expiresAt } as Staged["entry"] }
}

const isObject = (value: unknown): value is { readonly [key: string]: unknown } =>
  typeof value === "object" && value !== null && !Array.isArray(value)
