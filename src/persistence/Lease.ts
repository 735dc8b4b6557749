/**
 * Time-bounded ownership with a fencing token.
 *
 * One lease per process, renewed in the background: owning ten thousand runs costs no more than owning one. A lease only
 * says who may *try*; what fences an owner that was thought dead is the version of the streams it writes to.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Schema from "effect/Schema"
import type { Persistence, PersistenceError } from "./Persistence.ts"

const collection = "leases"
const epochs = { collection: "epochs", id: "owners" }

/** Where an owner lives, as far as the backend can tell. */
export type Instance = Schema.JsonObject

/**
 * What a backend knows of processes: who this one is, and whether another is certainly gone. A lease of an owner that is
 * certainly gone need not run out.
 */
export interface Liveness {
  readonly instance: Instance
  readonly isGone: (instance: Instance) => boolean
}

/** Default: nothing is known, so that leases run out. */
export const CurrentLiveness: Context.Reference<Liveness> = Context.Reference<Liveness>(
  "tutti/persistence/Lease/CurrentLiveness",
  { defaultValue: () => ({ instance: {}, isGone: () => false }) }
)

export interface Lease {
  readonly owner: string
  /** Fencing token: greater than that of every owner before. */
  readonly epoch: number
  /**
   * Is the renewal of this lease late, or was it within the last `duration`? Then the store was away, or this process was
   * frozen, and the leases of others say little: their owners need time to renew them.
   */
  readonly isShaken: (now: number) => boolean
  /** Says that this owner will leave something behind, so that others look for it when its lease is over. */
  readonly keep: () => void
}

/** A store that is away must not keep a process from ending. */
const patience = "3 seconds"

/**
 * Takes a lease and renews it until the scope closes, which ends it at once.
 *
 * **Gotchas** After a crash others wait until it runs out (`duration`), unless the backend knows that the process is gone.
 */
export const acquire = Effect.fnUntraced(function* (
  persistence: typeof Persistence.Service,
  options: { readonly name: string; readonly duration: Duration.Duration }
) {
  const { instance } = yield* CurrentLiveness
  const epoch = yield* nextEpoch(persistence)
  const owner = `${options.name}-${epoch}`
  const millis = Duration.toMillis(options.duration)
  let kept = false
  /** The end of the lease, as it is written; and when it was last renewed late. */
  let until = Infinity
  let wonBack = -Infinity
  /** Renewed three times in its duration, it has more than half of it left. */
  const isLate = (now: number) => now > until - millis / 2
  const put = (until: number) => persistence.putAll([{ collection, id: owner, body: { epoch, until, instance } }])
  const renew = Effect.gen(function* () {
    let begun: number
    let now = yield* Clock.currentTimeMillis
    do {
      begun = now
      yield* put(begun + millis)
      now = yield* Clock.currentTimeMillis
      // A store that was away answers late: what was written has all but run out.
    } while (now - begun > millis / 3)
    if (isLate(now)) wonBack = now
    until = begun + millis
  })
  yield* renew
  // Kept, it is over: who takes over what this owner leaves behind finds it by its lease.
  const end = Effect.suspend(() => (kept ? Effect.flatMap(Clock.currentTimeMillis, put) : forget(persistence, owner)))
  yield* Effect.addFinalizer(() => Effect.ignore(Effect.timeoutOption(Effect.interruptible(end), patience)))
  // Added last, so stopped first: a renewal that comes after the end would bring the lease back.
  yield* Effect.forkScoped(
    renew.pipe(
      Effect.catch((error) => Effect.logWarning("could not renew the lease", error)),
      Effect.schedule(Schedule.spaced(Duration.times(options.duration, 1 / 3)))
    )
  )
  const isShaken = (now: number) => isLate(now) || now < wonBack + millis
  return { owner, epoch, isShaken, keep: () => void (kept = true) } satisfies Lease
})

/** An owner whose lease is over. */
export interface GoneOwner {
  readonly owner: string
  /** When its lease ran out, or would have, in milliseconds since the Unix epoch. */
  readonly until: number
}

/** Owners that are known to be gone and were not forgotten yet. */
export const gone = Effect.fnUntraced(function* (persistence: typeof Persistence.Service, liveness: Liveness) {
  const leases = yield* persistence.query(collection, { limit: Number.MAX_SAFE_INTEGER })
  const now = yield* Clock.currentTimeMillis
  const owners: Array<GoneOwner> = []
  for (const { body, id } of leases) if (isOver(body, liveness, now)) owners.push({ owner: id, until: untilOf(body) })
  return owners
})

/** Removes the lease of an owner that left nothing behind. If it lives after all, its next renewal brings it back. */
export const forget = (persistence: typeof Persistence.Service, owner: string): Effect.Effect<void, PersistenceError> =>
  persistence.delete(collection, owner)

/** Is this owner known to be gone: no lease, one that ran out, or one of a process that is no more? */
export const isGone = Effect.fnUntraced(function* (
  persistence: typeof Persistence.Service,
  liveness: Liveness,
  owner: string
) {
  const document = yield* persistence.get(collection, owner)
  if (document === undefined) return true
  return isOver(document.body, liveness, yield* Clock.currentTimeMillis)
})

const untilOf = (lease: Schema.JsonObject) => lease["until"] as number

const isOver = (lease: Schema.JsonObject, liveness: Liveness, now: number): boolean =>
  untilOf(lease) <= now || liveness.isGone(lease["instance"] as Instance)

const nextEpoch = (persistence: typeof Persistence.Service): Effect.Effect<number, PersistenceError> =>
  Effect.gen(function* () {
    while (true) {
      const last = yield* persistence.get(epochs.collection, epochs.id)
      const epoch = ((last?.body["epoch"] as number | undefined) ?? 0) + 1
      const won = yield* persistence.putAll([{ ...epochs, body: { epoch }, expected: last?.version ?? 0 }])
      if (won) return epoch
    }
  })
