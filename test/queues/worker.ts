/** A worker that begins with one item, says so, and never ends: to be killed. */
import * as Effect from "effect/Effect"
import { mails } from "./mails.ts"
import { open, type Place } from "./drivers.ts"

const program = Effect.gen(function* () {
  const queue = yield* mails
  yield* queue.run(
    (mail, { attempt }) => {
      console.log(JSON.stringify({ to: mail.to, attempt }))
      return Effect.never
    },
    { concurrency: 1 }
  )
  return yield* Effect.never
}).pipe(Effect.scoped, Effect.provide(open(JSON.parse(process.argv[2]!) as Place)))

await Effect.runPromise(program)
