/** A process that owns no run and cannot carry out any: it talks to those of others. After each part it waits for a line. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { createInterface } from "node:readline/promises"
import * as JournalEngine from "../../src/durable/JournalEngine.ts"
import { stores } from "../durable/sigkill/place.ts"
import { endWithParent } from "../servers/endWithParent.ts"
import { launch, say } from "./launch.ts"
import * as Talks from "./talk.ts"

endWithParent()
const { lease, place } = JSON.parse(process.argv[2]!) as Talks.Settings
const lines = createInterface(process.stdin)
const heardLine = Effect.callback<void>((resume) => void lines.once("line", () => resume(Effect.void)))

const handleOf = (n: number) => Talks.Talk.handle(Talks.runIdOf(n))
const all = { concurrency: "unbounded", discard: true } as const

/** One word after another, each twice, as by somebody who did not hear that it was taken. */
const tell = Effect.fnUntraced(function* (run: number, from: number, to: number) {
  const handle = yield* handleOf(run)
  for (let n = from; n < to; n++) {
    const once = handle.signal(Talks.Word, { n }, { id: Talks.wordId(run, n) })
    yield* Effect.andThen(once, once)
    yield* Effect.sleep("30 millis")
  }
})

const midst = Talks.firstWords + Talks.wordsWhilePaused

/** Pauses the run, sees that its owner has heard of it, and goes on talking. */
const pause = Effect.fnUntraced(function* (run: number) {
  const handle = yield* handleOf(run)
  yield* handle.pause
  yield* Effect.repeat(handle.status, {
    until: ({ status }) => status === "paused",
    schedule: Schedule.spaced("20 millis")
  })
  yield* tell(run, Talks.firstWords, midst)
})

const last: Record<Talks.Fate, (run: number) => ReturnType<typeof tell>> = {
  told: (run) => tell(run, Talks.firstWords, Talks.words),
  paused: (run) =>
    Effect.andThen(
      Effect.flatMap(handleOf(run), ({ resume }) => resume),
      tell(run, midst, Talks.words)
    ),
  cancelled: (run) => Effect.flatMap(handleOf(run), ({ cancel }) => cancel(Talks.reason))
}

const outcomeOf = (run: number) =>
  Effect.flatMap(handleOf(run), (handle) => handle.await).pipe(
    Effect.catchTag("RunCancelled", ({ reason }) => Effect.succeed(`cancelled: ${reason}`))
  )

const program = Effect.gen(function* () {
  yield* Effect.forEach(Talks.numbers, (run) => tell(run, 0, Talks.firstWords), all)
  yield* say({ done: "first words" })
  yield* heardLine
  const paused = Talks.numbers.filter((run) => Talks.fateOf(run) === "paused")
  yield* Effect.forEach(paused, pause, all)
  yield* say({ done: "pauses" })
  yield* heardLine
  yield* Effect.forEach(Talks.numbers, (run) => last[Talks.fateOf(run)](run), all)
  yield* say({ outcomes: yield* Effect.forEach(Talks.numbers, outcomeOf, { concurrency: "unbounded" }) })
})

launch(program, Layer.provideMerge(JournalEngine.layer({ lease }), await stores(place)))
