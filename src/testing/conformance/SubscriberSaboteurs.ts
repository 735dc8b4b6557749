/**
 * Stores that each break one invariant of the subscribers upon them, to prove that `SubscriberConformance` would notice.
 *
 * That a member keeps to its buffer (S11) depends on no store: what is shown there is only that the check sees whether
 * the buffer is filled.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type { StoredEvent } from "../../event-store/Envelope.ts"
import { EventStore } from "../../event-store/EventStore.ts"
import { type Document, Persistence, type Put } from "../../persistence/Persistence.ts"
import type { Saboteur } from "./Saboteur.ts"

type Log = EventStore["Service"]
type Documents = Persistence["Service"]

/**
 * Breaks one invariant of the subscribers upon it.
 *
 * @category models
 * @since 0.1.0
 */
export type SubscriberSaboteur = Saboteur<EventStore | Persistence>

const logSaboteur = (invariant: string, name: string, sabotage: (honest: Log) => Partial<Log>): SubscriberSaboteur => ({
  invariant,
  name,
  sabotage: (honest) =>
    Layer.flatMap(honest, (services) => {
      const log = Context.get(services, EventStore)
      return Layer.succeedContext(Context.add(services, EventStore, { ...log, ...sabotage(log) }))
    })
})

const documentSaboteur = (
  invariant: string,
  name: string,
  sabotage: (honest: Documents) => Partial<Documents>
): SubscriberSaboteur => ({
  invariant,
  name,
  sabotage: (honest) =>
    Layer.flatMap(honest, (services) => {
      const documents = Context.get(services, Persistence)
      return Layer.succeedContext(Context.add(services, Persistence, { ...documents, ...sabotage(documents) }))
    })
})

/** The honest store, but that puts to one of a subscriber's collections are rewritten. */
const rewriting =
  (kind: Kind, f: (put: Put) => ReadonlyArray<Put>) =>
  (honest: Documents): Partial<Documents> => ({
    putAll: (puts) => honest.putAll(puts.flatMap((put) => (isOf(kind, put.collection) ? f(put) : [put])))
  })

/** The honest store, but that what is found in one of a subscriber's collections is rewritten. */
const misreading =
  (kind: Kind, f: (found: ReadonlyArray<Document>) => ReadonlyArray<Document>) =>
  (honest: Documents): Partial<Documents> => ({
    query: (collection, query) =>
      Effect.map(honest.query(collection, query), (found) => (isOf(kind, collection) ? f(found) : found))
  })

type Kind = "checkpoints" | "dead-letters" | "members"

const isOf = (kind: Kind, collection: string): boolean => collection.endsWith(`/${kind}`)

/** Each event with the type of the one that lies as far from the other end of its stream. */
const turnedRound = (page: ReadonlyArray<StoredEvent>): ReadonlyArray<StoredEvent> => {
  const types = new Map<string, Array<string>>()
  for (const { stream, type } of page) types.set(stream, [...(types.get(stream) ?? []), type])
  return page.map((event) => ({ ...event, type: types.get(event.stream)!.pop()! }))
}

/**
 * One for each invariant.
 *
 * @category testing
 * @since 0.1.0
 */
export const all: ReadonlyArray<SubscriberSaboteur> = [
  logSaboteur("S1", "takes its log for empty when it is asked where that ends", () => ({ head: Effect.succeed(0) })),

  logSaboteur("S2", "turns the events of a stream round", (honest) => ({
    subscribe: (options) => Stream.mapArray(honest.subscribe(options), (page) => turnedRound(page) as typeof page)
  })),

  documentSaboteur(
    "S3",
    "keeps of a checkpoint its position alone",
    rewriting("checkpoints", (put) => [{ ...put, body: { ...put.body, done: [] } }])
  ),

  documentSaboteur(
    "S4",
    "forgets which checkpoint a put expects",
    rewriting("checkpoints", ({ expected: _, ...put }) => [put])
  ),

  documentSaboteur("S5", "puts one by one", (honest) => ({
    putAll: (puts) =>
      Effect.map(
        Effect.forEach(puts, (put) => honest.putAll([put])),
        (written) => written.every((one) => one)
      )
  })),

  documentSaboteur(
    "S6",
    "keeps no dead letters",
    rewriting("dead-letters", () => [])
  ),

  documentSaboteur(
    "S7",
    "lists dead letters backwards",
    misreading("dead-letters", (found) => found.toReversed())
  ),

  documentSaboteur(
    "S8",
    "does not tell whose process a member lived in",
    misreading("members", (found) =>
      found.map((document) => ({ ...document, body: { ...document.body, instance: {} } }))
    )
  ),

  documentSaboteur(
    "S9",
    "hides members from each other",
    misreading("members", () => [])
  ),

  documentSaboteur("S10", "keeps members that have left", () => ({ delete: () => Effect.void })),

  logSaboteur("S11", "withholds most of its log", (honest) => ({
    subscribe: (options) => Stream.concat(Stream.take(honest.subscribe(options), 4), Stream.never)
  })),

  documentSaboteur("S12", "does not keep that a subscriber is paused", (honest) => ({
    putAll: (puts) =>
      honest.putAll(
        puts.map((put) =>
          put.collection === "subscribers" ? { ...put, body: { ...put.body, status: "running" } } : put
        )
      )
  }))
]
