/**
 * One answer at a time: while several questions of a run are open, its program hears the next answer only when it has come to
 * rest after the one before, and in the order of the journal.
 *
 * Replay gives answers so (R1, R2). Live, several may be stored in one batch; heard at once, the loser of a race would go on
 * for a step before it is interrupted, and a replay, where it is not, would not match the journal. A program that asks one
 * thing after the other never waits here.
 */
import * as Effect from "effect/Effect"
import { settled } from "./Settling.ts"

/** `Answer`: to a question. `Note`: its question is its own answer. `Other`: heard without a question, as a cancellation is. */
export type Kind = "Answer" | "Note" | "Other"

/** An answer on its way into the journal. */
export interface Place {
  readonly kind: Kind
  /** Set by who waits for its turn. */
  onTurn: (() => void) | undefined
  /** The place behind it. */
  next: Place | undefined
}

/**
 * Scheduler turns without a question after which an answer has had its consequences. Interruptions take none, forks one each;
 * on replay, where all questions are asked anew, more are waited for.
 */
const restTurns = 3

export class AnswerOrder {
  /** Questions that are asked and not answered. */
  private open = 0
  private questions = 0
  /** The last answer was given while others were open, and who heard it may still be at it. */
  private isUnsettled = false
  private first: Place | undefined
  private last: Place | undefined

  /** Counts a question, for as long as the effect answers it. */
  during<A, E, R>(answer: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.suspend(() => {
      this.begin()
      return Effect.onExitPrimitive(answer, () => {
        this.end()
        return undefined
      })
    })
  }

  /** Counts a question whose end is told by `end`. */
  begin(): void {
    this.open++
    this.questions++
  }

  end(): void {
    this.open--
  }

  /** Takes the next place. To be called when the answer is queued for the journal: that is the order of the journal. */
  take(kind: Kind): Place {
    const place: Place = { kind, onTurn: undefined, next: undefined }
    if (this.first === undefined) this.first = place
    else this.last!.next = place
    this.last = place
    return place
  }

  /** Takes the turn of a recorded answer, if nothing has to be waited for: what follows is heard at once. */
  takesTurn(place: Place): boolean {
    const isFree = this.first === place && this.isAtRest(place)
    if (isFree) this.give(place)
    return isFree
  }

  /** Waits for the turn of a recorded answer. To be called uninterruptibly, and what follows is heard at once. */
  turn(place: Place): Effect.Effect<void> {
    return Effect.andThen(
      Effect.andThen(this.atHead(place), this.rest),
      Effect.sync(() => this.give(place))
    )
  }

  /** Waits until the program asks nothing more before it hears another answer. */
  private get rest(): Effect.Effect<void> {
    return settled(restTurns, () => this.questions)
  }

  private hasOthers({ kind }: Place): boolean {
    return this.open > (kind === "Other" ? 0 : 1)
  }

  /** Whoever states a note is running; the last answer was given to one who was alone, unless `isUnsettled` says otherwise. */
  private isAtRest(place: Place): boolean {
    if (this.isUnsettled || place.kind === "Other") return false
    return place.kind === "Note" || !this.hasOthers(place)
  }

  private atHead(place: Place): Effect.Effect<void> {
    return Effect.callback((resume) => {
      if (this.first === place) return resume(Effect.void)
      place.onTurn = () => resume(Effect.void)
    })
  }

  private give(place: Place): void {
    this.isUnsettled = this.hasOthers(place)
    this.first = place.next
    this.first?.onTurn?.()
  }
}
