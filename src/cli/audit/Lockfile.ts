/**
 * Checks `package-lock.json` (versions 2 and 3) against `package.json`.
 *
 * Invariants (checked by `test/cli/audit/Lockfile.test.ts`):
 *
 *   L1. Only what can be decided is judged: a range that is a tag, a file or a
 *       repository, or that `overrides` replaces, counts as `undecided`.
 *   L2. A lock file that is missing, broken or of another package manager is an
 *       answer with a finding, never an error.
 *
 * A dependency is looked up as Node does it: in the `node_modules` of its own
 * folder, then in those of the folders above.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SemVer from "effect/SemVer"
import * as SemVerRange from "effect/SemVerRange"
import { compareText, Finding } from "./Finding.ts"
import { Workspace, type WorkspaceError } from "./Workspace.ts"

export const LockfileInput = Schema.Struct({ root: Schema.String })
export type LockfileInput = typeof LockfileInput.Type

export const LockfileChecked = Schema.TaggedStruct("Checked", {
  lockfileVersion: Schema.Int,
  packages: Schema.Natural,
  /** Pairs of a package and a range that were compared. */
  checked: Schema.Natural,
  undecided: Schema.Natural,
  withoutIntegrity: Schema.Natural,
  duplicates: Schema.Array(Schema.Struct({ name: Schema.String, versions: Schema.Array(Schema.String) })),
  findings: Schema.Array(Finding)
})
export type LockfileChecked = typeof LockfileChecked.Type

export const LockfileNotChecked = Schema.TaggedStruct("NotChecked", {
  reason: Schema.String,
  findings: Schema.Array(Finding)
})
export type LockfileNotChecked = typeof LockfileNotChecked.Type

export const LockfileResult = Schema.Union([LockfileChecked, LockfileNotChecked])
export type LockfileResult = typeof LockfileResult.Type

/** Checks the lock file of a folder, if there is one that is understood. */
export const lockfile = Effect.fnUntraced(function* (
  input: LockfileInput
): Effect.fn.Return<LockfileResult, never, Workspace> {
  const manifest = yield* read(input.root, "package.json", Manifest)
  const lock = yield* read(input.root, "package-lock.json", Lock)
  const foreign = yield* foreignLock(input.root)
  if (lock._tag === "Broken") return notChecked("package-lock.json", lock.reason, ["error", "broken-lockfile"])
  if (manifest._tag === "Broken") return notChecked("package.json", manifest.reason, ["error", "broken-manifest"])
  if (manifest._tag === "Absent") {
    return LockfileNotChecked.make({ reason: "there is no package.json", findings: [] })
  }
  if (lock._tag === "Absent") {
    return foreign === undefined
      ? notChecked("package.json", "there is no lock file: each install may bring other versions", [
          "warning",
          "no-lockfile"
        ])
      : notChecked(foreign, `${foreign} is not checked: only package-lock.json is understood`, [
          "info",
          "foreign-lockfile"
        ])
  }
  const version = lock.value.lockfileVersion ?? 1
  if (lock.value.packages === undefined || version < 2 || version > 3) {
    const reason = `lock file version ${version} is not checked: only 2 and 3 are understood`
    return notChecked("package-lock.json", reason, ["warning", "old-lockfile"])
  }
  return compare(manifest.value, { ...lock.value.packages }, version)
})

const Ranges = Schema.optionalKey(Schema.Record(Schema.String, Schema.String))

const Dependencies = {
  dependencies: Ranges,
  optionalDependencies: Ranges,
  peerDependencies: Ranges,
  peerDependenciesMeta: Schema.optionalKey(
    Schema.Record(Schema.String, Schema.Struct({ optional: Schema.optionalKey(Schema.Boolean) }))
  )
}

const Manifest = Schema.Struct({
  ...Dependencies,
  devDependencies: Ranges,
  overrides: Schema.optionalKey(Schema.Record(Schema.String, Schema.Unknown))
})
type Manifest = typeof Manifest.Type

const LockEntry = Schema.Struct({
  ...Dependencies,
  devDependencies: Ranges,
  name: Schema.optionalKey(Schema.String),
  version: Schema.optionalKey(Schema.String),
  resolved: Schema.optionalKey(Schema.Unknown),
  integrity: Schema.optionalKey(Schema.String),
  link: Schema.optionalKey(Schema.Boolean),
  inBundle: Schema.optionalKey(Schema.Boolean)
})
type LockEntry = typeof LockEntry.Type
type Packages = { readonly [path: string]: LockEntry }

const Lock = Schema.Struct({
  lockfileVersion: Schema.optionalKey(Schema.Int),
  packages: Schema.optionalKey(Schema.Record(Schema.String, LockEntry))
})

