/**
 * Reads the files of a group for an analysis: what cannot be read becomes a
 * finding, what is too large or not text is left out.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { FileGroup, type FileEntry } from "./Collect.ts"
import { type Area, type Finding, unreadable } from "./Finding.ts"
import { Workspace } from "./Workspace.ts"

/** Input of every analysis that works on one group of files. */
export const GroupInput = Schema.Struct({ root: Schema.String, group: FileGroup })
export type GroupInput = typeof GroupInput.Type

export interface ReadFile {
  readonly file: FileEntry
  readonly text: string
}

/** Larger files are generated or data: reading them costs more than it tells. */
const largest = 2 * 1024 * 1024

/** Reads those files of a group that `wanted` keeps. Results are in the order of the group. */
export const readFiles = Effect.fnUntraced(function* (
  input: GroupInput,
  options: { readonly area: Area; readonly wanted: (file: FileEntry) => boolean }
): Effect.fn.Return<
  { readonly files: ReadonlyArray<ReadFile>; readonly findings: ReadonlyArray<Finding> },
  never,
  Workspace
> {
  const workspace = yield* Workspace
  const wanted = input.group.files.filter((file) => file.bytes <= largest && options.wanted(file))
  const texts = yield* Effect.forEach(
    wanted,
    (file) => Effect.result(workspace.readText(`${input.root}/${file.path}`)),
    { concurrency: 16 }
  )
  const files: Array<ReadFile> = []
  const findings: Array<Finding> = []
  for (const [index, file] of wanted.entries()) {
    const text = texts[index]
    if (text === undefined) continue
    if (Result.isFailure(text)) findings.push(unreadable(options.area, file.path, text.failure.code))
    // A zero byte means that the name promised text and the content is not.
    else if (!text.success.includes("\0")) files.push({ file, text: text.success })
  }
  return { files, findings }
})
