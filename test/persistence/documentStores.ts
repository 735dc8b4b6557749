/** Every home of documents: the backends, and those that hold documents alone. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as JsonFile from "../../src/backends/JsonFile.ts"
import type { Persistence } from "../../src/persistence/Persistence.ts"
import { backends, temporaryFile } from "../backends.ts"

interface DocumentStore {
  readonly name: string
  readonly layer: Layer.Layer<Persistence, unknown>
}

const jsonFiles: DocumentStore = {
  name: "json files",
  layer: Layer.unwrap(
    Effect.map(temporaryFile, (file) => JsonFile.layer({ directory: `${file}.d`, synchronous: "normal" }))
  )
}

export const documentStores: ReadonlyArray<DocumentStore> = [...backends, jsonFiles]
