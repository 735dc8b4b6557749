/**
 * What is known of projections besides their documents: which generation serves, and how far each has come.
 *
 * Documents of the collection `projections`:
 *
 * - `<name>`: the pointer. By version, the generation whose documents are served.
 * - `<name>@<version>-<generation>`: a checkpoint. Its id is the name of the collection that the documents lie in. It
 *   is put in one commit with them, conditional on its own version; so who lost a race wrote nothing at all.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Position } from "../event-store/Envelope.ts"
import { type Document, Persistence, PersistenceError, type Put } from "../persistence/Persistence.ts"
import { ProjectionFailed } from "./ProjectionError.ts"

const collection = "projections"
const pageSize = 100

/** A generation of the documents of one version. */
export interface Generation {
  readonly name: string
  readonly version: number
  readonly generation: number
}

/** The collection that the documents of a generation lie in. */
export const collectionOf = ({ generation, name, version }: Generation): string => `${name}@${version}-${generation}`

const PointerBody = Schema.Struct({ serving: Schema.Record(Schema.String, Schema.Int) })

/** What serves, by version. */
export interface Pointer {
  readonly serving: { readonly [version: string]: number }
  /** Version of the document. 0: there is none. */
  readonly stored: number
}

const CheckpointBody = Schema.Struct({
  projection: Schema.String,
  version: Schema.Int,
  generation: Schema.Int,
  position: Schema.Int,
  phase: Schema.Literals(["Building", "Serving", "Retired"]),
  /** Why it stands still. */
  failure: Schema.optionalKey(ProjectionFailed)
})

/** How far a generation has come. */
export interface Checkpoint {
  readonly position: Position
  readonly phase: "Building" | "Serving" | "Retired"
  readonly failure?: ProjectionFailed
  /** Version of the document. 0: there is none. */
  readonly stored: number
}

const decodePointer = Schema.decodeUnknownEffect(Schema.toCodecJson(PointerBody))
const checkpointCodec = Schema.toCodecJson(CheckpointBody)
const decodeCheckpoint = Schema.decodeUnknownEffect(checkpointCodec)
const encodeCheckpoint = Schema.encodeSync(checkpointCodec)

const unreadable = (cause: unknown) =>
  new PersistenceError({ operation: "read the checkpoint of a projection", retryable: false, cause })

/** What serves of a projection. */
export const pointer = (name: string): Effect.Effect<Pointer, PersistenceError, Persistence> =>
  Effect.gen(function* () {
    const document = yield* Persistence.use((persistence) => persistence.get(collection, name))
    if (document === undefined) return { serving: {}, stored: 0 }
    const { serving } = yield* Effect.mapError(decodePointer(document.body), unreadable)
    return { serving, stored: document.version }
  })

/** How far a generation has come; nowhere, if it is new. */
export const checkpoint = (of: Generation): Effect.Effect<Checkpoint, PersistenceError, Persistence> =>
  Effect.gen(function* () {
    const document = yield* Persistence.use((persistence) => persistence.get(collection, collectionOf(of)))
    return document === undefined
      ? { position: 0, phase: "Building", stored: 0 }
      : (yield* restore(document)).checkpoint
  })

const restore = (document: Document) =>
  Effect.map(
    Effect.mapError(decodeCheckpoint(document.body), unreadable),
    ({ failure, generation, phase, position, projection, version }) => ({
      of: { name: projection, version, generation },
      checkpoint: { position, phase, stored: document.version, ...(failure && { failure }) }
    })
  )

/** Puts a checkpoint, if it is still the one that was read. */
export const checkpointPut = (of: Generation, checkpoint: Checkpoint): Put => ({
  ...put(of, checkpoint),
  expected: checkpoint.stored
})

/** Unconditional: this is what ends a generation's followers, at their next commit. */
const retiredPut = (of: Generation, { position }: Checkpoint): Put => put(of, { position, phase: "Retired" })

