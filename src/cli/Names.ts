/** Names as people read and type them: the log escapes what has a meaning in an id, as `#` and `/` have. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { Engine } from "../durable/Engine.ts"
import type { RunSummary } from "../durable/RunCatalogue.ts"
import { type CliError, sentenceOf, workError } from "./Verb.ts"

/** `reviewer%232` is `reviewer#2`. */
export const readable = (name: string): string =>
  name.replaceAll(/%(?:23|25|2F)/g, (escaped) => decodeURIComponent(escaped))

/** The run that a person names: by its id, or by how that reads. */
export const runOf = (word: string): Effect.Effect<RunSummary, CliError, Engine> =>
  Effect.gen(function* () {
    const engine = yield* Engine
    const exact = yield* Effect.result(engine.get(word))
    if (Result.isSuccess(exact)) return exact.success
    if (exact.failure._tag !== "RunNotFound") return yield* exact.failure
    const runs = yield* engine.list({ limit: Number.MAX_SAFE_INTEGER })
    const alike = runs.filter(({ runId }) => readable(runId) === word)
    if (alike.length === 0) return yield* exact.failure
    if (alike.length === 1) return alike[0]!
    const ids = alike.map(({ runId }) => `"${runId}"`).join(", ")
    return yield* workError(`Several runs read "${word}"; name one of them by its id: ${ids}.`)
  }).pipe(Effect.mapError((error) => (error._tag === "CliError" ? error : workError(sentenceOf(error)))))
