import * as Effect from "effect/Effect"
import * as Process from "node:process"
import { Engine } from "../durable/Engine.ts"
import * as Signal from "../durable/Signal.ts"
import { Approval } from "./audit/Approval.ts"
import * as Journal from "./Journal.ts"
import { sentenceOf, type Verb, workError } from "./Verb.ts"

export const verb: Verb = {
  summary: "Approve (or with --reject, refuse) what a run waits for. Works while another process carries the run out.",
  usage: "approve ID [--reject] [--db FILE|URL]",
  options: { reject: { type: "boolean" } },
  words: 1,
  run: (args) =>
    Effect.gen(function* () {
      const engine = yield* Engine
      const run = yield* Journal.orSentence(engine.get(args.words[0]!))
      if (run.endedAt !== undefined) return yield* workError(`Run "${run.runId}" has ended already (${run.status}).`)
      const approved = args.options["reject"] !== true
      const payload = yield* Effect.mapError(Signal.encode(Approval, { approved }), (error) =>
        workError(sentenceOf(error))
      )
      yield* Journal.orSentence(engine.signal(run.runId, { name: Approval.name, payload }))
      Process.stdout.write(`${approved ? "Approved" : "Refused"}: ${run.runId}\n`)
    }).pipe(Effect.provide(Journal.existing(args)))
}
