/**
 * What is next in a lane: a dead letter that is tried again, an event that must wait behind one, or events to handle.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { StoredEvent, StreamId } from "../event-store/Envelope.ts"
import type { EventStore } from "../event-store/EventStore.ts"
import type { EventStoreError } from "../event-store/EventStoreError.ts"
import type { Persistence, Put } from "../persistence/Persistence.ts"
import type { Checkpoints, Completion, Outcome } from "./Checkpoints.ts"
import * as DeadLetter from "./DeadLetter.ts"
import type { Entry, Lane } from "./Share.ts"
import type { GivenUp, Step, Workers } from "./Workers.ts"

export interface Options {
  readonly subscriber: string
  readonly store: EventStore["Service"]
  readonly persistence: Persistence["Service"]
  readonly checkpoints: Checkpoints
  /** Do later events of a stream wait behind its dead letter? */
  readonly parks: boolean
  readonly batchSize: number
  /** Is the documents' commit waited for? */
  readonly writes: boolean
}

/** Dead letters, or events to park, that are dealt with at once. */
const pageSize = 64

/** How long a lane rests when the stores do not answer. */
const rest = Duration.seconds(1)

/** Makes the turns of a member's workers. */
export const make =
  (options: Options) =>
  (workers: Workers) =>
  (lane: Lane): Effect.Effect<Step | "empty"> =>
    Effect.suspend(() => {
      if (lane.redriving.size > 0) return redrive({ ...options, workers, lane })
      const head = lane.entries[0]
      if (head === undefined) return Effect.succeed("empty")
      if (lane.share.parked.has(head.event.stream)) return park({ ...options, workers, lane })
      return handle({ ...options, workers, lane })
    })

interface InHand extends Options {
  readonly workers: Workers
  readonly lane: Lane
}

const commit = (
  { checkpoints, lane }: InHand,
  completion: Omit<Completion, "share" | "entries"> & { readonly entries?: ReadonlyArray<Entry> }
): Effect.Effect<Outcome> => checkpoints.commit({ entries: [], ...completion, share: lane.share })

const handle = (hand: InHand): Effect.Effect<Step> => {
  const { batchSize, checkpoints, lane, writes } = hand
  const entries = next(lane, lane.single > 0 ? 1 : batchSize)
  const settled = (outcome: Outcome): Outcome => {
    if (outcome === "committed") {
      lane.entries.splice(0, entries.length)
      lane.single = Math.max(0, lane.single - entries.length)
    }
    return outcome
  }
  const complete = (puts: ReadonlyArray<Put>): Effect.Effect<Outcome> => {
    if (writes) return Effect.map(commit(hand, { entries, puts, deadLetters: 0, isHandlers: true }), settled)
    checkpoints.done(lane.share, entries)
    return Effect.succeed(settled("committed"))
  }
  return hand.workers.attempt(lane, {
    events: entries.map(({ event }) => event),
    isRedriven: false,
    complete,
    giveUp: (given) => Effect.map(bury(hand, entries[0]!, given), settled)
  })
}

/** Events to handle at once, of streams that are not parked. */
const next = (lane: Lane, most: number): ReadonlyArray<Entry> => {
  const { entries, share } = lane
  if (most === 1) return [entries[0]!]
  let count = 1
  while (count < most && count < entries.length && !share.parked.has(entries[count]!.event.stream)) count++
  return entries.slice(0, count)
}

/** The event becomes a dead letter, in the commit that moves the checkpoint past it (S5). */
const bury = (hand: InHand, entry: Entry, { attempts, cause, reason }: GivenUp): Effect.Effect<Outcome> =>
  Effect.gen(function* () {
    const { lane, parks, subscriber } = hand
    const since = yield* Clock.currentTimeMillis
    const about = { status: "dead", partition: lane.share.partition, attempts, since, reason, cause } as const
    const puts = [DeadLetter.keep(subscriber, entry.event, about)]
    const outcome = yield* commit(hand, { entries: [entry], puts, deadLetters: 1 })
    if (outcome === "committed" && parks) addParked(lane, entry.event.stream, 1)
    return outcome
  })

