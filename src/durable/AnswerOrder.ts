/**
 * One answer at a time: a program hears the next answer only when it has come to rest after the one before, and in the order
 * of the journal.
 *
 * Replay gives answers so (R1, R2). Live, several may be stored in one batch, or one beside a fiber that is ready and has
 * asked nothing yet; heard at once, the loser of a race would go on for a step before it is interrupted, and a replay, where
 * it is not, would not match the journal. A program that asks one thing after the other never waits here.
 */
import * as Effect from "effect/Effect"
import type { Rest } from "./Rest.ts"

/** An answer on its way into the journal. */
export interface Place {
  /** Set by who waits for its turn. */
  onTurn: (() => void) | undefined
  /** The place behind it. */
  next: Place | undefined
  /** It was queued when the one before it was heard: who heard that may still be at it, where no scheduler sees it. */
  isPressed: boolean
}

export class AnswerOrder {
  private readonly rest: Rest
  private first: Place | undefined
  private last: Place | undefined

  constructor(rest: Rest) {
    this.rest = rest
  }

  /** Takes the next place. To be called when the answer is queued for the journal: that is the order of the journal. */
  take(): Place {
    const place: Place = { onTurn: undefined, next: undefined, isPressed: false }
    if (this.first === undefined) this.first = place
    else this.last!.next = place
    this.last = place
    return place
  }

  /** Takes the turn of a recorded answer, if nothing has to be waited for: what follows is heard at once. */
  takesTurn(place: Place): boolean {
    const isFree = this.first === place && !place.isPressed && this.rest.isNow
    if (isFree) this.give(place)
    return isFree
  }

  /** Waits for the turn of a recorded answer. To be called uninterruptibly, and what follows is heard at once. */
  turn(place: Place): Effect.Effect<void> {
    return Effect.andThen(
      Effect.callback<void>((resume) => {
        place.onTurn = () => this.rest.whenAtRest(() => resume(Effect.void))
        if (this.first === place) place.onTurn()
      }),
      Effect.sync(() => this.give(place))
    )
  }

  private give({ next }: Place): void {
    this.first = next
    if (next === undefined) return
    next.isPressed = true
    next.onTurn?.()
  }
}
