/**
 * Commits of a member: checkpoints, and what belongs to them, in groups.
 *
 * One fiber commits. What becomes ready meanwhile waits for the next commit, so that groups grow with the load. A put
 * that carries several partitions is taken apart if it is refused, to find out which of them was lost, or whose
 * documents did not fit.
 *
 * An answer that was lost is found again: a checkpoint carries the owner's epoch and the number of the commit.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import { type Persistence, PersistenceError, type Put } from "../persistence/Persistence.ts"
import * as ConsumerGroup from "./ConsumerGroup.ts"
import type { Entry, Share } from "./Share.ts"
import type { Window } from "./Window.ts"
import { patience } from "./Patience.ts"

/** What is done and wants to be stored with the checkpoint. */
export interface Completion {
  readonly share: Share
  readonly entries: ReadonlyArray<Entry>
  readonly puts: ReadonlyArray<Put>
  /** So many dead letters more, or less. */
  readonly deadLetters: number
  /** Some of its puts are the handler's, so it may be their fault if they cannot be stored. */
  readonly isHandlers?: boolean
}

/**
 * `refused`: an `expected` of its puts did not hold. `unstorable`: the store takes the checkpoint, but not these puts.
 * `lost`: the partition has another owner.
 */
export type Outcome = "committed" | "refused" | "unstorable" | "lost"

interface Waiting extends Completion {
  readonly outcome: Deferred.Deferred<Outcome>
}

interface Written {
  readonly share: Share
  readonly value: ConsumerGroup.Checkpoint
}

/** Completions of one commit. */
const groupSize = 256

/** A checkpoint is stored after so many events, or so long after the first of them: what a crash makes be handled again. */
const eventsPerCommit = 1024
const commitDelay = "50 millis"

export class Checkpoints {
  private readonly dirty = new Set<Share>()
  private readonly waiting: Array<Waiting> = []
  private readonly wake = Latch.makeUnsafe(false)
  private readonly resting = Latch.makeUnsafe(true)
  private isWanted = false
  private uncommitted = 0
  /** Something was done since the last commit. */
  private readonly due = Latch.makeUnsafe(false)
  private readonly persistence: Persistence["Service"]
  private readonly subscriber: string
  private readonly window: Window
  private readonly onGone: (share: Share) => void

  constructor(options: {
    readonly persistence: Persistence["Service"]
    readonly subscriber: string
    readonly window: Window
    /** A partition is no longer this member's: it was given back, or taken. */
    readonly onGone: (share: Share) => void
  }) {
    this.persistence = options.persistence
    this.subscriber = options.subscriber
    this.window = options.window
    this.onGone = options.onGone
  }

  /** Events are done. Their checkpoint is stored soon. */
  done(share: Share, entries: ReadonlyArray<Entry>): void {
    for (const entry of entries) entry.done = true
    this.window.free(share.settle())
    this.dirty.add(share)
    this.uncommitted += entries.length
    if (this.uncommitted >= eventsPerCommit) this.flush()
    else this.due.openUnsafe()
  }

  /** Stores the checkpoints of what is done, and of the given share. */
  flush(share?: Share): void {
    if (share !== undefined) this.dirty.add(share)
    if (this.dirty.size === 0) return
    this.isWanted = true
    this.resting.closeUnsafe()
    this.wake.openUnsafe()
  }

  /** Stores a completion, and answers once it is durable. */
  commit(completion: Completion): Effect.Effect<Outcome> {
    return Effect.suspend(() => {
      const outcome = Deferred.makeUnsafe<Outcome>()
      this.waiting.push({ ...completion, outcome })
      this.flush(completion.share)
      return Deferred.await(outcome)
    })
  }

  /** Waits until everything is stored. */
  readonly stored: Effect.Effect<void> = this.resting.await

  /** Commits for ever. */
  readonly run: Effect.Effect<never> = Effect.suspend(() =>
    Effect.raceFirst(Effect.forever(this.next), Effect.forever(this.flushInTime))
  )

  private readonly flushInTime: Effect.Effect<void> = Effect.suspend(() =>
    Effect.andThen(
      Effect.andThen(this.due.await, Effect.sleep(commitDelay)),
      Effect.sync(() => this.flush())
    )
  )

  private readonly next: Effect.Effect<void> = Effect.gen({ self: this }, function* () {
    yield* this.wake.await
    const waiting = this.waiting.splice(0, groupSize)
    const shares = new Set(this.dirty)
    this.dirty.clear()
    for (const { share } of this.waiting) this.dirty.add(share)
    this.isWanted = this.waiting.length > 0
    this.uncommitted = 0
    this.due.closeUnsafe()
    yield* this.store([...shares], waiting)
    if (this.isWanted) return
    this.wake.closeUnsafe()
    this.resting.openUnsafe()
  })