type Document<A> =
  | { readonly _tag: "Absent" }
  | { readonly _tag: "Broken"; readonly reason: string }
  | { readonly _tag: "Present"; readonly value: A }

const read = Effect.fnUntraced(function* <A, I>(
  root: string,
  file: string,
  schema: Schema.Codec<A, I>
): Effect.fn.Return<Document<A>, never, Workspace> {
  const workspace = yield* Workspace
  const text: Result.Result<string, WorkspaceError> = yield* Effect.result(workspace.readText(`${root}/${file}`))
  if (Result.isFailure(text)) {
    const { code } = text.failure
    return code === "ENOENT" ? { _tag: "Absent" } : { _tag: "Broken", reason: `${file} could not be read (${code})` }
  }
  const decoded = yield* Effect.result(Schema.decodeEffect(Schema.fromJsonString(schema))(text.success))
  return Result.isSuccess(decoded)
    ? { _tag: "Present", value: decoded.success }
    : { _tag: "Broken", reason: `${file} is not what npm writes: it cannot be decoded` }
})

const foreignLocks = ["yarn.lock", "pnpm-lock.yaml", "bun.lock", "bun.lockb", "npm-shrinkwrap.json"]

const foreignLock = Effect.fnUntraced(function* (root: string): Effect.fn.Return<string | undefined, never, Workspace> {
  const workspace = yield* Workspace
  for (const file of foreignLocks) {
    const found = yield* Effect.result(workspace.inspect(`${root}/${file}`))
    if (Result.isSuccess(found) && found.success.kind === "File") return file
  }
  return undefined
})

const notChecked = (file: string, reason: string, kind: readonly [Finding["severity"], rule: string]) =>
  LockfileNotChecked.make({ reason, findings: [{ ...finding(...kind, reason), file }] })

const finding = (severity: Finding["severity"], rule: string, message: string): Finding => ({
  area: "lockfile",
  severity,
  rule,
  message,
  file: "package-lock.json"
})

const compare = (manifest: Manifest, packages: Packages, lockfileVersion: number): LockfileChecked => {
  const wanted = [
    ...requirements("", { ...manifest, version: undefined }),
    ...Object.entries(packages).flatMap(([path, entry]) =>
      path === "" || entry.link === true ? [] : requirements(path, entry)
    )
  ]
  const overridden = new Set(Object.keys(manifest.overrides ?? {}).map((key) => key.replace(/(?<=.)@.*$/, "")))
  const judged = wanted.map((each) => judge(each, packages, overridden))
  const bare = Object.entries(packages).filter(([path, entry]) => lacksIntegrity(path, entry))
  const duplicates = duplicatesOf(packages)
  return LockfileChecked.make({
    lockfileVersion,
    packages: Object.keys(packages).filter((path) => path !== "").length,
    checked: judged.filter((verdict) => verdict !== "Undecided").length,
    undecided: judged.filter((verdict) => verdict === "Undecided").length,
    withoutIntegrity: bare.length,
    duplicates,
    findings: [
      ...stale(manifest, packages[""]),
      ...judged.flatMap((verdict) => (typeof verdict === "string" ? [] : [verdict])),
      ...bare.map(([path]) => finding("warning", "no-integrity", `${path} has no integrity hash`)),
      ...duplicates.map(({ name, versions }) =>
        finding(
          "info",
          "duplicate-package",
          `${name} is installed in ${versions.length} versions: ${versions.join(", ")}`
        )
      )
    ]
  })
}

interface Requirement {
  /** Path of the entry that requires; `""` is the root. */
  readonly by: string
  readonly name: string
  readonly range: string
  readonly need: "Required" | "Optional" | "Peer"
}

/** Development dependencies count only for the root and for workspaces: those are installed with them. */
const requirements = (
  by: string,
  entry: Omit<Manifest, "overrides"> & { readonly version?: string | undefined }
): ReadonlyArray<Requirement> => {
  const own = by === "" || !by.includes("node_modules/")
  const each = (ranges: { readonly [name: string]: string } | undefined, need: Requirement["need"]) =>
    Object.entries(ranges ?? {}).map(([name, range]) => ({ by, name, range, need }))
  const optional = entry.optionalDependencies ?? {}
  const peers = each(entry.peerDependencies, "Peer").filter(
    (peer) => entry.peerDependenciesMeta?.[peer.name]?.optional !== true
  )
  return [
    ...each(entry.dependencies, "Required").filter((required) => !(required.name in optional)),
    ...(own ? each(entry.devDependencies, "Required") : []),
    ...each(optional, "Optional"),
    ...peers
  ]
}

