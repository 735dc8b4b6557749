/** Queries of the document store in Redis: which ids to look at, and which documents of them to keep. */
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import { matches, order } from "./MemoryPersistence.ts"
import type { Document, Query } from "./Persistence.ts"
import * as Client from "./RedisClient.ts"
import * as Documents from "./RedisDocuments.ts"

/** Ids of a collection in order: all of them, or those at one value of an index. */
interface Range {
  readonly key: string
  readonly min: string
  readonly max: string
  /** Bytes of a member before its id. */
  readonly skip: number
}

interface Page {
  readonly documents: ReadonlyArray<Documents.Record>
  readonly rest: Range | undefined
}

/** How many documents are read at a time. */
const pageSize = 200

/** Answers one page: the members of a range and the records they name. */
const pageScript = Client.script(
  (range: Range, documents: string, end: { readonly reverse: boolean; readonly max: number }) => [
    range.key,
    documents,
    end.reverse ? range.max : range.min,
    end.reverse ? range.min : range.max,
    end.reverse ? "ZREVRANGEBYLEX" : "ZRANGEBYLEX",
    end.max,
    range.skip
  ],
  {
    numberOfKeys: 2,
    lua: `
local members = redis.call(ARGV[3], KEYS[1], ARGV[1], ARGV[2], 'LIMIT', 0, ARGV[4])
if #members == 0 then return {} end
local ids = {}
for k, member in ipairs(members) do ids[k] = string.sub(member, ARGV[5] + 1) end
local records = redis.call('HMGET', KEYS[2], unpack(ids))
local page = {}
for k, record in ipairs(records) do
  page[#page + 1] = members[k]
  page[#page + 1] = ids[k]
  page[#page + 1] = record or ''
end
return page`
  }
).withReturnType<ReadonlyArray<string>>()

/** Reads documents of the store. */
export class RedisQuery {
  private readonly redis: Client.Redis["Service"]
  private readonly documents: Documents.RedisDocuments
  constructor(redis: Client.Redis["Service"], documents: Documents.RedisDocuments) {
    this.redis = redis
    this.documents = documents
  }

  /** What a query answers. */
  select(collection: string, query: Query, now: number): Effect.Effect<ReadonlyArray<Document>, Client.RedisError> {
    const offset = query.offset ?? 0
    const end = offset + (query.limit ?? 100)
    // Each range comes in the order of ids: without another order, its first documents are enough.
    const enough = query.orderBy === undefined ? end : Infinity
    const keep = (document: Documents.Record) => isLive(document, now) && matchesAll(document, query)
    return Effect.gen({ self: this }, function* () {
      const ranges = yield* this.ranges(collection, query)
      const found: Array<Documents.Record> = []
      for (const range of ranges) {
        const some = yield* this.read(collection, range, { reverse: query.descending ?? false, enough, keep })
        for (const document of some) found.push(document)
      }
      if (ranges.length > 1 || query.orderBy !== undefined) found.sort(order(query))
      return found.slice(offset, end).map(({ body, id, version }) => ({ id, version, body }))
    })
  }

  /** All documents of a collection in pages, expired ones too. */
  readonly pages = (
    collection: string,
    each: (page: ReadonlyArray<Documents.Record>) => Effect.Effect<void, Client.RedisError>
  ): Effect.Effect<void, Client.RedisError> =>
    Effect.gen({ self: this }, function* () {
      let range: Range | undefined = this.all(collection)
      while (range !== undefined) {
        const page: Page = yield* this.page(collection, range, false)
        if (page.documents.length > 0) yield* each(page.documents)
        range = page.rest
      }
    })

  private read(
    collection: string,
    first: Range,
    options: {
      readonly reverse: boolean
      readonly enough: number
      readonly keep: (document: Documents.Record) => boolean
    }
  ): Effect.Effect<ReadonlyArray<Documents.Record>, Client.RedisError> {
    return Effect.gen({ self: this }, function* () {
      const found: Array<Documents.Record> = []
      let range: Range | undefined = first
      while (range !== undefined && found.length < options.enough) {
        const page: Page = yield* this.page(collection, range, options.reverse)
        for (const document of page.documents) if (options.keep(document)) found.push(document)
        range = page.rest
      }
      return found
    })
  }

  private page(collection: string, range: Range, reverse: boolean): Effect.Effect<Page, Client.RedisError> {
    const script = this.redis.eval(pageScript)
    const read = script(range, this.documents.documents(collection), { reverse, max: pageSize })
    return Effect.flatMap(read, (flat) => {
      const last = flat.length === pageSize * 3 ? flat.at(-3) : undefined
      const rest = last === undefined ? undefined : { ...range, [reverse ? "max" : "min"]: `(${last}` }
      const records: Array<Effect.Effect<Documents.Record, Client.RedisError>> = []
      for (let index = 0; index < flat.length; index += 3) {
        records.push(Documents.decode(flat[index + 1]!, flat[index + 2]!))
      }
      return Effect.map(Effect.all(records), (documents) => ({ documents, rest }))
    })
  }

  private all(collection: string): Range {
    return { key: this.documents.ids(collection), min: "-", max: "+", skip: 0 }
  }

  /** The ranges of the index that leaves the fewest candidates, or all ids. */
  private ranges(collection: string, query: Query): Effect.Effect<ReadonlyArray<Range>, Client.RedisError> {
    const where = Object.entries(query.where ?? {})
    if (where.length === 0) return Effect.succeed([this.all(collection)])
    return Effect.gen({ self: this }, function* () {
      const { ready } = yield* this.documents.known(collection)
      let best: { readonly ranges: ReadonlyArray<Range>; readonly size: number } | undefined
      for (const [field, wanted] of where) {
        if (!ready.has(field)) continue
        const key = this.documents.index(collection, field)
        const ranges = valuesOf(wanted).map((value) => rangeOf(key, value))
        const sizes = yield* Effect.forEach(ranges, ({ key, max, min }) =>
          this.redis.send<number>("ZLEXCOUNT", key, min, max)
        )
        const size = sizes.reduce((sum, one) => sum + one, 0)
        if (best === undefined || size < best.size) best = { ranges, size }
      }
      return best?.ranges ?? [this.all(collection)]
    })
  }
}

const isLive = ({ expiresAt }: Documents.Record, now: number): boolean => expiresAt === undefined || expiresAt > now

const matchesAll = ({ body }: Documents.Record, { where = {} }: Query): boolean =>
  Object.entries(where).every(([field, wanted]) => matches(body[field], wanted))

/** As an index keeps them, each once. */
const valuesOf = (wanted: Schema.Json | ReadonlyArray<Schema.Json>): ReadonlyArray<string> => {
  const values = Array.isArray(wanted) ? (wanted as ReadonlyArray<Schema.Json>) : [wanted as Schema.Json]
  return [...new Set(values.map(Documents.indexed))]
}

/** JSON text holds no character below a space, so `\0` ends the value and nothing else begins so. */
const rangeOf = (key: string, value: string): Range => ({
  key,
  min: `[${value}\0`,
  max: `(${value}\u0001`,
  skip: Buffer.byteLength(value) + 1
})
