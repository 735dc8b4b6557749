import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Process from "node:process"
import { Engine } from "../durable/Engine.ts"
import * as Signal from "../durable/Signal.ts"
import * as Requests from "../patterns/approval/Approval.ts"
import { Approval } from "./audit/Approval.ts"
import { Audit } from "./audit/AuditProgram.ts"
import * as Journal from "./Journal.ts"
import * as Names from "./Names.ts"
import { type Arguments, type CliError, sentenceOf, usageError, type Verb, workError } from "./Verb.ts"

export const verb: Verb = {
  summary: "Approve (or with --reject, refuse) what a run waits for. Works while another process carries the run out.",
  usage: "approve ID [--key KEY --by NAME] [--reject | --decision JSON] [--db FILE|URL]",
  options: {
    reject: { type: "boolean" },
    key: { type: "string" },
    by: { type: "string" },
    decision: { type: "string" }
  },
  words: 1,
  run: (args) =>
    Effect.gen(function* () {
      const run = yield* Names.runOf(args.words[0]!)
      const name = Names.readable(run.runId)
      if (run.endedAt !== undefined) return yield* workError(`Run "${name}" has ended already (${run.status}).`)
      const open = yield* Journal.orSentence(Requests.open(run.runId))
      if (run.definition === Audit.name) yield* approve(run.runId, args)
      else yield* answer(run.runId, args, yield* requested(name, args, open))
      Process.stdout.write(`${done(args)}: ${name}\n`)
    }).pipe(Effect.provide(Journal.existing(args)))
}

const done = ({ options }: Arguments): string => {
  if (options["decision"] !== undefined) return "Answered"
  return options["reject"] === true ? "Refused" : "Approved"
}

/** The signal that an audit waits for. */
const approve = Effect.fnUntraced(function* (runId: string, args: Arguments) {
  const approved = args.options["reject"] !== true
  const payload = yield* Effect.mapError(Signal.encode(Approval, { approved }), (error) => workError(sentenceOf(error)))
  const engine = yield* Engine
  yield* Journal.orSentence(engine.signal(runId, { name: Approval.name, payload }))
})

const requested = (
  run: string,
  { options: { key } }: Arguments,
  open: ReadonlyArray<Requests.OpenRequest>
): Effect.Effect<Requests.OpenRequest, CliError> => {
  const found = open.filter((request) => request.key === key)
  if (found.length === 1) return Effect.succeed(found[0]!)
  if (open.length === 0) return Effect.fail(workError(`Run "${run}" waits for no approval.`))
  const waiting = open.map((request) => `--key ${request.key} (${request.approval})`).join(", ")
  return Effect.fail(workError(`Name the request to answer with --key: run "${run}" waits for ${waiting}.`))
}

const answer = Effect.fnUntraced(function* (runId: string, args: Arguments, request: Requests.OpenRequest) {
  const { by } = args.options
  if (typeof by !== "string") return yield* usageError("Say who answers, with --by NAME.")
  const decision = yield* decisionOf(args)
  const { approval, key } = request
  yield* Effect.mapError(Requests.answerEncoded(runId, { approval, key, by, decision }), (error) =>
    workError(sentenceOf(error))
  )
})

const json = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Json))

const decisionOf = ({ options }: Arguments): Effect.Effect<Schema.Json, CliError> => {
  if (options["decision"] === undefined) return Effect.succeed({ approved: options["reject"] !== true })
  const decision = json(options["decision"])
  return Option.isSome(decision) ? Effect.succeed(decision.value) : Effect.fail(usageError("--decision must be JSON."))
}
