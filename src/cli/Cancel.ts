import * as Effect from "effect/Effect"
import * as Process from "node:process"
import { Engine } from "../durable/Engine.ts"
import * as Journal from "./Journal.ts"
import * as Names from "./Names.ts"
import { type Verb, workError } from "./Verb.ts"

export const verb: Verb = {
  summary: "Cancel a run: it is interrupted and undoes what it has done.",
  usage: "cancel ID [--reason TEXT] [--db FILE|URL]",
  options: { reason: { type: "string" } },
  words: 1,
  run: (args) =>
    Effect.gen(function* () {
      const engine = yield* Engine
      const run = yield* Names.runOf(args.words[0]!)
      const name = Names.readable(run.runId)
      if (run.endedAt !== undefined) return yield* workError(`Run "${name}" has ended already (${run.status}).`)
      const { reason } = args.options
      yield* Journal.orSentence(engine.cancel(run.runId, typeof reason === "string" ? reason : undefined))
      Process.stdout.write(`Cancel requested: ${name}\n`)
    }).pipe(Effect.provide(Journal.existing(args)))
}
