/**
 * Gives a program the recorded answers again, in the order in which it received them.
 *
 * Invariants (checked by `test/durable/Replay.test.ts`):
 *
 *   R1. Answers are delivered in journal order, whatever the order of the questions.
 *   R2. Before each delivery every fiber of the program has run until it waits.
 *   R3. A question without a recorded answer waits until all answers are delivered.
 *   R4. A question that has a recorded answer cannot be interrupted: when it was first asked it was not either.
 *   R5. If the next answer is not asked for while other questions wait, the program does not match its journal.
 *
 * R1 and R2 are what makes undo survive: a branch's failure is not heard before the branch beside it has taken, and
 * registered the undo of, everything that was recorded earlier.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Entry } from "./RunHistory.ts"
import type { Rest } from "./Rest.ts"

export interface Mismatch {
  readonly path: string
  readonly expected: string
  readonly found: string
}

export interface Options {
  readonly rest: Rest
  readonly entries: ReadonlyArray<Entry>
  /** How long the next answer may go unasked while other questions wait (R5). */
  readonly patience: Duration.Duration
  /** Called when the journal reaches a cancel request. */
  readonly onCancelRequested: (entry: Entry) => Effect.Effect<void>
  readonly onMismatch: (mismatch: Mismatch) => Effect.Effect<void>
}

/** Of a run that has nothing to be replayed nothing is ever waited for: all of them share it. */
const nothing: Map<any, any> = new Map()

export class Replay {
  private cursor = 0
  private questions = 0
  private readonly indexOf: ReadonlyMap<string, number>
  private readonly waiting: Map<number, (answer: Effect.Effect<Entry>) => void>
  /** Who waits, and at which path; a request from outside is at none. */
  private readonly frontier: Map<() => void, string | undefined>
  private wakePump: (() => void) | undefined
  private lastDelivered: Entry | undefined
  private readonly options: Options

  constructor(options: Options) {
    const { entries } = options
    this.options = options
    const isFresh = entries.length === 0
    this.indexOf = isFresh ? nothing : new Map(entries.map(({ path }, index) => [path, index]))
    this.waiting = isFresh ? nothing : new Map()
    this.frontier = isFresh ? nothing : new Map()
  }

  get isDone(): boolean {
    return this.cursor === this.options.entries.length
  }

  /** The answer delivered last: its time is the program's now. */
  get last(): Entry | undefined {
    return this.lastDelivered
  }

  /** Recorded answers that nobody has asked for. For a cancellation nobody asks: it may have come too late. */
  get unasked(): ReadonlyArray<Entry> {
    return this.options.entries
      .slice(this.cursor)
      .filter(({ type }, offset) => type !== "RunCancelRequested" && !this.waiting.has(this.cursor + offset))
  }

  /** The recorded answer at a path, if there is one that was not delivered yet. */
  find(path: string): number | undefined {
    const index = this.indexOf.get(path)
    return index === undefined || index < this.cursor ? undefined : index
  }

  /** Waits for the turn of a recorded answer. To be called uninterruptibly (R4). */
  take(index: number): Effect.Effect<Entry> {
    return Effect.callback((resume) => {
      this.waiting.set(index, resume)
      this.asked()
    })
  }

  /** Waits until every recorded answer is delivered (R3). */
  atFrontier(path?: string): Effect.Effect<void> {
    return Effect.callback((resume) => {
      if (this.isDone) return resume(Effect.void)
      const release = () => resume(Effect.void)
      this.frontier.set(release, path)
      this.asked()
      return Effect.sync(() => void this.frontier.delete(release))
    })
  }

  /** Delivers one answer after the other. Runs beside the program until all are delivered. */
  get pump(): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      while (!this.isDone) {
        yield* this.settle
        const entry = this.options.entries[this.cursor]!
        if (entry.type === "RunCancelRequested") {
          this.advance(entry)
          yield* this.options.onCancelRequested(entry)
          continue
        }
        const { questions } = this
        const deliver = this.waiting.get(this.cursor)
        if (deliver !== undefined) {
          this.waiting.delete(this.cursor)
          this.advance(entry)
          deliver(Effect.succeed(entry))
        } else if (!(yield* this.becomesAsked(questions))) {
          return yield* this.options.onMismatch(this.mismatch(entry))
        }
      }
      yield* this.settle
      const released = [...this.frontier.keys()]
      this.frontier.clear()
      for (const release of released) release()
    })
  }

  /** Interrupts everything that waits: the run is lost here. */
  abort(): void {
    const waiting = [...this.waiting.values()]
    this.waiting.clear()
    for (const resume of waiting) resume(Effect.interrupt)
  }

  private advance(entry: Entry): void {
    this.lastDelivered = entry
    this.cursor++
  }

  private asked(): void {
    this.questions++
    const wake = this.wakePump
    this.wakePump = undefined
    wake?.()
  }

  /** R2 */
  private readonly settle = Effect.callback<void>((resume) => {
    this.options.rest.whenAtRest(() => resume(Effect.void))
  })

  /** Waits for a question beyond those that were looked at. `false`: others wait, and none came in time. */
  private becomesAsked(questions: number): Effect.Effect<boolean> {
    return Effect.gen({ self: this }, function* () {
      const others = this.asking.length > 0
      const asked = Effect.as(this.questionAfter(questions), true)
      return yield* others ? Effect.raceFirst(asked, Effect.as(Effect.sleep(this.options.patience), false)) : asked
    })
  }

  private questionAfter(questions: number): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      // It may have come before this fiber began to wait.
      if (this.questions !== questions) return resume(Effect.void)
      this.wakePump = () => resume(Effect.void)
      return Effect.sync(() => {
        this.wakePump = undefined
      })
    })
  }

  /** Paths of the questions that wait. */
  private get asking(): ReadonlyArray<string> {
    const atFrontier = [...this.frontier.values()].filter((path) => path !== undefined)
    return [...atFrontier, ...[...this.waiting.keys()].map((index) => this.options.entries[index]!.path)]
  }

  private mismatch(entry: Entry): Mismatch {
    const asked = this.asking
    return {
      path: entry.path,
      expected: describe(entry),
      found: asked.length === 0 ? "nothing" : `"${asked.join(`", "`)}"`
    }
  }
}

/** Names an entry for a person. */
export const describe = (entry: Entry): string => `${entry.type} at "${entry.path}"`
