/**
 * One process's part in a subscriber: it owns partitions, reads for them, and gives them back.
 *
 * The heartbeat keeps the lease, takes partitions nobody has, gives back what is more than a fair share, and looks for
 * what was asked for meanwhile: a pause, a redrive.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Metric from "effect/Metric"
import * as Queue from "effect/Queue"
import type * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Exit from "effect/Exit"
import type { EventStore } from "../event-store/EventStore.ts"
import type { EventStoreError } from "../event-store/EventStoreError.ts"
import type { Liveness } from "../persistence/Lease.ts"
import type { Persistence, PersistenceError } from "../persistence/Persistence.ts"
import { Checkpoints } from "./Checkpoints.ts"
import * as ConsumerGroup from "./ConsumerGroup.ts"
import * as DeadLetter from "./DeadLetter.ts"
import type { Work } from "./Handler.ts"
import { Reader, type Wanted } from "./Reader.ts"
import { type Lane, Share } from "./Share.ts"
import * as SubscriberMetrics from "./SubscriberMetrics.ts"
import * as Turn from "./Turn.ts"
import { Window } from "./Window.ts"
import { type Counters, Workers } from "./Workers.ts"

/** How a member works. */
export interface Settings {
  readonly subscriber: string
  readonly wanted: Wanted
  readonly work: Work
  readonly retry: Schedule.Schedule<unknown, any>
  readonly parks: boolean
  readonly concurrency: number
  readonly buffer: number
  readonly lease: Duration.Duration
  readonly grace: Duration.Duration
}

/** What a member finds when it joins. */
export interface Joined {
  readonly store: EventStore["Service"]
  readonly persistence: Persistence["Service"]
  readonly liveness: Liveness
  readonly agreement: ConsumerGroup.Agreement
  readonly id: string
  /** Until then the lease holds. */
  readonly until: number
}

/** A store that is away must not keep a process from ending: the lease then runs out. */
const patience = "3 seconds"

type StoreError = PersistenceError | EventStoreError

export class Member {
  readonly id: string
  readonly counters: Counters = { handled: 0, failures: 0, deadLettered: 0 }
  readonly shares = new Map<number, Share>()
  private readonly settings: Settings
  private readonly joined: Joined
  private readonly checkpoints: Checkpoints
  private readonly window: Window
  private readonly reader: Reader
  private readonly workers: Workers
  private readonly metrics: SubscriberMetrics.SubscriberMetrics
  private readonly nudged = Latch.makeUnsafe(false)
  private readonly gate = Latch.makeUnsafe(false)
  private until: number
  private isPaused = false
  private counted = 0
  private readonly clock: Clock.Clock

  constructor(
    settings: Settings,
    joined: Joined,
    parts: { readonly ready: Queue.Queue<Lane>; readonly scope: Scope.Scope; readonly clock: Clock.Clock }
  ) {
    const { parks, subscriber, work } = settings
    const { agreement, persistence, store } = joined
    this.settings = settings
    this.joined = joined
    this.id = joined.id
    this.until = joined.until
    this.clock = parts.clock
    this.metrics = SubscriberMetrics.make(subscriber)
    this.window = new Window(settings.buffer)
    this.checkpoints = new Checkpoints({
      persistence,
      subscriber,
      window: this.window,
      onGone: (share) => this.drop(share)
    })
    const { checkpoints, counters, metrics, window } = this
    const turn = Turn.make({ subscriber, store, persistence, checkpoints, parks, ...work })
    const gate = { isOpen: () => this.isOpen(), open: this.opened }
    this.workers = new Workers(
      { subscriber, work, retry: settings.retry, checkpoints, metrics, counters, gate },
      { ready: parts.ready, scope: parts.scope, turn }
    )
    this.reader = new Reader({
      subscriber,
      store,
      partitions: agreement.partitions,
      lane: work.lane,
      wanted: settings.wanted,
      shares: this.shares,
      window,
      rouse: (lane) => this.workers.rouse(lane)
    })
  }

  get status(): "working" | "paused" | "waiting" {
    if (this.isPaused) return "paused"
    return this.isOpen() ? "working" : "waiting"
  }

