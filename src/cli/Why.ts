import * as Effect from "effect/Effect"
import * as Process from "node:process"
import * as RunCausation from "../durable/RunCausation.ts"
import { runStream } from "../durable/RunJournal.ts"
import * as Causation from "../event-store/Causation.ts"
import type { StoredEvent, StreamId } from "../event-store/Envelope.ts"
import { EventStore } from "../event-store/EventStore.ts"
import * as Format from "./Format.ts"
import * as Journal from "./Journal.ts"
import * as Names from "./Names.ts"
import { type Arguments, sentenceOf, type Verb, workError } from "./Verb.ts"

export const verb: Verb = {
  summary: "Tell what caused an event, and what it caused. Named by its id, by RUN@VERSION or by STREAM@VERSION.",
  usage: "why EVENT [--db FILE|URL]",
  options: {},
  words: 1,
  run: (args) =>
    Effect.gen(function* () {
      const id = yield* idOf(args.words[0]!, args)
      const why = yield* Causation.why(id, { causeOf: RunCausation.causeOf })
      Process.stdout.write(shown(why).join(""))
    }).pipe(
      Effect.mapError((error) => (error._tag === "CliError" ? error : workError(sentenceOf(error)))),
      Effect.provide(Journal.existingStores(args))
    )
}

const idOf = (word: string, args: Arguments) =>
  Effect.gen(function* () {
    const [, stream, version] = /^(.+)@(\d+)$/.exec(word) ?? []
    if (stream === undefined) return word
    const at = Number(version)
    const store = yield* EventStore
    const eventAt = Effect.fnUntraced(function* (candidate: StreamId) {
      const [event] = yield* store.readArray(candidate, { from: at, to: at })
      return event?.id
    })
    const exact = (yield* eventAt(stream as StreamId)) ?? (yield* eventAt(runStream(stream)))
    if (exact !== undefined) return exact
    const [, kind = "run/", run = stream] = /^(run\/|inbox\/)(.+)$/.exec(stream) ?? []
    const named = yield* Names.runOf(run).pipe(
      Effect.map(({ runId }) => `${kind}${runId}` as StreamId),
      Effect.flatMap(eventAt),
      Effect.orElseSucceed(() => undefined),
      Effect.provide(Journal.existing(args))
    )
    return (
      named ?? (yield* workError(`"${stream}" has no event ${at}, or no longer, neither as a run nor as a stream.`))
    )
  })

/** Causes first, the event itself marked, then what came of it: one under the other, and indented where several did. */
const shown = ({ causes, complete, consequences, event, outside }: Causation.Why): ReadonlyArray<string> => [
  ...(outside === undefined ? [] : [`  not in the log: ${named(outside)}\n`]),
  ...causes.toReversed().map((cause) => line("  ", cause)),
  line("> ", event),
  ...below(consequences, "    "),
  ...(complete ? [] : ["… and more: the search ended here.\n"])
]

const named = (reference: Causation.Reference): string =>
  "id" in reference ? reference.id : `${Names.readable(reference.stream)}@${reference.version}`

const below = (consequences: ReadonlyArray<Causation.Consequence>, indent: string): ReadonlyArray<string> => {
  const [own, then] = consequences.length > 1 ? [`${indent}  `, `${indent}    `] : [indent, indent]
  return consequences.flatMap(({ consequences, event }) => [line(own, event), ...below(consequences, then)])
}

const line = (indent: string, { meta, stream, type, version }: StoredEvent): string =>
  `${indent}${Format.timeOf(meta.timestamp)}  ${type}  ${Names.readable(stream)}@${version}  ${Names.readable(meta.path ?? "")}`.trimEnd() +
  "\n"
