/**
 * What git remembers of a folder: how much, how long, by how many, and where it
 * changes most.
 *
 * Authors are counted, not named. A repository without a history is an answer
 * (`NoHistory`), not an error. Dates are those of the commits: no clock is read.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { compareText } from "./Finding.ts"
import { type GitError, Workspace } from "./Workspace.ts"

export const HistoryInput = Schema.Struct({
  root: Schema.String,
  /** Hot files are sought in so many of the latest commits. Default 2000. */
  recentCommits: Schema.optionalKey(Schema.Int)
})
export type HistoryInput = typeof HistoryInput.Type

export const HotFile = Schema.Struct({ path: Schema.String, changes: Schema.Natural })
export type HotFile = typeof HotFile.Type

export const History = Schema.TaggedStruct("History", {
  commits: Schema.Natural,
  authors: Schema.Natural,
  /** ISO 8601. */
  firstCommit: Schema.String,
  lastCommit: Schema.Struct({ hash: Schema.String, date: Schema.String, subject: Schema.String }),
  /** Whole days between the first and the last commit. */
  ageInDays: Schema.Natural,
  /** `Shallow`: the clone holds only the latest part. */
  depth: Schema.Literals(["Full", "Shallow"]),
  /** Most changed first, at most ten, only files that still exist. */
  hotFiles: Schema.Array(HotFile)
})
export type History = typeof History.Type

export const NoHistory = Schema.TaggedStruct("NoHistory", { reason: Schema.String })
export type NoHistory = typeof NoHistory.Type

export const HistoryResult = Schema.Union([History, NoHistory])
export type HistoryResult = typeof HistoryResult.Type

/** Reads the history of a folder, if it has one. */
export const history = Effect.fnUntraced(function* (
  input: HistoryInput
): Effect.fn.Return<HistoryResult, never, Workspace> {
  const told = yield* Effect.result(readHistory(input))
  return Result.isSuccess(told) ? told.success : NoHistory.make({ reason: reasonOf(told.failure) })
})

const readHistory = Effect.fnUntraced(function* ({
  recentCommits = 2000,
  root
}: HistoryInput): Effect.fn.Return<HistoryResult, GitError, Workspace> {
  const workspace = yield* Workspace
  const log = yield* workspace.git(root, ["log", "--format=%h%x1f%ae%x1f%at%x1f%aI%x1f%s", "--", "."])
  const commits = log.split("\n").flatMap((line) => parseCommit(line))
  const latest = commits[0]
  if (latest === undefined) return NoHistory.make({ reason: "no commit touches this folder" })
  const shallow = yield* workspace.git(root, ["rev-parse", "--is-shallow-repository"])
  const changes = yield* workspace.git(root, [
    "log",
    `--max-count=${recentCommits}`,
    "--format=",
    "--name-only",
    "--no-renames",
    "--no-ext-diff",
    "--relative",
    "--",
    "."
  ])
  const first = commits.reduce((oldest, commit) => (commit.seconds < oldest.seconds ? commit : oldest), latest)
  const last = commits.reduce((newest, commit) => Math.max(newest, commit.seconds), latest.seconds)
  return History.make({
    commits: commits.length,
    authors: new Set(commits.map((commit) => commit.email.toLowerCase())).size,
    firstCommit: first.date,
    lastCommit: { hash: latest.hash, date: latest.date, subject: latest.subject },
    ageInDays: Math.floor((last - first.seconds) / 86_400),
    depth: shallow.trim() === "true" ? "Shallow" : "Full",
    hotFiles: yield* hotFiles(root, changes)
  })
})

interface Commit {
  readonly hash: string
  readonly email: string
  readonly seconds: number
  readonly date: string
  readonly subject: string
}

const parseCommit = (line: string): ReadonlyArray<Commit> => {
  const [hash, email, seconds, date, ...subject] = line.split("\x1f")
  if (hash === undefined || email === undefined || seconds === undefined || date === undefined) return []
  return [{ hash, email, seconds: Number(seconds), date, subject: subject.join(" ") }]
}

const hotFiles = Effect.fnUntraced(function* (
  root: string,
  changes: string
): Effect.fn.Return<ReadonlyArray<HotFile>, never, Workspace> {
  const workspace = yield* Workspace
  const times = new Map<string, number>()
  for (const path of changes.split("\n")) {
    if (path !== "") times.set(path, (times.get(path) ?? 0) + 1)
  }
  const sorted = [...times]
    .map(([path, count]) => ({ path, changes: count }))
    .toSorted((a, b) => b.changes - a.changes || compareText(a.path, b.path))
  const hot: Array<HotFile> = []
  for (const file of sorted) {
    if (hot.length === 10) break
    const found = yield* Effect.result(workspace.inspect(`${root}/${file.path}`))
    if (Result.isSuccess(found) && found.success.kind === "File") hot.push(file)
  }
  return hot
})

const reasonOf = (error: GitError): string => {
  if (error.exitCode === null) return "git could not be started"
  if (/not a git repository/i.test(error.output)) return "the folder is not in a git repository"
  if (/does not have any commits/i.test(error.output)) return "the repository has no commits yet"
  if (/dubious ownership/i.test(error.output)) return "git does not trust the folder, since another user owns it"
  return error.output.split("\n")[0] || `git failed with exit code ${error.exitCode}`
}
