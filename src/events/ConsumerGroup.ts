/**
 * What the members of one subscriber know of each other: documents, and nothing else.
 *
 * The streams of a subscriber are dealt to a fixed number of partitions by a hash of their names. Each partition has a
 * checkpoint document, which also says who owns it. Who owns a partition writes its checkpoint by `expected` version:
 * whoever takes it over moves the version, and so fences the one before.
 *
 * Documents of subscriber `mail`:
 *
 * - `subscribers`, `mail`: what all members must agree on, and whether it is paused.
 * - `subscriber/mail/members`: one for each living member, its lease. It expires by itself.
 * - `subscriber/mail/checkpoints`: one for each partition.
 * - `subscriber/mail/dead-letters`: see `DeadLetter.ts`.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import type { Position } from "../event-store/Envelope.ts"
import type { EventStore } from "../event-store/EventStore.ts"
import type { EventStoreError } from "../event-store/EventStoreError.ts"
import type { Instance, Liveness } from "../persistence/Lease.ts"
import { type Document, type Persistence, PersistenceError, type Put } from "../persistence/Persistence.ts"

type Documents = Persistence["Service"]

/** Names of the collections of a subscriber. */
export const collections = (subscriber: string) => ({
  members: `subscriber/${subscriber}/members`,
  checkpoints: `subscriber/${subscriber}/checkpoints`,
  deadLetters: `subscriber/${subscriber}/dead-letters`
})

/** What all members agree on: fixed by whoever comes first, but for the status. */
export const Agreement = Schema.Struct({
  status: Schema.Literals(["running", "paused"]),
  partitions: Schema.Int,
  /** Events up to here were before the subscriber's time. */
  start: Schema.Int
})
export type Agreement = typeof Agreement.Type

/** How far a partition is, and whose it is. */
export const Checkpoint = Schema.Struct({
  /** All events of the partition up to here are handled, or are dead letters. */
  position: Schema.Int,
  /** Events beyond `position` that are handled already: id and position of each. */
  done: Schema.Array(Schema.Tuple([Schema.String, Schema.Int])),
  /** Member that owns the partition. `null`: it was given back. */
  owner: Schema.NullOr(Schema.String),
  /** Fencing token: one more with each owner. */
  epoch: Schema.Int,
  /** Number of the owner's commit, so that it recognises one whose answer was lost. */
  commit: Schema.Int,
  /** Dead letters of the partition. */
  deadLetters: Schema.Int
})
export type Checkpoint = typeof Checkpoint.Type

/** A document, and what it says. */
export interface Found<A> {
  readonly id: string
  readonly version: number
  readonly value: A
}

/** Decodes documents of the given kind, or says which one is not what it should be. */
export const decoder = <A>(what: string, schema: Schema.ConstraintCodec<A, Schema.Json>) => {
  const decode = Schema.decodeUnknownEffect(schema)
  return (document: Document): Effect.Effect<Found<A>, PersistenceError> =>
    decode(document.body).pipe(
      Effect.map((value) => ({ id: document.id, version: document.version, value })),
      Effect.mapError(
        (cause) =>
          new PersistenceError({
            operation: `read ${what} "${document.id}"`,
            retryable: false,
            detail: cause.message,
            cause
          })
      )
    )
}

const decodeAgreement = decoder("subscriber", Agreement)
const decodeCheckpoint = decoder("the checkpoint", Checkpoint)

/** What the members agreed on, if there ever was one. */
export const agreement = (persistence: Documents, subscriber: string) =>
  Effect.flatMap(persistence.get("subscribers", subscriber), (document) =>
    document === undefined ? Effect.succeed(undefined) : decodeAgreement(document)
  )

/** Changes what the members agreed on. `false`: somebody changed it meanwhile. */
export const agree = (persistence: Documents, subscriber: string, change: Found<Agreement>) =>
  persistence.putAll([
    { collection: "subscribers", id: subscriber, body: { ...change.value }, expected: change.version }
  ])

