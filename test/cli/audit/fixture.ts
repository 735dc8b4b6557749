/** Temporary folders and groups for the tests of the audit. */
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { FileEntry } from "../../../src/cli/audit/Collect.ts"
import { kindOf, languageOf } from "../../../src/cli/audit/Language.ts"
import type { GroupInput } from "../../../src/cli/audit/Reading.ts"

type Files = Readonly<Record<string, string>>

/** A folder with these files, removed when the scope closes. */
export const folder = (files: Files): Effect.Effect<string, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const root = fs.mkdtempSync(path.join(tmpdir(), "tutti-audit-"))
      write(root, files)
      return root
    }),
    (root) => Effect.sync(() => fs.rmSync(root, { recursive: true, force: true }))
  )

export const write = (root: string, files: Files): void => {
  for (const [name, content] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(root, name)), { recursive: true })
    fs.writeFileSync(path.join(root, name), content)
  }
}

/** Runs git with an identity of its own, whatever the machine's settings. */
export const git = (root: string, ...args: ReadonlyArray<string>): string =>
  execFileSync(
    "git",
    ["-c", "user.name=Test", "-c", "commit.gpgSign=false", "-c", "init.defaultBranch=main", ...args],
    {
      cwd: root,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"]
    }
  )

interface Commit {
  readonly author: string
  readonly date: string
  readonly subject: string
}

export const commit = (root: string, { author, date, subject }: Commit): void => {
  git(root, "add", "-A")
  git(root, "-c", `user.email=${author}`, "commit", "-m", subject, `--date=${date}`)
}

export const entry = (file: string, bytes = 1): FileEntry => ({
  path: file,
  language: languageOf(file).name,
  kind: kindOf(file),
  bytes
})

export const groupOf = (root: string, files: ReadonlyArray<string>): GroupInput => ({
  root,
  group: { id: "all", files: files.map((file) => entry(file)) }
})

export const rules = (findings: ReadonlyArray<{ readonly rule: string }>): ReadonlyArray<string> =>
  findings.map((finding) => finding.rule)