  private store(shares: ReadonlyArray<Share>, waiting: ReadonlyArray<Waiting>): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      const held = shares.filter((share) => share.state !== "gone")
      for (const { outcome, share } of waiting)
        if (share.state === "gone") Deferred.doneUnsafe(outcome, Effect.succeed("lost"))
      const alive = waiting.filter(({ share }) => share.state !== "gone")
      if (held.length === 0) return
      for (const { entries } of alive) for (const entry of entries) entry.done = true
      const written = held.map((share) => ({ share, value: share.checkpoint(lettersOf(share, alive)) }))
      const puts = [...written.map((one) => this.putOf(one)), ...alive.flatMap(({ puts }) => puts)]
      const answer = yield* this.putAll(puts, {
        written,
        isPatient: !alive.some(({ isHandlers }) => isHandlers === true)
      })
      if (answer === "committed") return this.succeeded(written, alive)
      for (const { entries } of alive) for (const entry of entries) entry.done = false
      yield* this.takeApart(held, { waiting: alive, answer })
    })
  }

  private putOf({ share, value }: Written): Put {
    return ConsumerGroup.checkpointPut(this.subscriber, share.partition, { expected: share.version, value })
  }

  /**
   * Puts, until there is an answer. What is told from it: are these checkpoints stored? If not patient, an error that
   * will not go away is an answer, too.
   */
  private putAll(
    puts: ReadonlyArray<Put>,
    { isPatient, written }: { readonly written: ReadonlyArray<Written>; readonly isPatient: boolean }
  ): Effect.Effect<"committed" | "refused" | "unstorable"> {
    const stored = Effect.map(
      Effect.forEach(written, ({ share, value }) =>
        Effect.map(
          ConsumerGroup.checkpoint(this.persistence, this.subscriber, share.partition),
          (found) => found?.value.epoch === value.epoch && found.value.commit === value.commit
        )
      ),
      (found) => found.every((one) => one)
    )
    const orElse = (answer: "refused" | "unstorable") => Effect.map(stored, (is) => (is ? "committed" : answer))
    // A body that the store cannot even encode is a defect to it, and to be told like any other refusal.
    const putting = Effect.catchDefect(this.persistence.putAll(puts), (cause) =>
      Effect.fail(new PersistenceError({ operation: "store a checkpoint", retryable: false, cause }))
    )
    const put = Effect.flatMap(putting, (won) => (won ? Effect.succeed("committed" as const) : orElse("refused")))
    let isFirst = true
    const attempt = Effect.suspend(() => {
      if (!isFirst) return Effect.flatMap(stored, (is) => (is ? Effect.succeed("committed" as const) : put))
      isFirst = false
      return put
    })
    return attempt.pipe(
      Effect.tapError((error) => this.report(error)),
      Effect.catchIf(
        ({ retryable }) => !retryable && !isPatient,
        () => orElse("unstorable")
      ),
      Effect.retry(patience),
      Effect.orDie
    )
  }

  private report(error: PersistenceError): Effect.Effect<void> {
    return Effect.logWarning(`Subscriber "${this.subscriber}" could not store its checkpoint`, error)
  }

  /** A group that was not stored: finds out what each of its parts has to say. */
  private takeApart(
    shares: ReadonlyArray<Share>,
    { answer, waiting }: { readonly waiting: ReadonlyArray<Waiting>; readonly answer: "refused" | "unstorable" }
  ): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      for (const share of shares) yield* this.verify(share)
      if (shares.some(({ state }) => state === "gone")) return yield* this.store(shares, waiting)
      if (waiting.length === 1 && shares.length === 1) {
        // The checkpoint alone is patient: if the store is at fault, this waits for it.
        if (answer === "unstorable") yield* this.store(shares, [])
        return Deferred.doneUnsafe(waiting[0]!.outcome, Effect.succeed(answer))
      }
      for (const one of waiting) yield* this.store([one.share], [one])
      const rest = shares.filter((share) => !waiting.some((one) => one.share === share))
      if (rest.length > 0) yield* this.store(rest, [])
    })
  }

  /** Is the partition still ours? */
  private verify(share: Share): Effect.Effect<void> {
    return ConsumerGroup.checkpoint(this.persistence, this.subscriber, share.partition).pipe(
      Effect.tapError((error) => this.report(error)),
      Effect.retry(patience),
      Effect.orDie,
      Effect.flatMap((found) => {
        if (found?.version === share.version) return Effect.void
        this.onGone(share)
        return Effect.logWarning(
          `Subscriber "${this.subscriber}" has lost partition ${share.partition} to another member`
        )
      })
    )
  }

  private succeeded(written: ReadonlyArray<Written>, waiting: ReadonlyArray<Waiting>): void {
    for (const { share, value } of written) {
      share.version++
      share.commit = value.commit
      share.deadLetters = value.deadLetters
      share.stored = value.position
      this.window.free(share.settle())
      if (value.owner === null) this.onGone(share)
    }
    for (const { outcome } of waiting) Deferred.doneUnsafe(outcome, Effect.succeed("committed"))
  }
}

const lettersOf = (share: Share, waiting: ReadonlyArray<Completion>): number =>
  waiting.reduce((sum, one) => (one.share === share ? sum + one.deadLetters : sum), 0)