  /** Looks at the stores now, not only at the next heartbeat. */
  nudge(): void {
    this.nudged.openUnsafe()
  }

  // ------------------------------------------------------------- life

  /** Begins to work. What is returned ends it: in hand is finished, checkpoints are stored, partitions given back. */
  readonly start = (scope: Scope.Closeable): Effect.Effect<Effect.Effect<void>, StoreError> =>
    Effect.gen({ self: this }, function* () {
      const working = yield* Scope.fork(scope)
      yield* Effect.onError(this.beat, () => this.leave)
      const fork = (effect: Effect.Effect<unknown>, scope: Scope.Scope) => Effect.forkIn(effect, scope)
      yield* fork(this.checkpoints.run, scope)
      yield* fork(this.heartbeats, working)
      yield* fork(this.reader.run, working)
      for (let index = 0; index < this.settings.concurrency; index++) yield* fork(this.workers.run, working)
      return this.stop(working)
    })

  private stop(working: Scope.Closeable): Effect.Effect<void> {
    const { grace } = this.settings
    return Effect.gen({ self: this }, function* () {
      yield* Effect.timeoutOption(Effect.interruptible(this.workers.stop), grace)
      yield* Scope.close(working, Exit.void)
      yield* this.count
      for (const share of this.shares.values()) this.giveBack(share)
      yield* Effect.timeoutOption(Effect.interruptible(this.checkpoints.stored), grace)
      yield* Effect.timeoutOption(Effect.interruptible(this.leave), patience)
    })
  }

  private get leave(): Effect.Effect<void> {
    const { subscriber } = this.settings
    return ConsumerGroup.leave(this.joined.persistence, subscriber, this.id).pipe(
      Effect.catch((error) => Effect.logWarning(`Subscriber "${subscriber}" could not give back its lease`, error))
    )
  }

  // ------------------------------------------------------------- lease

  private isOpen(): boolean {
    if (!this.gate.isOpen()) return false
    if (this.clock.currentTimeMillisUnsafe() < this.until) return true
    // S8: the lease ran out, so that somebody else may own the partitions by now.
    this.gate.closeUnsafe()
    this.nudge()
    return false
  }

  private readonly opened: Effect.Effect<void> = Effect.suspend(() =>
    this.isOpen() ? Effect.void : Effect.andThen(this.gate.await, this.opened)
  )

  private get heartbeats(): Effect.Effect<never> {
    const { lease, subscriber } = this.settings
    const next = Effect.raceFirst(Effect.sleep(Duration.times(lease, 1 / 3)), this.nudged.await)
    return Effect.forever(
      Effect.andThen(
        next,
        Effect.catch(this.beat, (error) => Effect.logWarning(`Subscriber "${subscriber}" missed a heartbeat`, error))
      )
    )
  }

  private readonly beat: Effect.Effect<void, StoreError> = Effect.suspend(() => {
    this.nudged.closeUnsafe()
    const { joined, settings } = this
    const { liveness, persistence } = joined
    const { subscriber } = settings
    return Effect.gen({ self: this }, function* () {
      const until = (yield* Clock.currentTimeMillis) + Duration.toMillis(settings.lease)
      yield* ConsumerGroup.renew(persistence, subscriber, { id: this.id, ...liveness, until, isNew: false })
      const agreement = yield* ConsumerGroup.agreement(persistence, subscriber)
      const members = yield* ConsumerGroup.members(persistence, subscriber, liveness)
      yield* this.balance(new Set([...members, this.id]))
      this.until = until
      this.isPaused = agreement?.value.status === "paused"
      if (this.isPaused) this.gate.closeUnsafe()
      else this.gate.openUnsafe()
      yield* this.redrive
      const head = yield* this.reader.passOver
      for (const share of this.shares.values()) if (share.position > share.stored) this.checkpoints.flush(share)
      this.checkpoints.flush()
      yield* this.count
      const behind = [...this.shares.values()].map(({ position }) => head - position)
      yield* Metric.update(this.metrics.lag, Math.max(0, ...behind))
    })
  })