type Verdict = "Satisfied" | "Undecided" | Finding

const judge = (required: Requirement, packages: Packages, overridden: ReadonlySet<string>): Verdict => {
  const { by, name, need, range } = required
  const who = by === "" ? "package.json" : by.replace(/^.*node_modules\//, "")
  const found = lookUp(packages, by, name)
  if (found === undefined) {
    if (need === "Required")
      return finding("error", "missing-package", `${who} needs ${name}@${range}, which is not locked`)
    // Peers are left out by `--legacy-peer-deps`, on purpose.
    if (need === "Peer") return "Undecided"
    return finding(
      "warning",
      "missing-optional",
      `${who} may use ${name}@${range}, which is not locked: npm ci can refuse`
    )
  }
  if (overridden.has(name) || found.version === undefined) return "Undecided"
  const fits = satisfies(found.version, range)
  if (fits === undefined) return "Undecided"
  if (fits) return "Satisfied"
  const severity = need === "Required" ? "error" : "warning"
  return finding(severity, "version-mismatch", `${who} needs ${name}@${range}, but ${found.version} is locked`)
}

const lookUp = (packages: Packages, by: string, name: string): LockEntry | undefined => {
  for (let folder = by; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf("/")))) {
    const entry = packages[folder === "" ? `node_modules/${name}` : `${folder}/node_modules/${name}`]
    if (entry !== undefined) {
      const linked = entry.link === true && typeof entry.resolved === "string" ? packages[entry.resolved] : undefined
      return linked ?? entry
    }
    if (folder === "") return undefined
  }
}

/**
 * Whether a version lies in a range. `undefined` if that cannot be decided:
 * tags, files, repositories, and whatever is not SemVer.
 */
export const satisfies = (version: string, range: string): boolean | undefined => {
  const alias = /^npm:(?:@[^/]+\/)?[^@]+@(.+)$/.exec(range)?.[1]
  // npm forgives a leading `v` and empty alternatives; the parser does not.
  const plain = (alias ?? range).replace(/(?<=^|[\s<>=^~|])v(?=\d)/g, "").replace(/\+[\w.-]+/g, "")
  const parsed = SemVerRange.parse(plain)
  const exact = SemVer.parse(version)
  if (Result.isFailure(parsed) || Result.isFailure(exact)) return undefined
  if (SemVerRange.matches(parsed.success, exact.success)) return true
  // `*` is npm's word for anything, and a pre-release is something.
  return /^\s*[*x]?\s*$/i.test(plain)
}

/** Where `package.json` has changed since the lock file was written. */
const stale = (manifest: Manifest, root: LockEntry | undefined): ReadonlyArray<Finding> => {
  const kinds = ["dependencies", "devDependencies", "optionalDependencies", "peerDependencies"] as const
  return kinds.flatMap((kind) => {
    const asked = manifest[kind] ?? {}
    const locked = root?.[kind] ?? {}
    const names = [...new Set([...Object.keys(asked), ...Object.keys(locked)])].toSorted(compareText)
    return names
      .filter((name) => asked[name] !== locked[name])
      .map((name) =>
        finding(
          "error",
          "stale-lockfile",
          `${name} is ${asked[name] ?? "absent"} in package.json but ${locked[name] ?? "absent"} in the lock file (${kind})`
        )
      )
  })
}

/** Links, workspaces and bundled packages have none; nor have files and repositories. */
const lacksIntegrity = (path: string, entry: LockEntry): boolean =>
  path.includes("node_modules/") &&
  entry.link !== true &&
  entry.inBundle !== true &&
  entry.integrity === undefined &&
  !(typeof entry.resolved === "string" && /^(git|file:)/.test(entry.resolved))

const duplicatesOf = (packages: Packages): LockfileChecked["duplicates"] => {
  const versions = new Map<string, Set<string>>()
  for (const [path, entry] of Object.entries(packages)) {
    if (!path.includes("node_modules/") || entry.version === undefined) continue
    const name = entry.name ?? path.replace(/^.*node_modules\//, "")
    versions.set(name, (versions.get(name) ?? new Set()).add(entry.version))
  }
  return [...versions]
    .filter(([, all]) => all.size > 1)
    .map(([name, all]) => ({ name, versions: [...all].toSorted(compareVersions) }))
    .toSorted((a, b) => compareText(a.name, b.name))
}

const compareVersions = (a: string, b: string): number => {
  const [left, right] = [SemVer.parse(a), SemVer.parse(b)]
  return Result.isSuccess(left) && Result.isSuccess(right)
    ? SemVer.Order(left.success, right.success)
    : compareText(a, b)
}
