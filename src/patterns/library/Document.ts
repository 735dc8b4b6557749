/** Reads a document that a person wrote: JSON, or YAML as far as `effect/encoding/Yaml` knows it. */
import * as Result from "effect/Result"
import * as Yaml from "effect/encoding/Yaml"
import { DocumentUnreadable } from "./LibraryError.ts"

/** What the text says. JSON is YAML, too, but the parser of YAML takes seconds for half a megabyte of it. */
export const read = (text: string): Result.Result<unknown, DocumentUnreadable> =>
  Result.orElse(
    Result.try((): unknown => JSON.parse(text)),
    () =>
      Result.try({
        try: () => Yaml.parse(text),
        catch: (cause) => new DocumentUnreadable({ issue: cause instanceof Error ? cause.message : String(cause) })
      })
  )