  /** The metric follows the counter now and then: an event costs nothing more. */
  private readonly count: Effect.Effect<void> = Effect.suspend(() => {
    const more = this.counters.handled - this.counted
    this.counted += more
    return more === 0 ? Effect.void : Metric.update(this.metrics.handled, more)
  })

  // ------------------------------------------------------------- partitions

  /** Drops what was lost, gives back what is too much, takes what nobody has. */
  private balance(members: ReadonlySet<string>): Effect.Effect<void, StoreError> {
    const { agreement, persistence } = this.joined
    return Effect.gen({ self: this }, function* () {
      const checkpoints = yield* ConsumerGroup.checkpoints(persistence, this.settings.subscriber)
      for (const share of this.shares.values()) {
        if (checkpoints.get(share.partition)?.value.epoch !== share.epoch) this.drop(share)
      }
      const fair = Math.ceil(agreement.partitions / members.size)
      const held = [...this.shares.values()].filter(({ state }) => state === "held")
      for (const share of held.slice(fair)) this.giveBack(share)
      let room = fair - this.shares.size
      for (let partition = 0; partition < agreement.partitions && room > 0; partition++) {
        const found = checkpoints.get(partition)
        if (this.shares.has(partition) || !isFree(found, members, this.id)) continue
        if (yield* this.claim(partition, found)) room--
      }
    })
  }

  /** Takes a partition over: from here on, its owner before is fenced (S4). */
  private claim(
    partition: number,
    found: ConsumerGroup.Found<ConsumerGroup.Checkpoint> | undefined
  ): Effect.Effect<boolean, StoreError> {
    const { agreement, persistence } = this.joined
    const { parks, subscriber } = this.settings
    const before = found?.value ?? { position: agreement.start, done: [], epoch: 0, deadLetters: 0 }
    const value = { ...before, owner: this.id, epoch: before.epoch + 1, commit: 0 }
    const expected = found?.version ?? 0
    return Effect.gen({ self: this }, function* () {
      const put = ConsumerGroup.checkpointPut(subscriber, partition, { expected, value })
      if (!(yield* persistence.putAll([put]))) return false
      const letters = parks ? yield* DeadLetter.byStream(persistence, subscriber, partition) : undefined
      const share = new Share(partition, { id: "", version: expected + 1, value }, letters?.counts ?? new Map())
      this.shares.set(partition, share)
      for (const stream of letters?.headless ?? []) this.redriveStream(share, stream)
      this.reader.restart()
      return true
    })
  }

  /** Lets go of a partition as soon as nothing of it is in hand. */
  private giveBack(share: Share): void {
    if (share.state !== "held") return
    share.state = "releasing"
    if (share.busy === 0) this.checkpoints.flush(share)
  }

  private drop(share: Share): void {
    this.shares.delete(share.partition)
    this.window.free(share.drop())
  }

  // ------------------------------------------------------------- redrive

  /** Begins with what was asked to be tried again. */
  private readonly redrive: Effect.Effect<void, StoreError> = Effect.suspend(() => {
    const owned = [...this.shares.values()].filter(({ deadLetters, state }) => deadLetters > 0 && state === "held")
    if (owned.length === 0) return Effect.void
    const where = { status: ["redriving", "discarding"], partition: owned.map(({ partition }) => partition) }
    return Effect.map(
      DeadLetter.query(this.joined.persistence, this.settings.subscriber, { where, limit: 256 }),
      (letters) => {
        for (const { value } of letters) {
          const share = this.shares.get(value.partition)
          if (share !== undefined) this.redriveStream(share, value.stream)
        }
      }
    )
  })

  private redriveStream(share: Share, stream: string): void {
    const lane = share.lane(this.settings.work.lane === "stream" ? stream : "")
    lane.redriving.add(stream)
    this.workers.rouse(lane)
  }
}

/** Nobody owns it, or nobody who lives. One of our own that we do not know of: the answer to our claim was lost. */
const isFree = (
  found: ConsumerGroup.Found<ConsumerGroup.Checkpoint> | undefined,
  members: ReadonlySet<string>,
  self: string
): boolean => {
  const owner = found?.value.owner
  return owner === undefined || owner === null || owner === self || !members.has(owner)
}
