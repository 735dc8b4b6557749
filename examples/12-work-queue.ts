/** A queue of work: in order by key, retried, with a typed outcome; and what was given up, seen and tried again. */
import { Effect, Schedule, Schema } from "effect"
import { MemoryWorkQueue, WorkQueue } from "tutti"

class Bounced extends Schema.TaggedError<Bounced>()("Bounced", { address: Schema.String }) {}

const Mail = Schema.Struct({ to: Schema.String, text: Schema.String })

const queues = Effect.gen(function* () {
  const mails = yield* WorkQueue.make("mails", {
    item: Mail,
    output: Schema.String,
    error: Bounced,
    capacity: 1000,
    rateLimit: { limit: 100, window: "1 second" },
    retry: Schedule.exponential("1 millis").pipe(Schedule.upTo({ times: 2 }))
  })

  let isRepaired = false
  yield* mails.run(({ text, to }, { attempt }) =>
    to === "nobody" && !isRepaired
      ? Effect.fail(new Bounced({ address: `${to}, attempt ${attempt}` }))
      : Effect.succeed(`${text} sent to ${to}`)
  )

  // Mails of one key are sent one at a time, in order; a key that is offered twice is one item.
  const hello = yield* mails.offer({ to: "ada", text: "hello" }, { key: "ada", idempotencyKey: "hello-ada" })
  const again = yield* mails.offer({ to: "ada", text: "hello" }, { key: "ada", idempotencyKey: "hello-ada" })
  const sent = yield* mails.awaitResult(hello)

  const lost = yield* mails.offer({ to: "nobody", text: "hello" }, { priority: 10 })
  const given = yield* Effect.flip(mails.awaitResult(lost))
  const letters = yield* mails.deadLetters()

  isRepaired = true
  yield* mails.redrive(letters.map(({ id }) => id))
  return [
    `${sent}, offered ${hello === again ? "twice, and one item" : "as two items"}`,
    ...letters.map(({ attempts }) => `${given._tag} after ${attempts} attempts`),
    `redriven: ${yield* mails.awaitResult(lost)}`
  ]
})

export const program = queues.pipe(Effect.scoped, Effect.provide(MemoryWorkQueue.layer))

export const expected = [
  "hello sent to ada, offered twice, and one item",
  "DeadLettered after 3 attempts",
  "redriven: hello sent to nobody"
]

if (import.meta.main) console.log((await Effect.runPromise(program)).join("\n"))
