/** The file that the verbs work on. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Embedded from "../backends/Embedded.ts"
import type { EngineError, RunNotFound } from "../durable/RunError.ts"
import { type Arguments, type CliError, sentenceOf, workError } from "./Verb.ts"

export const defaultFile = Path.join(".tutti", "journal.db")

export const fileOf = (args: Arguments): string => {
  const { db } = args.options
  return typeof db === "string" ? db : defaultFile
}

/** The engine on an existing journal: to look at runs and to talk to them. It carries out none. */
export const existing = (args: Arguments): Layer.Layer<Embedded.Services, CliError> =>
  Layer.suspend(() => {
    const filename = fileOf(args)
    if (!Fs.existsSync(filename)) {
      const sentence = `There is no journal at ${filename}. Start a run first (tutti audit), or name another file with --db.`
      return Layer.effectContext(Effect.fail(workError(sentence)))
    }
    return open(filename)
  })

/** The engine on a journal, made if there is none. */
export const open = (filename: string): Layer.Layer<Embedded.Services, CliError> =>
  Embedded.layer({ filename }).pipe(
    Layer.catch((error) => Layer.effectContext(Effect.fail(workError(sentenceOf(error)))))
  )

export const orSentence = <A, R>(self: Effect.Effect<A, EngineError | RunNotFound, R>): Effect.Effect<A, CliError, R> =>
  Effect.mapError(self, (error) => workError(sentenceOf(error)))
