/** What a verb of the command line is, and how it fails: with one sentence and an exit code. */
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { ParseArgsOptionsConfig } from "node:util"

/** Values of `--options` and the words after the verb. */
export interface Arguments {
  readonly options: { readonly [name: string]: string | boolean | undefined }
  readonly words: ReadonlyArray<string>
}

export interface Verb {
  readonly summary: string
  /** Such as `show ID [--db FILE|URL]`. */
  readonly usage: string
  readonly options: ParseArgsOptionsConfig
  /** How many words it takes. */
  readonly words: number
  readonly run: (args: Arguments) => Effect.Effect<void, CliError>
}

/** The command line was wrong (2), or the work could not be done (1). */
export class CliError extends Schema.TaggedError<CliError>()("CliError", {
  sentence: Schema.String,
  exitCode: Schema.Int
}) {
  override get message(): string {
    return this.sentence
  }
}

export const usageError = (sentence: string): CliError => new CliError({ sentence, exitCode: 2 })
export const workError = (sentence: string): CliError => new CliError({ sentence, exitCode: 1 })

/** The innermost sentence that an error has to say for itself, on one line. */
export const sentenceOf = (error: unknown): string => {
  let told = error
  while (told instanceof Error && "cause" in told && told.cause instanceof Error && tags.has((told as any)._tag)) {
    told = told.cause
  }
  const text = told instanceof Error ? told.message : String(told)
  return text.replaceAll(/\s*\n\s*/g, " ")
}

/** Errors that say less than their cause. */
const tags: ReadonlySet<string> = new Set(["EngineError"])
