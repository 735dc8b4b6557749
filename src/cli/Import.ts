import * as Effect from "effect/Effect"
import * as Process from "node:process"
import * as LogImport from "../event-store/LogImport.ts"
import { count } from "./audit/Score.ts"
import * as Journal from "./Journal.ts"
import * as LogText from "./LogText.ts"
import { sentenceOf, type Verb, workError } from "./Verb.ts"

export const verb: Verb = {
  summary: "Bring an exported log into a journal, made if there is none. Nothing that is there already is changed.",
  usage: "import FILE [--db FILE|URL]",
  options: {},
  words: 1,
  run: (args) =>
    Effect.gen(function* () {
      const file = args.words[0]!
      // Before the journal is opened: a file that is torn shall leave no trace.
      yield* LogImport.verify(LogText.read(file))
      const { barred, events, known } = yield* Effect.provide(
        LogImport.run(LogText.read(file)),
        Journal.stores(Journal.placeOf(args))
      )
      const rest = barred.length === 0 ? "" : `, left out ${count(barred.length, "stream")} that had been deleted here`
      Process.stdout.write(`Imported ${count(events, "event")}, knew ${known} already${rest}.\n`)
    }).pipe(Effect.mapError((error) => (error._tag === "CliError" ? error : workError(sentenceOf(error)))))
}
