/**
 * The document store in the memory of one process: for tests, scripts and simulations.
 *
 * **Gotchas**
 *
 * Nothing survives the process. Bodies are kept as they are given, not copied:
 * do not change one after a put.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import { type Document, Persistence, type Put, type Query } from "./Persistence.ts"

interface Entry extends Document {
  readonly expiresAt: number | undefined
}

/**
 * A document as it is going to be, once the puts of a commit are made.
 *
 * @category models
 * @since 0.1.0
 */
export interface Staged {
  readonly collection: string
  readonly entry: Entry
}

/**
 * What a memory document store remembers.
 *
 * @category models
 * @since 0.1.0
 */
export class MemoryDocuments {
  private readonly collections = new Map<string, Map<string, Entry>>()

  /** @internal */
  find(collection: string, id: string, now: number): Entry | undefined {
    const entry = this.collections.get(collection)?.get(id)
    return entry !== undefined && isLive(entry, now) ? entry : undefined
  }

  /** @internal */
  all(collection: string): Map<string, Entry> {
    let documents = this.collections.get(collection)
    if (documents === undefined) this.collections.set(collection, (documents = new Map()))
    return documents
  }

  /** @internal */
  set({ collection, entry }: Staged): void {
    this.all(collection).set(entry.id, entry)
  }

  /** @internal */
  expired(now: number): ReadonlyArray<Staged> {
    const expired: Array<Staged> = []
    for (const [collection, entries] of this.collections) {
      for (const entry of entries.values()) if (!isLive(entry, now)) expired.push({ collection, entry })
    }
    return expired
  }
}

/**
 * Makes an empty state.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeState = (): MemoryDocuments => new MemoryDocuments()

/**
 * Makes a document store over a state.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (state: MemoryDocuments): Persistence["Service"] =>
  Persistence.of({
    get: (collection, id) => withNow((now) => documentOf(state.find(collection, id, now))),
    putAll: (puts) => withNow((now) => put(state, puts, now) === undefined),
    delete: (collection, id) => Effect.sync(() => void state.all(collection).delete(id)),
    purge: withNow((now) => {
      for (const { collection, entry } of state.expired(now)) state.all(collection).delete(entry.id)
    }),
    query: (collection, query) => withNow((now) => select(state.all(collection), query ?? {}, now))
  })

/**
 * A document store over the given state.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerOf = (state: MemoryDocuments): Layer.Layer<Persistence> => Layer.sync(Persistence, () => make(state))

const withNow = <A>(f: (now: number) => A): Effect.Effect<A> => Effect.map(Clock.currentTimeMillis, f)

const documentOf = (entry: Entry | undefined): Document | undefined =>
  entry && { id: entry.id, version: entry.version, body: entry.body }

const isLive = (entry: Entry, now: number): boolean => entry.expiresAt === undefined || entry.expiresAt > now

/**
 * Puts all documents, or none: then answers the first whose expectation does not hold. The event store puts documents
 * so, in the commit of an append.
 */
export const put = (state: MemoryDocuments, puts: ReadonlyArray<Put>, now: number): Put | undefined => {
  const staged = stage(state, puts, now)
  if (Result.isFailure(staged)) return staged.failure
  for (const document of staged.success) {
    if (isLive(document.entry, now)) state.set(document)
    // So is a document removed in the commit of others: it must not stay in memory until somebody purges.
    else state.all(document.collection).delete(document.entry.id)
  }
  return undefined
}

/** What the puts would make of the documents, each of them once; or the first whose expectation does not hold. */
export const stage = (
  state: MemoryDocuments,
  puts: ReadonlyArray<Put>,
  now: number
): Result.Result<ReadonlyArray<Staged>, Put> => {
  // Later puts of one call see the earlier ones, as they would in a transaction.
  const staged = new Map<string, Staged>()
  for (const one of puts) {
    const { body, collection, expected, expiresAt, id } = one
    const key = JSON.stringify([collection, id])
    const version = (staged.get(key)?.entry ?? state.find(collection, id, now))?.version ?? 0
    if (expected !== undefined && expected !== version) return Result.fail(one)
    staged.set(key, { collection, entry: { id, version: version + 1, body, expiresAt } })
  }
  return Result.succeed([...staged.values()])
}

const select = (documents: ReadonlyMap<string, Entry>, query: Query, now: number): ReadonlyArray<Document> => {
  const where = Object.entries(query.where ?? {})
  const found: Array<Entry> = []
  for (const entry of documents.values()) {
    if (isLive(entry, now) && where.every(([field, wanted]) => matches(entry.body[field], wanted))) found.push(entry)
  }
  found.sort(order(query))
  const offset = query.offset ?? 0
  return found.slice(offset, offset + (query.limit ?? 100)).map((entry) => documentOf(entry)!)
}

/** A missing field and `null` are the same, as in SQL's JSON functions. */
export const matches = (value: Schema.Json | undefined, wanted: Schema.Json | ReadonlyArray<Schema.Json>): boolean =>
  Array.isArray(wanted) ? wanted.some((one) => (value ?? null) === one) : (value ?? null) === wanted

export const order =
  ({ descending, orderBy }: Query) =>
  (left: Entry, right: Entry): number => {
    const direction = descending ? -1 : 1
    const byField = orderBy === undefined ? 0 : compare(left.body[orderBy] ?? null, right.body[orderBy] ?? null)
    return direction * (byField !== 0 ? byField : compareText(left.id, right.id))
  }

/** Nothing, then numbers (and booleans), then text: SQLite's order of types. */
const compare = (left: Schema.Json, right: Schema.Json): number => {
  const difference = rank(left) - rank(right)
  if (difference !== 0) return difference
  return typeof left === "string" ? compareText(left, String(right)) : Number(left) - Number(right)
}

const rank = (value: Schema.Json): number => (value === null ? 0 : typeof value === "string" ? 2 : 1)

/** By code point, not by UTF-16 unit: what a database with UTF-8 does. */
const compareText = (left: string, right: string): number => {
  if (left === right) return 0
  const rights = right[Symbol.iterator]()
  for (const one of left) {
    const other = rights.next()
    if (other.done) return 1
    if (one !== other.value) return one.codePointAt(0)! - other.value.codePointAt(0)!
  }
  return -1
}