/** Reads what was agreed on, or agrees on it as the first member. */
export const join = Effect.fnUntraced(function* (
  { persistence, store }: { readonly persistence: Documents; readonly store: EventStore["Service"] },
  subscriber: string,
  proposal: { readonly partitions: number; readonly start: Position | "start" | "end" }
): Effect.fn.Return<Agreement, PersistenceError | EventStoreError> {
  while (true) {
    const found = yield* agreement(persistence, subscriber)
    if (found !== undefined) return found.value
    const start = proposal.start === "end" ? yield* store.head : proposal.start === "start" ? 0 : proposal.start
    const value: Agreement = { status: "running", partitions: proposal.partitions, start }
    if (yield* agree(persistence, subscriber, { id: subscriber, version: 0, value })) return value
  }
})

const nameOf = (partition: number): string => String(partition).padStart(5, "0")

/** All checkpoints, by partition. One that was never owned is missing. */
export const checkpoints = (persistence: Documents, subscriber: string) =>
  persistence.query(collections(subscriber).checkpoints, { limit: Number.MAX_SAFE_INTEGER }).pipe(
    Effect.flatMap((documents) => Effect.forEach(documents, decodeCheckpoint)),
    Effect.map((found) => new Map(found.map((each) => [Number(each.id), each])))
  )

/** The checkpoint of one partition. */
export const checkpoint = (persistence: Documents, subscriber: string, partition: number) =>
  Effect.flatMap(persistence.get(collections(subscriber).checkpoints, nameOf(partition)), (document) =>
    document === undefined ? Effect.succeed(undefined) : decodeCheckpoint(document)
  )

/** The put that moves a checkpoint, if nobody else has moved it. */
export const checkpointPut = (
  subscriber: string,
  partition: number,
  { expected, value }: { readonly expected: number; readonly value: Checkpoint }
): Put => ({
  collection: collections(subscriber).checkpoints,
  id: nameOf(partition),
  body: { ...value, done: value.done.map(([id, position]) => [id, position]) },
  expected
})

/** A living member, as its document says. */
export interface Member {
  readonly id: string
  readonly instance: Instance
}

/** Says that a member lives until the given instant. `false`: a new one found its name taken. */
export const renew = (
  persistence: Documents,
  subscriber: string,
  member: Member & { readonly until: number; readonly isNew: boolean }
) =>
  persistence.putAll([
    {
      collection: collections(subscriber).members,
      id: member.id,
      body: { instance: member.instance, until: member.until },
      expiresAt: member.until,
      ...(member.isNew && { expected: 0 })
    }
  ])

export const leave = (persistence: Documents, subscriber: string, member: string) =>
  persistence.delete(collections(subscriber).members, member)

/** Members whose lease has not run out, and whose process is not known to be gone. */
export const members = (persistence: Documents, subscriber: string, liveness: Liveness) =>
  Effect.map(
    persistence.query(collections(subscriber).members, { limit: Number.MAX_SAFE_INTEGER }),
    (documents): ReadonlySet<string> =>
      new Set(documents.filter(({ body }) => !liveness.isGone(body["instance"] as Instance)).map(({ id }) => id))
  )

/** A new member: it has a name of its own, and a lease. */
export const enrol = Effect.fnUntraced(function* (
  persistence: Documents,
  subscriber: string,
  options: { readonly instance: Instance; readonly leaseMillis: number }
) {
  while (true) {
    const id = `${subscriber}-${Math.floor((yield* Random.next) * 2 ** 48).toString(36)}`
    const until = (yield* Clock.currentTimeMillis) + options.leaseMillis
    const member = { id, instance: options.instance, until }
    if (yield* renew(persistence, subscriber, { ...member, isNew: true })) return member
  }
})

/**
 * The partition of a stream. Never changes: stored checkpoints depend on it.
 *
 * Source: FNV-1a (Fowler, Noll, Vo, 1991) over UTF-16 units; its last mix is that of MurmurHash3 (Appleby, 2011).
 */
export const partitionOf = (stream: string, partitions: number): number => {
  let hash = 0x811c9dc5
  for (let index = 0; index < stream.length; index++) hash = Math.imul(hash ^ stream.charCodeAt(index), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return ((hash ^ (hash >>> 16)) >>> 0) % partitions
}
