import * as Effect from "effect/Effect"
import type { Replay } from "./Replay.ts"
import type { RunJournal } from "./RunJournal.ts"

/** Which patches apply to a run: decided once each, at the place where the run first met them. */
export class Patches {
  private decided: Map<string, boolean> | undefined
  private readonly replay: Replay
  private readonly journal: RunJournal

  constructor(replay: Replay, journal: RunJournal) {
    this.replay = replay
    this.journal = journal
  }

  /** A journal that goes on beyond this place without the patch was written by the old code. */
  decide(id: string): Effect.Effect<boolean> {
    return Effect.suspend(() => {
      const decided = this.decided?.get(id)
      if (decided !== undefined) return Effect.succeed(decided)
      const path = `~patch/${id}`
      const index = this.replay.find(path)
      const applies = index !== undefined || this.replay.isDone
      this.decided = (this.decided ?? new Map()).set(id, applies)
      if (index !== undefined) return Effect.as(Effect.uninterruptible(this.replay.take(index)), true)
      if (!applies) return Effect.succeed(false)
      return Effect.as(Effect.uninterruptible(this.journal.append("PatchApplied", path, { id })), true)
    })
  }
}
