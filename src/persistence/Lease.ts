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
}

/**
 * Takes a lease and renews it until the scope closes, which gives it back.
 *
 * **Gotchas** After a crash others wait until it runs out (`duration`), unless the backend knows that the process is gone.
 */
export const acquire = Effect.fnUntraced(function* (
  persistence: typeof Persistence.Service,
  options: { readonly name: string; readonly duration: Duration.Duration }
) {
  const { instance } = yield* CurrentLiveness
  const epoch = yield* nextEpoch(persistence)
  const lease: Lease = { owner: `${options.name}-${epoch}`, epoch }
  const put = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const until = now + Duration.toMillis(options.duration)
    yield* persistence.putAll([{ collection, id: lease.owner, body: { epoch, until, instance } }])
  })
  yield* put
  yield* Effect.forkScoped(
    put.pipe(
      Effect.catch((error) => Effect.logWarning("could not renew the lease", error)),
      Effect.schedule(Schedule.spaced(Duration.times(options.duration, 1 / 3)))
    )
  )
  yield* Effect.addFinalizer(() => Effect.ignore(persistence.delete(collection, lease.owner)))
  return lease
})

/** Is this owner known to be gone: no lease, one that ran out, or one of a process that is no more? */
export const isGone = Effect.fnUntraced(function* (
  persistence: typeof Persistence.Service,
  liveness: Liveness,
  owner: string
) {
  const document = yield* persistence.get(collection, owner)
  if (document === undefined) return true
  const now = yield* Clock.currentTimeMillis
  if ((document.body["until"] as number) <= now) return true
  return liveness.isGone(document.body["instance"] as Instance)
})

const nextEpoch = (persistence: typeof Persistence.Service): Effect.Effect<number, PersistenceError> =>
  Effect.gen(function* () {
    while (true) {
      const last = yield* persistence.get(epochs.collection, epochs.id)
      const epoch = ((last?.body["epoch"] as number | undefined) ?? 0) + 1
      const won = yield* persistence.putAll([{ ...epochs, body: { epoch }, expected: last?.version ?? 0 }])
      if (won) return epoch
    }
  })
