/**
 * The steps of the saga that publishes a report.
 *
 * `stage` writes beside the report, `install` moves it into place, `settle`
 * forgets the report that was there before. `unstage` undoes `stage`, `retract`
 * undoes `install`.
 *
 * Invariants (checked by `test/cli/audit/Publish.test.ts`):
 *
 *   P1. A reader of the report sees the old one or the new one, whole, never a part.
 *   P2. Each step may run again after a crash at any moment, with the same result.
 *   P3. After `retract` all is as before `install`, whether there was a report or none.
 *   P4. `retract` never touches a report that somebody else has written since.
 */
import { createHash } from "node:crypto"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { Workspace, WorkspaceError } from "./Workspace.ts"

export const Publication = Schema.Struct({
  /** Absolute path of the report. */
  path: Schema.String,
  /** Keeps the files of one run apart from those of another. */
  runId: Schema.String
})
export type Publication = typeof Publication.Type

export const StageInput = Schema.Struct({ publication: Publication, content: Schema.String })
export type StageInput = typeof StageInput.Type

export const Staged = Schema.Struct({
  publication: Publication,
  /** SHA-256 of the content, in hex: how later steps know their report. */
  digest: Schema.String
})
export type Staged = typeof Staged.Type

export const Installed = Schema.Struct({
  ...Staged.fields,
  /** Whether there was a report before. */
  previous: Schema.Literals(["Kept", "None"])
})
export type Installed = typeof Installed.Type

/** Neither the staged report nor the installed one is there: somebody removed them. */
export class StagedReportMissing extends Schema.TaggedError<StagedReportMissing>()("AuditStagedReportMissing", {
  path: Schema.String
}) {
  override get message(): string {
    return `The report staged for ${this.path} is gone.`
  }
}

export const InstallError = Schema.Union([StagedReportMissing, WorkspaceError])
export type InstallError = typeof InstallError.Type

/** Writes the report to a sibling file, where no reader looks. */
export const stage = Effect.fnUntraced(function* (
  input: StageInput
): Effect.fn.Return<Staged, WorkspaceError, Workspace> {
  const workspace = yield* Workspace
  const digest = digestOf(input.content)
  yield* workspace.writeText(stagedPath(input.publication), input.content)
  return { publication: input.publication, digest }
})

/** Removes the staged report, if it is there. */
export const unstage = Effect.fnUntraced(function* (
  publication: Publication
): Effect.fn.Return<void, WorkspaceError, Workspace> {
  const workspace = yield* Workspace
  yield* workspace.remove(stagedPath(publication))
})

/**
 * Puts the staged report in place atomically, and keeps the one before.
 *
 * **Errors** `AuditStagedReportMissing` — the staged report is gone and the
 * report in place is another one.
 */
export const install = Effect.fnUntraced(function* (
  staged: Staged
): Effect.fn.Return<Installed, InstallError, Workspace> {
  const workspace = yield* Workspace
  const { publication } = staged
  const inPlace = (yield* digestAt(publication.path)) === staged.digest
  const before = yield* workspace.inspect(previousPath(publication))
  if (inPlace && before.kind === "File") {
    // It was installed before a crash, and perhaps staged again after it: keeping it aside would lose the one before.
    yield* unstage(publication)
  } else if ((yield* digestAt(stagedPath(publication))) === staged.digest) {
    yield* keepPrevious(publication)
    yield* workspace.rename(stagedPath(publication), publication.path)
  } else if (!inPlace) {
    return yield* new StagedReportMissing({ path: publication.path })
  }
  const kept = yield* workspace.inspect(previousPath(publication))
  return { ...staged, previous: kept.kind === "File" ? "Kept" : "None" }
})

/** Undoes `install`: brings back the report before, or removes this one if there was none. */
export const retract = Effect.fnUntraced(function* (
  installed: Installed
): Effect.fn.Return<void, WorkspaceError, Workspace> {
  const workspace = yield* Workspace
  const { digest, previous, publication } = installed
  if ((yield* digestAt(publication.path)) !== digest) return yield* settle(publication)
  if (previous === "None") return yield* workspace.remove(publication.path)
  const kept = yield* workspace.inspect(previousPath(publication))
  // Not there: this ran before, and the report before happened to be the same.
  if (kept.kind === "File") yield* workspace.rename(previousPath(publication), publication.path)
})

/** Forgets the report before. The last step: after it, `retract` cannot bring it back. */
export const settle = Effect.fnUntraced(function* (
  publication: Publication
): Effect.fn.Return<void, WorkspaceError, Workspace> {
  const workspace = yield* Workspace
  yield* workspace.remove(previousPath(publication))
})

/** Copies the report in place aside, in two moves, so that a crash leaves no half copy. */
const keepPrevious = Effect.fnUntraced(function* (
  publication: Publication
): Effect.fn.Return<void, WorkspaceError, Workspace> {
  const workspace = yield* Workspace
  const current = yield* readIfPresent(publication.path)
  if (current === undefined) return yield* workspace.remove(previousPath(publication))
  const partial = `${previousPath(publication)}.part`
  yield* workspace.writeText(partial, current)
  yield* workspace.rename(partial, previousPath(publication))
})

const readIfPresent = Effect.fnUntraced(function* (
  file: string
): Effect.fn.Return<string | undefined, WorkspaceError, Workspace> {
  const workspace = yield* Workspace
  const text = yield* Effect.result(workspace.readText(file))
  if (Result.isSuccess(text)) return text.success
  return text.failure.code === "ENOENT" ? undefined : yield* text.failure
})

const digestAt = (file: string): Effect.Effect<string | undefined, WorkspaceError, Workspace> =>
  Effect.map(readIfPresent(file), (text) => (text === undefined ? undefined : digestOf(text)))

const digestOf = (text: string): string => createHash("sha256").update(text).digest("hex")

const sibling = ({ path: file, runId }: Publication, role: string): string =>
  path.join(path.dirname(file), `.${path.basename(file)}.${runId.replace(/[^\w.-]/g, "_")}.${role}`)

const stagedPath = (publication: Publication): string => sibling(publication, "staged")

const previousPath = (publication: Publication): string => sibling(publication, "previous")
