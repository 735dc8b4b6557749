/**
 * Documents as JSON files in one directory: for settings, small read models and archives that people look at.
 *
 * Files: `collection/id.json`, one a document; `intent.json` while several are put at once; `.lock`. A backup copies the
 * directory while no process uses it. There is no log here: take it from another backend.
 *
 * **Gotchas** One process at a time. Everything is held in memory, and a put costs two syncs of the disk (of n documents:
 * 2n + 4), so it is made for thousands of documents, not for millions.
 */
import * as Layer from "effect/Layer"
import * as JsonFilePersistence from "../persistence/JsonFilePersistence.ts"
import { Persistence, type PersistenceError } from "../persistence/Persistence.ts"
import * as NodeDirectory from "./NodeDirectory.ts"

/**
 * The directory, and how careful a write is.
 *
 * @category models
 * @since 0.1.0
 */
export type Options = NodeDirectory.Options

/**
 * A document store in a directory.
 *
 * **Errors**
 *
 * `PersistenceError`: the directory is used by another process (retryable), cannot be written to, or holds a file that is
 * torn or not ours; the message names it.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<Persistence, PersistenceError> =>
  Layer.effect(Persistence, JsonFilePersistence.make).pipe(Layer.provide(NodeDirectory.layer(options)))
