/**
 * Document stores that each break one invariant, to prove that `PersistenceConformance` and `LeaseConformance` would
 * notice.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type Document, Persistence, type Put } from "../../persistence/Persistence.ts"
import { makeMeeting } from "./meeting.ts"
import type { Saboteur } from "./Saboteur.ts"

type Documents = Persistence["Service"]

const saboteur = (
  invariant: string,
  name: string,
  sabotage: (honest: Documents) => Partial<Documents>
): Saboteur<Persistence> => ({
  invariant,
  name,
  sabotage: (honest) =>
    Layer.flatMap(honest, (services) => {
      const documents = Context.get(services, Persistence)
      return Layer.succeedContext(Context.add(services, Persistence, { ...documents, ...sabotage(documents) }))
    })
})

/**
 * One for each invariant of `PersistenceConformance`.
 *
 * @category testing
 * @since 0.1.0
 */
export const ofDocuments: ReadonlyArray<Saboteur<Persistence>> = [
  saboteur("P1", "counts versions from 0", (honest) => ({
    get: (collection, id) =>
      Effect.map(honest.get(collection, id), (found) => found && { ...found, version: found.version - 1 })
  })),

  saboteur("P2", "overwrites whatever is there", (honest) => ({
    putAll: (puts) => honest.putAll(puts.map(({ expected: _, ...put }) => put))
  })),

  saboteur("P3", "puts one by one", (honest) => ({
    putAll: (puts) =>
      Effect.map(
        Effect.forEach(puts, (put) => honest.putAll([put])),
        (written) => written.every((one) => one)
      )
  })),

  saboteur("P4", "looks at the first field only", (honest) => ({
    query: (collection, query = {}) => {
      const where = Object.fromEntries(Object.entries(query.where ?? {}).slice(0, 1))
      return honest.query(collection, { ...query, where })
    }
  })),

  saboteur("P5", "orders each page for itself", (honest) => ({
    query: (collection, { orderBy: _, ...query } = {}) => honest.query(collection, query)
  })),

  saboteur("P6", "never forgets", (honest) => ({
    putAll: (puts) => honest.putAll(puts.map(({ expiresAt: _, ...put }) => put))
  })),

  saboteur("P7", "keeps one namespace for all collections", (honest) => ({
    get: (_, id) => honest.get("all", id),
    putAll: (puts) => honest.putAll(puts.map((put) => ({ ...put, collection: "all" }))),
    delete: (_, id) => honest.delete("all", id),
    query: (_, query) => honest.query("all", query)
  })),

  saboteur("P8", "lets others in between check and write", (honest) => {
    const meet = makeMeeting()
    return {
      putAll: (puts) =>
        Effect.gen(function* () {
          const found = yield* Effect.forEach(puts, ({ collection, id }) => honest.get(collection, id))
          const hold = puts.every(
            ({ expected }, index) => expected === undefined || expected === versionOf(found[index])
          )
          if (!hold) return false
          yield* meet(puts[0]?.id ?? "")
          return yield* honest.putAll(puts.map(({ expected: _, ...put }) => put))
        })
    }
  }),

  saboteur("P9", "lets each put of a call see what was there before", (honest) => ({
    putAll: (puts) =>
      Effect.gen(function* () {
        const found = yield* Effect.forEach(puts, ({ collection, id }) => honest.get(collection, id))
        const hold = puts.every(({ expected }, index) => expected === undefined || expected === versionOf(found[index]))
        return hold && (yield* honest.putAll(puts.map(({ expected: _, ...put }) => put)))
      })
  })),

  saboteur("P10", "answers at most a thousand documents", (honest) => ({
    query: (collection, query = {}) => honest.query(collection, { ...query, limit: Math.min(query.limit ?? 100, 1000) })
  })),

  saboteur("P11", "purges whatever may expire", (honest) => {
    const mortal = new Map<string, Put>()
    return {
      putAll: (puts) =>
        Effect.tap(honest.putAll(puts), () =>
          Effect.sync(() => {
            for (const put of puts) if (put.expiresAt !== undefined) mortal.set(`${put.collection}/${put.id}`, put)
          })
        ),
      purge: Effect.suspend(() =>
        Effect.forEach(mortal.values(), ({ collection, id }) => honest.delete(collection, id), { discard: true })
      )
    }
  }),

  saboteur("P12", "indexes text only", (honest) => {
    const indexed = new Set<string>()
    const known = ({ body }: Document, fields: ReadonlyArray<string>) =>
      fields.every((field) => !indexed.has(field) || typeof body[field] === "string")
    return {
      index: (_, fields) => Effect.sync(() => fields.forEach((field) => indexed.add(field))),
      query: (collection, query = {}) =>
        Effect.map(honest.query(collection, query), (found) =>
          found.filter((document) => known(document, Object.keys(query.where ?? {})))
        )
    }
  })
]

/**
 * One for each invariant of `LeaseConformance`.
 *
 * @category testing
 * @since 0.1.0
 */
export const ofLeases: ReadonlyArray<Saboteur<Persistence>> = [
  saboteur("L1", "forgets what a put expects", (honest) => {
    const meet = makeMeeting()
    return {
      get: (collection, id) => Effect.tap(honest.get(collection, id), () => meet(id)),
      putAll: (puts) => honest.putAll(puts.map(({ expected: _, ...put }) => put))
    }
  }),

  saboteur("L2", "keeps a document as it was first put", (honest) => ({
    putAll: (puts) =>
      Effect.flatMap(
        Effect.filter(puts, ({ collection, expected, id }) =>
          Effect.map(honest.get(collection, id), (found) => expected !== undefined || found === undefined)
        ),
        honest.putAll
      )
  })),

  saboteur("L3", "does not see a document change", (honest) => {
    const seen = new Map<string, Document | undefined>()
    return {
      get: (collection, id) =>
        Effect.suspend(() => {
          const key = JSON.stringify([collection, id])
          return seen.has(key)
            ? Effect.succeed(seen.get(key))
            : Effect.tap(honest.get(collection, id), (found) => Effect.sync(() => seen.set(key, found)))
        }),
      putAll: (puts) => honest.putAll(puts.map(({ expected: _, ...put }) => put))
    }
  }),

  saboteur("L4", "loses the last word on a document", (honest) => ({
    putAll: (puts) =>
      Effect.flatMap(
        Effect.filter(puts, ({ collection, expected, id }) =>
          Effect.map(honest.get(collection, id), (found) => expected !== undefined || found === undefined)
        ),
        honest.putAll
      ),
    delete: () => Effect.void
  })),

  saboteur("L5", "keeps no nested documents", (honest) => ({
    putAll: (puts) =>
      honest.putAll(
        puts.map((put) => ({
          ...put,
          body: Object.fromEntries(
            Object.entries(put.body).map(([field, value]) => [field, typeof value === "object" ? {} : value])
          )
        }))
      )
  })),

  saboteur("L6", "does not list what was put once only", (honest) => ({
    query: (collection, query) =>
      Effect.map(honest.query(collection, query), (found) => found.filter(({ version }) => version > 1))
  }))
]

const versionOf = (found: Document | undefined): number => found?.version ?? 0
