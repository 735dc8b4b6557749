/**
 * Finds the files of a repository and cuts them into groups for the fan-out.
 *
 * In a git repository the files are those git knows or would add; elsewhere the
 * folder is walked and `.gitignore` files are respected. Links are not followed.
 *
 * Invariants (checked by `test/cli/audit/Collect.test.ts`):
 *
 *   C1. Same files, same groups, in the same order: a resumed run finds its own steps.
 *   C2. Every readable file is in exactly one group; group ids are unique.
 *   C3. One file that cannot be read is a finding; a root that cannot is an error.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { compareText, Finding, unreadable } from "./Finding.ts"
import * as Ignore from "./Ignore.ts"
import { FileKind, kindOf, languageOf } from "./Language.ts"
import { type Inspection, Workspace, WorkspaceError } from "./Workspace.ts"

export const FileEntry = Schema.Struct({
  /** Relative to the root, with `/`. */
  path: Schema.String,
  language: Schema.String,
  kind: FileKind,
  bytes: Schema.Natural
})
export type FileEntry = typeof FileEntry.Type

/** Files that one agent looks at. */
export const FileGroup = Schema.Struct({
  /** Fit for a step name, such as `src-core` or `src-core#2`. */
  id: Schema.String,
  files: Schema.Array(FileEntry)
})
export type FileGroup = typeof FileGroup.Type

export const CollectInput = Schema.Struct({
  /** Absolute path of the folder to audit. */
  root: Schema.String,
  /** At most so many files a group. Default 40. */
  groupSize: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThanOrEqualTo(1)))
})
export type CollectInput = typeof CollectInput.Type

export const SourceTree = Schema.Struct({
  root: Schema.String,
  /** How the files were found. */
  listing: Schema.Literals(["Git", "Walk"]),
  fileCount: Schema.Natural,
  bytes: Schema.Natural,
  languages: Schema.Array(Schema.Struct({ language: Schema.String, files: Schema.Natural, bytes: Schema.Natural })),
  groups: Schema.Array(FileGroup),
  findings: Schema.Array(Finding)
})
export type SourceTree = typeof SourceTree.Type

export class FolderMissing extends Schema.TaggedError<FolderMissing>()("AuditFolderMissing", {
  root: Schema.String
}) {
  override get message(): string {
    return `There is no folder at ${this.root}.`
  }
}

export class FolderIsFile extends Schema.TaggedError<FolderIsFile>()("AuditFolderIsFile", {
  root: Schema.String
}) {
  override get message(): string {
    return `${this.root} is a file; an audit needs a folder.`
  }
}

export class FolderUnreadable extends Schema.TaggedError<FolderUnreadable>()("AuditFolderUnreadable", {
  root: Schema.String,
  /** What the system called it, such as `EACCES`. */
  code: Schema.String
}) {
  override get message(): string {
    return `The folder ${this.root} cannot be read (${this.code}).`
  }
}

export const CollectError = Schema.Union([FolderMissing, FolderIsFile, FolderUnreadable])
export type CollectError = typeof CollectError.Type

/** Lists, classifies and groups the files under a folder. */
export const collect = Effect.fnUntraced(function* (
  input: CollectInput
): Effect.fn.Return<SourceTree, CollectError, Workspace> {
  const root = input.root
  yield* checkRoot(root)
  const listed = yield* listWithGit(root)
  const { findings, listing, paths } = listed ?? (yield* walk(root))
  const inspected = yield* Effect.forEach(paths, (path) => inspectFile(root, path), { concurrency: 32 })
  const files = inspected.flatMap((each) => (each._tag === "File" ? [each.entry] : []))
  return {
    root,
    listing,
    fileCount: files.length,
    bytes: files.reduce((sum, file) => sum + file.bytes, 0),
    languages: totals(files),
    groups: group(files, input.groupSize ?? 40),
    findings: [...findings, ...inspected.flatMap((each) => (each._tag === "Finding" ? [each.finding] : []))]
  }
})

/**
 * Cuts files into groups by folder.
 *
 * **Details**
 *
 * Files of one top-level folder are together. A folder with more than `size`
 * files is divided by its subfolders, and what is still too large is cut into
 * numbered parts of about equal length.
 */
export const group = (files: ReadonlyArray<FileEntry>, size: number): ReadonlyArray<FileGroup> => {
  const sorted = files.toSorted((a, b) => compareText(a.path, b.path))
  const labelled = [...groupBy(sorted, (file) => folderOf(file.path, 1))].flatMap(([label, members]) =>
    members.length <= size ? [[label, members] as const] : [...groupBy(members, (file) => folderOf(file.path, 2))]
  )
  // `a-b` and `a/b` share a label, so parts are numbered by label: ids stay unique (C2).
  const parts = [...groupBy(labelled, ([label]) => label)].map(
    ([label, same]) => [label, same.flatMap(([, members]) => cut(members, size))] as const
  )
  return parts.flatMap(([label, chunks]) =>
    chunks.map((chunk, index) => ({ id: chunks.length === 1 ? label : `${label}#${index + 1}`, files: chunk }))
  )
}

const checkRoot = Effect.fnUntraced(function* (root: string): Effect.fn.Return<void, CollectError, Workspace> {
  const workspace = yield* Workspace
  const refuse = (error: WorkspaceError) => new FolderUnreadable({ root, code: error.code })
  const found = yield* Effect.mapError(workspace.inspect(root), refuse)
  if (found.kind === "Missing") return yield* new FolderMissing({ root })
  if (found.kind === "File") return yield* new FolderIsFile({ root })
  yield* Effect.mapError(workspace.list(root), refuse)
})

