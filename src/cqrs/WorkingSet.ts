/**
 * The documents that a runner has at hand: those it is changing, and those it has changed of late.
 *
 * What is remembered is true for as long as the runner's commits succeed, for each is conditional on the versions it
 * was made from. After one that did not, `clear`.
 */
import * as Effect from "effect/Effect"
import type { PersistenceError, Persistence, Put } from "../persistence/Persistence.ts"
import type { Projection } from "./Projection.ts"
import type { ProjectionFailed } from "./ProjectionError.ts"
import { absent, failedAt, type ProjectedEvent, type ViewDocuments, type ViewState } from "./ViewDocuments.ts"

/** Documents are read so many at a time. */
const readConcurrency = 16

export class WorkingSet<View, Event extends { readonly _tag: string }> {
  private readonly documents: ViewDocuments<View, Event>
  private readonly persistence: Persistence["Service"]
  private readonly projection: Projection<View, Event>
  private readonly collection: string
  /** At least as many documents as one batch changes; beyond it, those changed longest ago are forgotten. */
  private readonly capacity: number
  private readonly states = new Map<string, ViewState<View>>()
  private readonly changed = new Set<string>()

  constructor(options: {
    readonly documents: ViewDocuments<View, Event>
    readonly persistence: Persistence["Service"]
    readonly projection: Projection<View, Event>
    readonly collection: string
    readonly capacity: number
  }) {
    this.documents = options.documents
    this.persistence = options.persistence
    this.projection = options.projection
    this.collection = options.collection
    this.capacity = options.capacity
  }

  /** Applies events, and answers what is to be put for it. */
  fold(
    events: ReadonlyArray<ProjectedEvent<Event>>
  ): Effect.Effect<ReadonlyArray<Put>, ProjectionFailed | PersistenceError> {
    const { changed, collection, documents, states } = this
    return Effect.gen({ self: this }, function* () {
      const keys: Array<Iterable<string>> = []
      yield* documents.each(events, (projected) => keys.push(this.keysOf(projected)))
      yield* this.load(events, keys)
      yield* documents.each(events, (projected, index) => {
        for (const id of keys[index]!) {
          const before = states.get(id)!
          // It has seen the event already, in the commit that stored it.
          if (before.seen >= projected.place.version) continue
          states.set(id, documents.apply(before, projected))
          changed.add(id)
        }
      })
      const last = events.at(-1)
      if (last === undefined) return []
      for (const id of changed) if (isNothing(states.get(id)!)) changed.delete(id)
      const views = Array.from(changed, (id) => [id, states.get(id)!] as const)
      return yield* documents.puts(collection, views, last)
    })
  }

  /** What was folded has been put. */
  committed(): void {
    for (const id of this.changed) {
      const state = this.states.get(id)!
      this.states.delete(id)
      const isRemoved = state.view === undefined && state.seen === 0
      this.states.set(id, isRemoved ? absent : { ...state, stored: state.stored + 1 })
    }
    this.changed.clear()
    for (const id of this.states.keys()) {
      if (this.states.size <= this.capacity) break
      this.states.delete(id)
    }
  }

  clear(): void {
    this.states.clear()
    this.changed.clear()
  }

  private keysOf({ event, place }: ProjectedEvent<Event>): Iterable<string> {
    const keys = this.projection.keys(event, place)
    return keys.length > 1 ? new Set(keys) : keys
  }

  private load(events: ReadonlyArray<ProjectedEvent<Event>>, keys: ReadonlyArray<Iterable<string>>) {
    const missing = new Map<string, ProjectedEvent<Event>>()
    for (let index = 0; index < events.length; index++) {
      for (const id of keys[index]!) if (!this.states.has(id)) missing.set(id, missing.get(id) ?? events[index]!)
    }
    return Effect.forEach(
      missing,
      ([id, projected]) =>
        Effect.flatMap(this.persistence.get(this.collection, id), (document) =>
          Effect.map(
            Effect.mapError(this.documents.read(document), (cause) => failedAt(this.projection.name, projected, cause)),
            (state) => this.states.set(id, state)
          )
        ),
      { concurrency: readConcurrency, discard: true }
    )
  }
}

/** Made and removed between two commits, and of no single stream: there is nothing to put. */
const isNothing = ({ seen, stored, view }: ViewState<unknown>): boolean =>
  view === undefined && stored === 0 && seen === 0
