/** The time of a run, as its program reads it. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Run from "../core/Run.ts"
import type { Replay } from "./Replay.ts"
import type { RunJournal } from "./RunJournal.ts"

/** That of the answer heard last, live and on replay alike; and a clock that stands still only while there is replay. */
export const of = (journal: RunJournal, replay: Replay, startedAt: number): Run.Time => {
  const now = Effect.sync(() => journal.lastAnswerAt ?? replay.last?.timestamp ?? startedAt)
  return { now, clock: Effect.suspend(() => (replay.isDone ? Clock.currentTimeMillis : now)) }
}
