/** An essay is written, criticised and written again, until the critic is content. */
import { Effect, Schema } from "effect"
import { Agent, Task, Verdict, VerifyLoop } from "tutti"

const Notes = Schema.Struct({ missing: Schema.Array(Schema.String) })

const Write = Task.make("Write", {
  input: { topic: Schema.String, points: Schema.Array(Schema.String) },
  output: { text: Schema.String, points: Schema.Array(Schema.String) }
})
const Review = Task.make("Review", {
  input: { points: Schema.Array(Schema.String) },
  output: Verdict.schema(Notes)
})

const writer = Agent.make("writer", {
  task: Write,
  run: ({ points, topic }) => Effect.succeed({ text: [topic, ...points].join(". "), points })
})

const wanted = ["What it is", "What it costs", "What may go wrong"]
const critic = Agent.make("critic", {
  task: Review,
  run: ({ points }) => {
    const missing = wanted.filter((point) => !points.includes(point))
    return Effect.succeed(missing.length === 0 ? Verdict.accepted() : Verdict.rejected({ missing }, points.length))
  }
})

// #region loop
const essay = (rounds: number) =>
  VerifyLoop.make("essay", {
    attempt: {
      agent: writer,
      // Typed feedback: one missing point more in each round.
      input: (topic: string, last) => ({
        topic,
        points: [...(last?.candidate.points ?? []), ...(last?.feedback?.missing.slice(0, 1) ?? [])]
      })
    },
    verify: { agent: critic, input: (draft) => draft },
    limits: { rounds, stalls: 2, time: "10 minutes" }
  })

export const program = Effect.gen(function* () {
  const { text } = yield* essay(5).run("Sagas")
  const hasty = yield* Effect.flip(essay(2).run("Sagas"))
  return hasty._tag === "NotAccepted" ? [text, hasty.message, hasty.best?.candidate.text] : [text]
})
// #endregion

export const expected = [
  "Sagas. What it is. What it costs. What may go wrong",
  'Loop "essay" ended without an answer after 2 rounds: all 2 rounds are used up.',
  "Sagas. What it is"
]

if (import.meta.main) console.log((await Effect.runPromise(program)).join("\n"))
