/**
 * What leases must be, whatever document store they lie in.
 *
 * Invariants:
 *
 *   L1. Epochs grow: every owner's is greater than those of all owners before, also when many come at once.
 *   L2. A lease that is renewed is held for longer than it was taken for.
 *   L3. A lease that nobody renews is held until its time is over, and gone from then on; then the next one is greater.
 *   L4. A lease that is given back is gone at once.
 *   L5. A lease of an instance that is certainly gone is gone at once, and only for who knows that.
 *   L6. An owner that is gone is found until it is forgotten; one that holds its lease is not.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Lease from "../../persistence/Lease.ts"
import { Persistence } from "../../persistence/Persistence.ts"
import { SimulatedClock } from "../SimulatedClock.ts"
import { type Case, make, uniqueName } from "./Conformance.ts"

const duration = Duration.seconds(30)
const millis = Duration.toMillis(duration)

const unknown: Lease.Liveness = { instance: {}, isGone: () => false }

/** Takes a lease in the given scope, by a clock that only moves when it is told to: an owner that can be frozen. */
const acquire = (scope: Scope.Scope, clock: Clock.Clock) =>
  Effect.gen(function* () {
    const persistence = yield* Persistence
    const name = yield* uniqueName("conformance/lease")
    return yield* Lease.acquire(persistence, { name, duration })
  }).pipe(Effect.provideService(Clock.Clock, clock), Effect.provideService(Scope.Scope, scope))

/** Whether the owner is gone, at an instant and by what is known of processes. */
const isGoneAt = (owner: string, now: number, liveness = unknown) =>
  Persistence.use((persistence) => Lease.isGone(persistence, liveness, owner)).pipe(
    Effect.provideService(Clock.Clock, new SimulatedClock(now))
  )

/** Looks again until the owner is no longer gone: a renewal takes its time in a real store. */
const seenAlive = (owner: string, now: number) =>
  Effect.gen(function* () {
    for (let look = 0; look < 5000; look++) {
      if (!(yield* isGoneAt(owner, now))) return true
      yield* Effect.yieldNow
    }
    return false
  })

const now = 1_800_000_000_000

/**
 * All checks. Each takes leases of its own, so that they can share a store.
 *
 * @category testing
 * @since 0.1.0
 */
export const cases: ReadonlyArray<Case<Persistence>> = [
  make(
    "L1",
    "epochs grow, also when many come at once",
    Effect.fnUntraced(function* (expect) {
      const scope = yield* Scope.make()
      const clock = new SimulatedClock(now)
      const one = acquire(scope, clock)
      const first = yield* one
      const together = yield* Effect.all(
        Array.from({ length: 8 }, () => one),
        { concurrency: "unbounded" }
      )
      const last = yield* one
      const epochs = [first, ...together.toSorted((left, right) => left.epoch - right.epoch), last].map(
        ({ epoch }) => epoch
      )
      const grow = epochs.every((epoch, at) => at === 0 || epoch > epochs[at - 1]!)
      yield* expect.equal(`grow: ${epochs.join(", ")}`, grow, true)
      yield* Scope.close(scope, Exit.void)
    })
  ),

  make(
    "L2",
    "a lease that is renewed is held",
    Effect.fnUntraced(function* (expect) {
      const scope = yield* Scope.make()
      const clock = new SimulatedClock(now)
      const { owner } = yield* acquire(scope, clock)
      // The renewal forks: it sleeps once it has had its turn.
      for (let turn = 0; turn < 5000 && !clock.advance(Infinity); turn++) yield* Effect.yieldNow
      const renewed = clock.currentTimeMillisUnsafe()
      const alive = yield* seenAlive(owner, renewed + millis - 1)
      yield* expect.equal("renewed before its time is over", renewed < now + millis, true)
      yield* expect.equal("held from then on as long again", alive, true)
      yield* Scope.close(scope, Exit.void)
    })
  ),

  make(
    "L3",
    "a lease that nobody renews runs out",
    Effect.fnUntraced(function* (expect) {
      const scope = yield* Scope.make()
      const frozen = yield* acquire(scope, new SimulatedClock(now))
      yield* expect.equal("held at first", yield* isGoneAt(frozen.owner, now), false)
      yield* expect.equal("held to the end", yield* isGoneAt(frozen.owner, now + millis - 1), false)
      yield* expect.equal("gone then", yield* isGoneAt(frozen.owner, now + millis), true)
      const successor = yield* acquire(scope, new SimulatedClock(now + millis))
      yield* expect.equal("the successor's epoch is greater", successor.epoch > frozen.epoch, true)
      yield* Scope.close(scope, Exit.void)
    })
  ),

  make(
    "L4",
    "a lease that is given back is gone at once",
    Effect.fnUntraced(function* (expect) {
      const scope = yield* Scope.make()
      const [plain, keeping] = [
        yield* acquire(scope, new SimulatedClock(now)),
        yield* acquire(scope, new SimulatedClock(now))
      ]
      keeping.keep()
      yield* expect.equal("held", yield* isGoneAt(plain.owner, now), false)
      yield* expect.equal("held, and to be kept", yield* isGoneAt(keeping.owner, now), false)
      yield* Scope.close(scope, Exit.void)
      yield* expect.equal("given back", yield* isGoneAt(plain.owner, now), true)
      yield* expect.equal("given back, and kept", yield* isGoneAt(keeping.owner, now), true)
      yield* expect.equal("an owner that never was", yield* isGoneAt(`${plain.owner}-other`, now), true)
    })
  ),

  make(
    "L5",
    "a lease of a process that is no more is gone at once",
    Effect.fnUntraced(function* (expect) {
      const scope = yield* Scope.make()
      const instance = { machine: "m 'quoted' 日本", process: { id: 7, since: 1.5 } }
      const { owner } = yield* Effect.provideService(acquire(scope, new SimulatedClock(now)), Lease.CurrentLiveness, {
        instance,
        isGone: () => false
      })
      const told: Array<Lease.Instance> = []
      const knowing: Lease.Liveness = { instance: {}, isGone: (instance) => told.push(instance) > 0 }
      yield* expect.equal("for who knows", yield* isGoneAt(owner, now, knowing), true)
      yield* expect.equal("told of the instance", told, [instance])
      yield* expect.equal("for who does not", yield* isGoneAt(owner, now), false)
      yield* Scope.close(scope, Exit.void)
    })
  ),

  make(
    "L6",
    "an owner that is gone is found until it is forgotten",
    Effect.fnUntraced(function* (expect) {
      const persistence = yield* Persistence
      const scope = yield* Scope.make()
      const [frozen, held] = [
        yield* acquire(scope, new SimulatedClock(now)),
        yield* acquire(scope, new SimulatedClock(now + millis))
      ]
      const found = Lease.gone(persistence, unknown).pipe(
        Effect.provideService(Clock.Clock, new SimulatedClock(now + millis)),
        Effect.map((owners) => owners.filter(({ owner }) => [frozen.owner, held.owner].includes(owner)))
      )
      yield* expect.equal("the one that ran out, and since when", yield* found, [
        { owner: frozen.owner, until: now + millis }
      ])
      yield* Lease.forget(persistence, frozen.owner)
      yield* expect.equal("forgotten", yield* found, [])
      yield* expect.equal("and gone all the same", yield* isGoneAt(frozen.owner, now), true)
      yield* Scope.close(scope, Exit.void)
    })
  )
]
