/** Runs that listen, and what is said to them. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Orchestration from "../../src/durable/Orchestration.ts"
import * as Signal from "../../src/durable/Signal.ts"
import * as Step from "../../src/durable/Step.ts"
import * as Saga from "../../src/patterns/saga/Saga.ts"
import type { Place } from "../durable/sigkill/place.ts"

export const Word = Signal.make("word", { n: Schema.Int })

/** The first words are said to all. What happens after them depends on the run. */
export const words = 20
export const firstWords = 10
export const wordsWhilePaused = 5

/** What becomes of the runs, in turn. */
const fates = ["told", "paused", "cancelled"] as const
export type Fate = (typeof fates)[number]
export const numbers = Array.from({ length: 9 }, (_, n) => n)
export const fateOf = (n: number): Fate => fates[n % fates.length]!

/** Ids that are the same at every try. */
export const wordId = (run: number, n: number): string =>
  `00000000-0000-7000-8${String(run).padStart(3, "0")}-${String(n).padStart(12, "0")}`

export const reason = "enough was said"

const done = { output: Schema.Void, run: () => Effect.void }

/** Notes each word that it hears. Cancelled, it says that it leaves. */
export const Talk = Orchestration.make("Talk", {
  input: { n: Schema.Int },
  output: Schema.String,
  key: ({ n }) => String(n),
  run: () =>
    Effect.gen(function* () {
      yield* Step.run("greet", done).pipe(Saga.undo(() => Step.run("leave", done), { name: "greet" }))
      const heard: Array<number> = []
      while (heard.length < words) {
        const { n } = yield* Signal.await(Word)
        heard.push(yield* Step.run("note", { output: Schema.Int, run: () => Effect.succeed(n) }))
      }
      return heard.join(" ")
    }).pipe(Saga.transaction("talk"), Effect.orDie)
})

export const runIdOf = (n: number) => Talk.runId(String(n))

export interface Settings {
  readonly place: Place
  readonly lease: `${number} seconds`
  /** Of a listener: whether it starts the runs. */
  readonly starts: boolean
}

/** What a listener says: who it is in the log, and later that its runs are accepted. */
export interface Heard {
  readonly owner?: string
  readonly started?: boolean
}

/** What the speaker says: what it has done so far, and in the end how all runs ended. */
export interface Spoken {
  readonly done?: "first words" | "pauses"
  readonly outcomes?: ReadonlyArray<string>
}
