import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as NodeSqlite from "../../src/backends/NodeSqlite.ts"
import type { Persistence, Query } from "../../src/persistence/Persistence.ts"
import { Sqlite } from "../../src/persistence/Sqlite.ts"
import * as SqlitePersistence from "../../src/persistence/SqlitePersistence.ts"
import { temporaryFile } from "../backends.ts"

/** The document store, and how SQLite goes about the statements that it has prepared last. */
const watched = Effect.gen(function* () {
  const sqlite = yield* Sqlite
  let last = ""
  const persistence = yield* SqlitePersistence.make.pipe(
    Effect.provideService(Sqlite, { ...sqlite, prepare: (sql) => sqlite.prepare((last = sql)) })
  )
  const plan = () => {
    const parameters = Array.from(last.matchAll(/\?/g), () => 1)
    const rows = sqlite.prepare(`EXPLAIN QUERY PLAN ${last}`).all(...parameters)
    return rows.map((row) => (row as { readonly detail: string }).detail).join("; ")
  }
  return { persistence, plan }
})

const planOf = (
  { persistence, plan }: { readonly persistence: Persistence["Service"]; readonly plan: () => string },
  query: Query
) => Effect.map(persistence.query("it's", query), plan)

describe("declared indexes in SQLite", () => {
  it.effect("serve queries by their field and in its order, also after reopening", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const opened = <A, E>(body: (store: Effect.Success<typeof watched>) => Effect.Effect<A, E>) =>
        Effect.provide(Effect.flatMap(watched, body), NodeSqlite.layer({ filename }), { local: true })
      const queries: ReadonlyArray<Query> = [
        { where: { owner: "ann" } },
        { where: { owner: ["ann", "bob"], other: 1 } },
        { where: { owner: 7 } },
        { where: { owner: true } },
        { where: { owner: null } },
        { orderBy: "owner", descending: true }
      ]
      yield* opened((store) =>
        Effect.gen(function* () {
          yield* store.persistence.putAll([{ collection: "it's", id: "a", body: { owner: "ann" } }])
          for (const query of queries) assert.notInclude(yield* planOf(store, query), "tutti_documents_by")
          yield* store.persistence.index!("it's", ["owner"])
          for (const query of queries) assert.include(yield* planOf(store, query), `by ["it's","owner"]`)
          assert.notInclude(yield* planOf(store, { orderBy: "owner" }), "TEMP B-TREE FOR ORDER BY")
        })
      )
      yield* opened((store) =>
        Effect.gen(function* () {
          for (const query of queries) assert.include(yield* planOf(store, query), `by ["it's","owner"]`)
        })
      )
    })
  )
})
