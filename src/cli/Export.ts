import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Process from "node:process"
import * as LogExport from "../event-store/LogExport.ts"
import * as LogImport from "../event-store/LogImport.ts"
import { count } from "./audit/Score.ts"
import * as Journal from "./Journal.ts"
import * as LogText from "./LogText.ts"
import { type Arguments, sentenceOf, usageError, type Verb, workError } from "./Verb.ts"

/** How many owners there were: whoever goes on with the runs elsewhere must come after them. */
const alwaysExported = "epochs"

const optionsOf = (args: Arguments) =>
  Effect.gen(function* () {
    const { after, documents, prefix } = args.options
    const from = after === undefined ? 0 : Number(after)
    if (!Number.isInteger(from) || from < 0) {
      return yield* usageError("--after takes a position: a whole number from 0.")
    }
    const collections = typeof documents === "string" ? documents.split(",") : []
    const options: LogExport.Options = {
      after: from,
      ...(typeof prefix === "string" ? { streamPrefix: prefix } : {}),
      documents: [...new Set([alwaysExported, ...collections])]
    }
    return options
  })

export const verb: Verb = {
  summary: "Write the log to a file that any backend can import. It has its name only once it is whole.",
  usage: "export FILE [--after POSITION] [--prefix STREAMS] [--documents COLLECTION,…] [--db FILE|URL]",
  options: { after: { type: "string" }, prefix: { type: "string" }, documents: { type: "string" } },
  words: 1,
  run: (args) =>
    Effect.gen(function* () {
      const file = args.words[0]!
      const options = yield* optionsOf(args)
      if (Fs.existsSync(file)) return yield* workError(`${file} exists already.`)
      const { events, head } = yield* Effect.mapError(
        LogText.write(file, LogExport.lines(options), LogImport.verify),
        (error) => workError(sentenceOf(error))
      )
      Process.stdout.write(
        `Exported ${count(events, "event")} to ${file}. The next export goes on with: --after ${head}\n`
      )
    }).pipe(Effect.provide(Journal.existingStores(args)))
}
