/** Exported logs as files. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Fs from "node:fs"
import { type CliError, sentenceOf, workError } from "./Verb.ts"

/** What keeps a person from a file. */
const fileError =
  (file: string, missing: string) =>
  (cause: unknown): CliError => {
    const { code } = cause as NodeJS.ErrnoException
    if (code === "ENOENT") return workError(missing)
    if (code === "EISDIR") return workError(`${file} is a folder.`)
    if (code === "EACCES") return workError(`There is no permission to open ${file}.`)
    return workError(sentenceOf(cause))
  }

const attempt = <A>(file: string, body: () => A): Effect.Effect<A, CliError> =>
  Effect.try({ try: body, catch: fileError(file, `There is no folder for ${file}.`) })

/** The text of a file, piece by piece. */
export const read = (file: string): Stream.Stream<string, CliError> =>
  Stream.suspend(() =>
    Stream.fromAsyncIterable(
      Fs.createReadStream(file, { encoding: "utf8", highWaterMark: 1 << 18 }) as AsyncIterable<string>,
      fileError(file, `There is no file ${file}.`)
    )
  )

/**
 * Writes a file that has its name only once it is whole and durable. `check` reads it again before.
 *
 * **Gotchas** What was stopped on the way stays behind as `FILE.partial`, to be overwritten by the next.
 */
export const write = <A, E, R, E2>(
  file: string,
  lines: Stream.Stream<string, E, R>,
  check: (text: Stream.Stream<string, CliError>) => Effect.Effect<A, E2>
): Effect.Effect<A, E | E2 | CliError, R> => {
  const partial = `${file}.partial`
  const written = Effect.acquireUseRelease(
    attempt(file, () => Fs.openSync(partial, "w")),
    (handle) =>
      Effect.andThen(
        Stream.runForEachArray(lines, (some) => attempt(file, () => Fs.writeFileSync(handle, some.join("")))),
        attempt(file, () => Fs.fsyncSync(handle))
      ),
    (handle) => Effect.sync(() => Fs.closeSync(handle))
  )
  return Effect.gen(function* () {
    yield* written
    const checked = yield* check(read(partial))
    yield* attempt(file, () => Fs.renameSync(partial, file))
    return checked
  })
}