interface Listing {
  readonly listing: "Git" | "Walk"
  readonly paths: ReadonlyArray<string>
  readonly findings: ReadonlyArray<Finding>
}

/** Nothing, if git is absent or does not know the folder: then it is walked. */
const listWithGit = Effect.fnUntraced(function* (
  root: string
): Effect.fn.Return<Listing | undefined, never, Workspace> {
  const workspace = yield* Workspace
  const answer = yield* Effect.result(
    workspace.git(root, ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "."])
  )
  if (Result.isFailure(answer)) return undefined
  const paths = new Set(answer.success.split("\0").filter((path) => path !== "" && !hasIgnoredFolder(path)))
  // A folder that an outer repository ignores has no files in git's eyes.
  return paths.size === 0 ? undefined : { listing: "Git", paths: [...paths].toSorted(compareText), findings: [] }
})

const hasIgnoredFolder = (path: string): boolean => path.split("/").some((segment) => Ignore.alwaysIgnored.has(segment))

const walk = Effect.fnUntraced(function* (root: string): Effect.fn.Return<Listing, never, Workspace> {
  const workspace = yield* Workspace
  const paths: Array<string> = []
  const findings: Array<Finding> = []
  const pending: Array<{ readonly folder: string; readonly rules: ReadonlyArray<Ignore.IgnoreRule> }> = [
    { folder: "", rules: [] }
  ]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { folder } = next
    const listed = yield* Effect.result(workspace.list(absolute(root, folder)))
    if (Result.isFailure(listed)) {
      findings.push(unreadable("sources", folder, listed.failure.code))
      continue
    }
    const own = listed.success.some((entry) => entry.name === ".gitignore" && entry.kind === "File")
      ? yield* readRules(root, folder)
      : []
    const rules = own.length === 0 ? next.rules : [...next.rules, ...own]
    for (const entry of listed.success) {
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`
      if (entry.kind !== "File" && entry.kind !== "Folder") continue
      if (Ignore.isIgnored(rules, path, entry.kind)) continue
      if (entry.kind === "Folder") pending.push({ folder: path, rules })
      else paths.push(path)
    }
  }
  return { listing: "Walk", paths: paths.toSorted(compareText), findings }
})

const readRules = Effect.fnUntraced(function* (
  root: string,
  folder: string
): Effect.fn.Return<ReadonlyArray<Ignore.IgnoreRule>, never, Workspace> {
  const workspace = yield* Workspace
  const text = yield* Effect.result(workspace.readText(`${absolute(root, folder)}/.gitignore`))
  return Result.isSuccess(text) ? Ignore.parse(text.success, folder) : []
})

type Inspected =
  | { readonly _tag: "File"; readonly entry: FileEntry }
  | { readonly _tag: "Finding"; readonly finding: Finding }
  | { readonly _tag: "NotAFile" }

/** Links, submodules and files deleted since they were committed are no files here. */
const inspectFile = Effect.fnUntraced(function* (
  root: string,
  path: string
): Effect.fn.Return<Inspected, never, Workspace> {
  const workspace = yield* Workspace
  const answer = yield* Effect.result(workspace.inspect(absolute(root, path)))
  if (Result.isFailure(answer)) return { _tag: "Finding", finding: unreadable("sources", path, answer.failure.code) }
  return classify(path, answer.success)
})

const classify = (path: string, found: Inspection): Inspected => {
  if (found.kind !== "File") return { _tag: "NotAFile" }
  if (found.access === "Denied") return { _tag: "Finding", finding: unreadable("sources", path, "EACCES") }
  const entry = { path, language: languageOf(path).name, kind: kindOf(path), bytes: found.bytes }
  return { _tag: "File", entry }
}

const absolute = (root: string, path: string): string => (path === "" ? root : `${root}/${path}`)

const totals = (files: ReadonlyArray<FileEntry>): SourceTree["languages"] =>
  [...groupBy(files, (file) => file.language)]
    .map(([language, members]) => ({
      language,
      files: members.length,
      bytes: members.reduce((sum, file) => sum + file.bytes, 0)
    }))
    .toSorted((a, b) => b.bytes - a.bytes || compareText(a.language, b.language))

/** The first `depth` folders of a path as a label; `root` for a file that lies at the top. */
const folderOf = (path: string, depth: number): string => {
  const folders = path.split("/").slice(0, -1).slice(0, depth)
  return folders.length === 0 ? "root" : folders.join("-").replace(/[^\w.@-]/g, "_")
}

const groupBy = <A>(items: ReadonlyArray<A>, key: (item: A) => string): ReadonlyMap<string, ReadonlyArray<A>> => {
  const groups = new Map<string, Array<A>>()
  for (const item of items) {
    const members = groups.get(key(item))
    if (members === undefined) groups.set(key(item), [item])
    else members.push(item)
  }
  return groups
}

const cut = <A>(items: ReadonlyArray<A>, size: number): ReadonlyArray<ReadonlyArray<A>> => {
  const count = Math.ceil(items.length / size)
  const length = Math.ceil(items.length / count)
  return Array.from({ length: count }, (_, index) => items.slice(index * length, (index + 1) * length))
}