const put = (of: Generation, { failure, phase, position }: Omit<Checkpoint, "stored">): Put => ({
  collection,
  id: collectionOf(of),
  body: encodeCheckpoint({
    projection: of.name,
    version: of.version,
    generation: of.generation,
    position,
    phase,
    ...(failure && { failure })
  }) as Schema.JsonObject
})

/**
 * Lets a generation serve and retires the one before it, in one commit. `"Conflict"`: somebody else moved the pointer or
 * a checkpoint meanwhile, or a newer generation serves already, and this one is retired. `"Behind"`: the one before has
 * come further, and nobody shall see the past again.
 */
export const serve = (
  of: Generation,
  built: Checkpoint
): Effect.Effect<"Served" | "Behind" | "Conflict", PersistenceError, Persistence> =>
  Effect.gen(function* () {
    const persistence = yield* Persistence
    const before = yield* pointer(of.name)
    const served = before.serving[of.version]
    if (served !== undefined && served > of.generation) {
      yield* persistence.putAll([retiredPut(of, built)])
      return "Conflict"
    }
    const puts = [
      pointerPut(of.name, before, { ...before.serving, [of.version]: of.generation }),
      checkpointPut(of, { ...built, phase: "Serving" })
    ]
    if (served !== undefined && served < of.generation) {
      const former = { ...of, generation: served }
      const before = yield* checkpoint(former)
      if (before.position > built.position) return "Behind"
      puts.push(checkpointPut(former, { position: before.position, phase: "Retired", stored: before.stored }))
    }
    return (yield* persistence.putAll(puts)) ? "Served" : "Conflict"
  })

const pointerPut = (name: string, { stored }: Pointer, serving: Pointer["serving"]): Put => ({
  collection,
  id: name,
  body: { serving },
  expected: stored
})

/** All generations of a projection that there are documents of. */
const generations = Effect.fnUntraced(function* (name: string) {
  const persistence = yield* Persistence
  const found: Array<{ readonly of: Generation; readonly checkpoint: Checkpoint }> = []
  for (let offset = 0; ; offset += pageSize) {
    const page = yield* persistence.query(collection, { where: { projection: name }, limit: pageSize, offset })
    found.push(...(yield* Effect.forEach(page, restore)))
    if (page.length < pageSize) return found
  }
})

/** A number that no generation of the version has had. */
export const nextGeneration = (name: string, version: number): Effect.Effect<number, PersistenceError, Persistence> =>
  Effect.map(generations(name), (all) =>
    Math.max(0, ...all.filter(({ of }) => of.version === version).map(({ of }) => of.generation + 1))
  )

/**
 * Generations that are not needed any more: retired ones, those given up while they were built, and those of versions
 * below the given.
 */
export const outdated = (
  name: string,
  below: number
): Effect.Effect<ReadonlyArray<Generation>, PersistenceError, Persistence> =>
  Effect.gen(function* () {
    const { serving } = yield* pointer(name)
    const isGivenUp = ({ generation, version }: Generation) => generation < (serving[version] ?? 0)
    return (yield* generations(name))
      .filter(({ checkpoint, of }) => checkpoint.phase === "Retired" || isGivenUp(of) || of.version < below)
      .map(({ of }) => of)
  })

/** Retires a generation, deletes its documents, and then all that was known of it. */
export const remove = (of: Generation): Effect.Effect<void, PersistenceError, Persistence> =>
  Effect.gen(function* () {
    const persistence = yield* Persistence
    const documents = collectionOf(of)
    yield* persistence.putAll([retiredPut(of, yield* checkpoint(of))])
    const before = yield* pointer(of.name)
    if (before.serving[of.version] === of.generation) {
      const { [of.version]: _, ...serving } = before.serving
      if (!(yield* persistence.putAll([pointerPut(of.name, before, serving)]))) return yield* remove(of)
    }
    while (true) {
      const page = yield* persistence.query(documents, { limit: pageSize })
      yield* Effect.forEach(page, ({ id }) => persistence.delete(documents, id), { concurrency: 16, discard: true })
      if (page.length < pageSize) break
    }
    yield* persistence.delete(collection, documents)
  })
