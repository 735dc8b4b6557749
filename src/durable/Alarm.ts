/** Waiting for an instant in a run: fixed, and durable, when it is first reached. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Run from "../core/Run.ts"
import type { RunHistory } from "./RunHistory.ts"
import type { RunJournal } from "./RunJournal.ts"

interface Place {
  readonly journal: RunJournal
  readonly history: RunHistory
  readonly path: string
  /** Makes a part of the wait interruptible. */
  readonly open: Run.Reopen
}

/** Milliseconds since the epoch. */
export const deadlineOf = (
  { history, journal, open, path }: Place,
  duration: Duration.Duration
): Effect.Effect<number> => {
  const unfinished = history.unfinished.get(path)
  journal.causes.asked(path, unfinished?.lastId)
  const known = unfinished?.deadline
  if (known !== undefined) return Effect.succeed(known)
  return Effect.flatMap(Clock.currentTimeMillis, (now) => {
    const deadline = now + Duration.toMillis(duration)
    return Effect.as(journal.announce({ type: "TimerScheduled", path, data: { deadline } }, open), deadline)
  })
}

export const sleepUntil = (deadline: number): Effect.Effect<void> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) => (deadline > now ? Effect.sleep(deadline - now) : Effect.void))

/** Waits for so long, and records that it did. To be called uninterruptibly. */
export const elapse = (place: Place, duration: Duration.Duration): Effect.Effect<void> => {
  const waited = Effect.flatMap(deadlineOf(place, duration), (deadline) => place.open(sleepUntil(deadline)))
  return Effect.andThen(waited, place.journal.append("TimerFired", place.path, {}))
}