/** Events of a stream that has a dead letter queue behind it. */
const park = (hand: InHand): Effect.Effect<Step> =>
  Effect.gen(function* () {
    const { lane, subscriber } = hand
    const { parked, partition } = lane.share
    const entries: Array<Entry> = []
    for (const entry of lane.entries) {
      if (entries.length === pageSize || !parked.has(entry.event.stream)) break
      entries.push(entry)
    }
    const since = yield* Clock.currentTimeMillis
    const reason = "it waits behind a dead letter of its stream"
    const about = { status: "parked", partition, attempts: 0, since, reason, cause: "" } as const
    const puts = entries.map(({ event }) => DeadLetter.keep(subscriber, event, about))
    const outcome = yield* commit(hand, { entries, puts, deadLetters: entries.length })
    if (outcome !== "committed") return "stop"
    for (const { event } of entries) addParked(lane, event.stream, 1)
    lane.entries.splice(0, entries.length)
    lane.single = Math.max(0, lane.single - entries.length)
    return "settled"
  })

const addParked = ({ share: { parked } }: Lane, stream: string, count: number): void => {
  const now = (parked.get(stream) ?? 0) + count
  if (now > 0) parked.set(stream, now)
  else parked.delete(stream)
}

/** The next dead letter of a stream that is to be redriven. */
const redrive = (hand: InHand): Effect.Effect<Step> =>
  Effect.gen(function* () {
    const { lane } = hand
    const [stream] = lane.redriving
    if (lane.letters.length === 0) lane.letters = yield* load(hand, stream!)
    const letter = lane.letters[0]
    if (letter === undefined) {
      lane.redriving.delete(stream!)
      return "settled"
    }
    if (letter.value.status === "discarding") return step(yield* remove(hand, letter, []))
    const event = yield* eventOf(hand, letter)
    if (event !== undefined) return yield* retry(hand, letter, event)
    const reason = "its event is no longer in the log"
    return step(yield* giveUpAgain(hand, letter, { attempts: 0, reason, cause: reason }))
  }).pipe(
    Effect.catch((error) =>
      Effect.andThen(
        Effect.logWarning(`Subscriber "${hand.subscriber}" could not read a dead letter`, error),
        hand.workers.wait(hand.lane, rest)
      )
    )
  )

const step = (outcome: Outcome): Step => (outcome === "lost" ? "stop" : "settled")

/** Dead letters of the stream that may be tried, in order. */
const load = ({ parks, persistence, subscriber }: InHand, stream: string) => {
  const where = parks ? { stream } : { stream, status: ["redriving", "discarding"] }
  return Effect.map(
    DeadLetter.query(persistence, subscriber, { where, limit: pageSize }),
    (letters): Array<DeadLetter.Found> => {
      // What is parked waits for the dead one before it, whatever was asked for (S7).
      const end = letters.findIndex(({ value }) => value.status === "dead")
      return end < 0 ? [...letters] : letters.slice(0, end)
    }
  )
}

const eventOf = (
  { store }: InHand,
  { value: { eventId, stream, version } }: DeadLetter.Found
): Effect.Effect<StoredEvent | undefined, EventStoreError> =>
  store.readArray(stream as StreamId, { from: version, to: version }).pipe(
    Effect.map(([event]) => (event?.id === eventId ? event : undefined)),
    Effect.catchIf(
      ({ reason }) => reason._tag === "StreamDeleted",
      () => Effect.succeed(undefined)
    )
  )

const retry = (hand: InHand, letter: DeadLetter.Found, event: StoredEvent): Effect.Effect<Step> =>
  hand.workers.attempt(hand.lane, {
    events: [event],
    isRedriven: true,
    complete: (puts) => remove(hand, letter, puts),
    giveUp: (given) => giveUpAgain(hand, letter, given)
  })

/** The dead letter is settled: it goes in the commit of what its event has put. */
const remove = (hand: InHand, letter: DeadLetter.Found, puts: ReadonlyArray<Put>): Effect.Effect<Outcome> =>
  Effect.gen(function* () {
    const { lane, subscriber } = hand
    const now = yield* Clock.currentTimeMillis
    const outcome = yield* commit(hand, {
      puts: [...puts, DeadLetter.remove(subscriber, letter, now)],
      deadLetters: -1,
      isHandlers: puts.length > 0
    })
    if (outcome === "refused") lane.letters = []
    if (outcome !== "committed") return outcome
    lane.letters.shift()
    if (lane.share.parked.has(letter.value.stream)) addParked(lane, letter.value.stream, -1)
    return outcome
  })

const giveUpAgain = (hand: InHand, letter: DeadLetter.Found, given: GivenUp): Effect.Effect<Outcome> =>
  Effect.gen(function* () {
    const { lane, subscriber } = hand
    const since = yield* Clock.currentTimeMillis
    const attempts = letter.value.attempts + given.attempts
    const changes = { ...given, status: "dead", since, attempts } as const
    const outcome = yield* commit(hand, { puts: [DeadLetter.change(subscriber, letter, changes)], deadLetters: 0 })
    lane.letters = []
    return outcome
  })
