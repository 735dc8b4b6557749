/**
 * Whether anybody else listens for appends.
 *
 * A notification costs an append as much as half of its commit again, most of it for its own process, which listens, too.
 * So listeners say that they are there: when they begin, when another begins, and now and then. Who begins asks, and as long
 * as nobody answers, appends are not announced. Nothing is lost by that: whoever is not told of an append looks by himself
 * when he begins to listen, when he hears from another, and every so often.
 */

/** How long those who are there may take to say so. Appends are announced meanwhile. */
const answerMillis = 1000

/** What a payload says besides an append: `asks` comes from one who begins. */
export type Message = "asks" | "answers"

const marks: Readonly<Record<Message, string>> = { asks: "?", answers: "!" }

export class Audience {
  private readonly name: string
  private readonly stayMillis: number
  private listens = false
  private announceUntil = 0

  /** `stayMillis`: how long a listener that was heard of counts as there. */
  constructor(name: string, stayMillis: number) {
    this.name = name
    this.stayMillis = stayMillis
  }

  /** Whether an append at this time is to be announced: somebody may listen. All times are in milliseconds since the epoch. */
  isThere(now: number): boolean {
    return !this.listens || now < this.announceUntil
  }

  /** From now on others are heard. */
  begins(now: number): void {
    this.listens = true
    this.announceUntil = Math.max(this.announceUntil, now + answerMillis)
  }

  /** Others are not heard any more. */
  ends(): void {
    this.listens = false
  }

  payload(message: Message): string {
    return marks[message] + this.name
  }

  /** Takes in what was heard. Answers with what another has said; `undefined`: it is an append, or one's own word. */
  hear(payload: string, now: number): Message | undefined {
    const message = payload.startsWith(marks.asks) ? "asks" : payload.startsWith(marks.answers) ? "answers" : undefined
    if (message === undefined || this.isOwn(payload)) return undefined
    this.announceUntil = Math.max(this.announceUntil, now + this.stayMillis)
    return message
  }

  isOwn(payload: string): boolean {
    return payload === this.payload("asks") || payload === this.payload("answers")
  }
}
