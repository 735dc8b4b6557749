/** One driver among those that share a database: how it signs its appends, and what it tells the others. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Audience, type Message } from "./PostgresAudience.ts"

/** Who listens for appends in this process. */
interface Listener {
  readonly wake: () => void
  /** Says it to the listeners in other processes. */
  readonly speak: (message: Message) => void
}

export class PostgresWriter {
  readonly audience: Audience
  private readonly number: number
  private readonly listeners = new Set<Listener>()
  private generation = 0

  /** `stayMillis`: see `Audience`. */
  constructor(number: number, stayMillis: number) {
    this.number = number
    this.audience = new Audience(`${number}`, stayMillis)
  }

  /** What an append is signed with, so that one's own wakes nobody here. Empty: nobody is to be told of it. */
  signature(now: number): string {
    return this.audience.isThere(now) ? this.name : ""
  }

  /** Whether it was said, or signed, by this driver. */
  isOwn(payload: string): boolean {
    return payload === this.name || this.audience.isOwn(payload)
  }

  /** An append that was not acknowledged may be in the log all the same, unheard of here: what it signed with is foreign. */
  readonly rename = Effect.sync(() => void this.generation++)

  /** For as long as the scope is open. */
  listening(listener: Listener): Effect.Effect<void, never, Scope.Scope> {
    const added = Effect.sync(() => this.listeners.add(listener))
    const removed = Effect.sync(() => this.listeners.delete(listener))
    return Effect.asVoid(Effect.acquireRelease(added, () => removed))
  }

  /** Carries out an append, and makes good afterwards what its signature did not tell. */
  watching<A, E>(append: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.withFiber((fiber) => {
      const clock = fiber.getRef(Clock.Clock)
      const { generation } = this
      const isSilent = !this.audience.isThere(clock.currentTimeMillisUnsafe())
      return Effect.onExitPrimitive(append, () => {
        // It was renamed, and perhaps silent, so that nobody here has heard of it.
        if (generation !== this.generation) for (const { wake } of this.listeners) wake()
        // Somebody has begun to listen meanwhile, and may have looked too early.
        if (isSilent && this.audience.isThere(clock.currentTimeMillisUnsafe())) {
          for (const { speak } of this.listeners) speak("answers")
        }
        return undefined
      })
    })
  }

  private get name(): string {
    return `${this.number}/${this.generation}`
  }
}
