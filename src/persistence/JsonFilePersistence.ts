/**
 * The document store in JSON files: one directory, one file a document, to be read, compared and kept by people.
 *
 * Everything is read when the store is opened, and answered from memory; a write is in its file before it succeeds.
 *
 * A put of one document replaces its file. A put of several writes them all to `intent.json` first: once that file is
 * there, the put is made, and what a crash leaves of it is finished at the next write or the next opening (J2).
 *
 * Invariants, beside those of every document store (checked by `test/persistence/JsonFile.test.ts`):
 *
 *   J1. A crash leaves each document as it was before a put or as it was after it.
 *   J2. A crash in a put of several documents leaves all of them put, or none.
 *   J3. A put of several documents that was reported as failed is taken back before anything else is written.
 *   J4. What is not ours is refused on opening, by its name.
 *   J5. Each document has a file of its own, whatever its name.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { Directory } from "./Directory.ts"
import * as JsonFile from "./JsonFile.ts"
import * as MemoryPersistence from "./MemoryPersistence.ts"
import { Persistence, PersistenceError, type Put } from "./Persistence.ts"

const intentFile = "intent.json"

/** What is known of `intent.json`. `Doubtful`: it may be there, but its put was reported as failed. */
type Intent =
  | { readonly _tag: "Absent" }
  | { readonly _tag: "Doubtful" }
  | { readonly _tag: "Committed"; readonly staged: ReadonlyArray<MemoryPersistence.Staged> }

/**
 * Makes a document store in the directory in the context, and reads what is there.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<Persistence["Service"], PersistenceError, Directory> = Effect.gen(function* () {
  const directory = yield* Directory
  const attempt = <A>(operation: string, body: (now: number) => A): Effect.Effect<A, PersistenceError> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => attemptIn(directory.path, operation, () => body(now)))
  const files = yield* attempt("read its files", () => new Files(directory))
  const memory = MemoryPersistence.make(files.state)

  return Persistence.of({
    get: memory.get,
    query: memory.query,
    putAll: (puts) => attempt("write documents", (now) => files.put(puts, now)),
    delete: (collection, id) => attempt("delete a document", () => files.delete(collection, id)),
    purge: attempt("purge documents", (now) => {
      for (const { collection, entry } of files.state.expired(now)) files.delete(collection, entry.id)
    })
  })
})

/** The documents, in memory and in their files. */
class Files {
  readonly state = MemoryPersistence.makeState()
  private readonly directory: Directory["Service"]
  private intent: Intent = { _tag: "Absent" }
  constructor(directory: Directory["Service"]) {
    this.directory = directory
    const names = directory.list()
    if (names.includes(intentFile)) {
      this.intent = { _tag: "Committed", staged: JsonFile.decodeAll(intentFile, directory.read(intentFile)) }
      this.settle()
    }
    for (const name of directory.list()) this.state.set(JsonFile.decode(name, directory.read(name)))
  }

  put(puts: ReadonlyArray<Put>, now: number): boolean {
    const staged = MemoryPersistence.stage(this.state, puts, now)
    if (Result.isFailure(staged)) return false
    this.settle()
    const documents = staged.success
    if (documents.length > 1) this.commit(documents)
    else for (const document of documents) this.write(document)
    for (const document of documents) this.state.set(document)
    return true
  }

  delete(collection: string, id: string): void {
    this.settle()
    this.directory.remove(JsonFile.nameOf(collection, id))
    this.state.all(collection).delete(id)
  }

  private commit(staged: ReadonlyArray<MemoryPersistence.Staged>): void {
    // J3: a failure may leave the intent behind, and it must not undo what is written after it.
    this.intent = { _tag: "Doubtful" }
    this.directory.replace(intentFile, JsonFile.encodeAll(staged))
    this.intent = { _tag: "Committed", staged }
    try {
      this.settle()
    } catch {
      // The put is made, for its intent is durable. The next write tries again, and says so if it cannot.
    }
  }

  /** Finishes, or takes back, what a put has left behind. */
  private settle(): void {
    if (this.intent._tag === "Absent") return
    if (this.intent._tag === "Committed") for (const document of this.intent.staged) this.write(document)
    this.directory.remove(intentFile)
    this.intent = { _tag: "Absent" }
  }

  private write(staged: MemoryPersistence.Staged): void {
    this.directory.replace(JsonFile.nameOf(staged.collection, staged.entry.id), JsonFile.encode(staged))
  }
}

const attemptIn = <A>(path: string, operation: string, body: () => A): Effect.Effect<A, PersistenceError> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(body())
    } catch (cause) {
      const why = reasonOf(cause)
      if (why === undefined) return Effect.die(cause)
      return Effect.fail(new PersistenceError({ operation, retryable: false, detail: `in "${path}" ${why}`, cause }))
    }
  })

/** Nothing for an error that has not come from the files: a bug. */
const reasonOf = (cause: unknown): string | undefined => {
  if (cause instanceof JsonFile.ForeignFile) return cause.message
  if (!(cause instanceof Error) || !("syscall" in cause)) return undefined
  return `the file system refused: ${cause.message}`
}
