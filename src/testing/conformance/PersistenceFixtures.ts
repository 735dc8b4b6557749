/** Small things that the checks of `PersistenceConformance` are written with. */
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import { Persistence, type Query } from "../../persistence/Persistence.ts"
import { uniqueName } from "./Conformance.ts"

export const newCollection = uniqueName("conformance/documents")

/** Puts documents of one collection; ids are the keys. */
export const fill = (collection: string, documents: { readonly [id: string]: Schema.JsonObject }) =>
  Persistence.use((persistence) =>
    persistence.putAll(Object.entries(documents).map(([id, body]) => ({ collection, id, body })))
  )

export const idsOf = (collection: string, query?: Query) =>
  Persistence.use((persistence) =>
    Effect.map(persistence.query(collection, query), (found) => found.map(({ id }) => id))
  )
