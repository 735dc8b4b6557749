import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { lockfile, satisfies } from "../../../src/cli/audit/Lockfile.ts"
import { layerNode } from "../../../src/cli/audit/Workspace.ts"
import { folder } from "./fixture.ts"

const integrity = "sha512-x"
const check = (manifest: object, packages?: Record<string, object>, version = 3) =>
  Effect.gen(function* () {
    const lock =
      packages === undefined
        ? {}
        : {
            "package-lock.json": JSON.stringify({ lockfileVersion: version, packages })
          }
    const root = yield* folder({ "package.json": JSON.stringify(manifest), ...lock })
    return yield* lockfile({ root })
  })

const told = (result: {
  readonly findings: ReadonlyArray<{ readonly severity: string; readonly rule: string; readonly message: string }>
}) => result.findings.map((each) => `${each.severity} ${each.rule}: ${each.message}`)

describe("Lockfile", () => {
  it.layer(layerNode)((it) => {
    it.effect("a lock that fits has no findings", () =>
      Effect.gen(function* () {
        const dependencies = { a: "^1.0.0" }
        const result = yield* check(
          { dependencies },
          {
            "": { dependencies },
            "node_modules/a": { version: "1.2.0", integrity, dependencies: { b: "~2.0.0" } },
            "node_modules/b": { version: "3.0.0", integrity },
            "node_modules/a/node_modules/b": { version: "2.0.5", integrity, devDependencies: { none: "1" } }
          }
        )
        assert.deepStrictEqual(result, {
          _tag: "Checked",
          lockfileVersion: 3,
          packages: 3,
          checked: 2,
          undecided: 0,
          withoutIntegrity: 0,
          duplicates: [{ name: "b", versions: ["2.0.5", "3.0.0"] }],
          findings: [
            {
              area: "lockfile",
              severity: "info",
              rule: "duplicate-package",
              message: "b is installed in 2 versions: 2.0.5, 3.0.0",
              file: "package-lock.json"
            }
          ]
        })
      })
    )

    it.effect("finds what is stale, missing, wrong and without integrity", () =>
      Effect.gen(function* () {
        const result = yield* check(
          { dependencies: { a: "^2.0.0", b: "1.x" }, devDependencies: { c: "*" } },
          {
            "": { dependencies: { a: "^1.0.0", b: "1.x" } },
            "node_modules/a": {
              version: "1.0.0",
              optionalDependencies: { o: "1" },
              peerDependencies: { p: "1", q: "1" },
              peerDependenciesMeta: { q: { optional: true } }
            },
            "node_modules/b": { version: "1.9.0", integrity, peerDependencies: { a: ">=2" } }
          }
        )
        assert.deepStrictEqual(told(result), [
          "error stale-lockfile: a is ^2.0.0 in package.json but ^1.0.0 in the lock file (dependencies)",
          "error stale-lockfile: c is * in package.json but absent in the lock file (devDependencies)",
          "error version-mismatch: package.json needs a@^2.0.0, but 1.0.0 is locked",
          "error missing-package: package.json needs c@*, which is not locked",
          "warning missing-optional: a may use o@1, which is not locked: npm ci can refuse",
          "warning version-mismatch: b needs a@>=2, but 1.0.0 is locked",
          "warning no-integrity: node_modules/a has no integrity hash"
        ])
        assert.deepInclude(result, { checked: 5, undecided: 1 })
      })
    )

    it.effect("L1: tags, repositories and overrides are not judged", () =>
      Effect.gen(function* () {
        const dependencies = { a: "latest", b: "github:x/b", c: "^1.0.0", d: "npm:real@^1.0.0" }
        const result = yield* check(
          { dependencies, overrides: { c: "2.0.0" } },
          {
            "": { dependencies },
            "node_modules/a": { version: "1.0.0", integrity },
            "node_modules/b": { version: "1.0.0", resolved: "git+ssh://x/b" },
            "node_modules/c": { version: "2.0.0", integrity },
            "node_modules/d": { name: "real", version: "1.5.0", integrity }
          }
        )
        assert.deepStrictEqual(told(result), [])
        assert.deepInclude(result, { checked: 1, undecided: 3 })
      })
    )

    it.effect("workspaces: their own and development dependencies are looked up from their folder", () =>
      Effect.gen(function* () {
        const result = yield* check(
          {},
          {
            "": {},
            "packages/w": { version: "1.0.0", devDependencies: { a: "^1.0.0", none: "1" } },
            "node_modules/w": { resolved: "packages/w", link: true },
            "node_modules/a": { version: "1.0.0", integrity, dependencies: { w: "^2.0.0" } }
          }
        )
        assert.deepStrictEqual(told(result), [
          "error missing-package: packages/w needs none@1, which is not locked",
          "error version-mismatch: a needs w@^2.0.0, but 1.0.0 is locked"
        ])
      })
    )

    it.effect("L2: no lock file, a foreign one, an old one, a broken one", () =>
      Effect.gen(function* () {
        const reasons = (files: Record<string, string>) =>
          Effect.flatMap(folder(files), (root) => Effect.map(lockfile({ root }), told))
        assert.deepStrictEqual(yield* reasons({}), [])
        assert.deepStrictEqual(yield* reasons({ "package.json": "{}" }), [
          "warning no-lockfile: there is no lock file: each install may bring other versions"
        ])
        assert.deepStrictEqual(yield* reasons({ "package.json": "{}", "yarn.lock": "" }), [
          "info foreign-lockfile: yarn.lock is not checked: only package-lock.json is understood"
        ])
        assert.deepStrictEqual(yield* reasons({ "package.json": "{}", "package-lock.json": '{"lockfileVersion":1}' }), [
          "warning old-lockfile: lock file version 1 is not checked: only 2 and 3 are understood"
        ])
        assert.deepStrictEqual(yield* reasons({ "package.json": "{}", "package-lock.json": "{" }), [
          "error broken-lockfile: package-lock.json is not what npm writes: it cannot be decoded"
        ])
        assert.deepStrictEqual(yield* reasons({ "package.json": "[]", "package-lock.json": "{}" }), [
          "error broken-manifest: package.json is not what npm writes: it cannot be decoded"
        ])
      })
    )
  })

  const ranges: ReadonlyArray<readonly [version: string, range: string, fits: boolean | undefined]> = [
    ["1.2.3", "^1.0.0", true],
    ["2.0.0", "^1.0.0", false],
    ["0.2.9", "^0.2.3", true],
    ["0.3.0", "^0.2.3", false],
    ["1.2.9", "~1.2.3", true],
    ["1.3.0", "~1.2.3", false],
    ["1.2.3", "1.2.3", true],
    ["1.2.3", "v1.2.3", true],
    ["1.2.3", "=1.2.3", true],
    ["2.0.0", ">=1 <3", true],
    ["3.0.0", ">= 1.0.0 < 3.0.0", false],
    ["3.1.0", "^1 || ^3", true],
    ["1.5.0", "1.2 - 2.0", true],
    ["9.9.9", "*", true],
    ["1.0.0-beta.1", "*", true],
    ["9.9.9", "", true],
    ["1.9.0", "1.x", true],
    ["1.0.0-rc.1", "^1.0.0-beta", true],
    ["1.0.0", "next", undefined],
    ["1.0.0", "file:../x", undefined],
    ["1.0.0", "workspace:*", undefined],
    ["1.0.0", "npm:@s/x@^2.0.0", false]
  ]
  for (const [version, range, fits] of ranges) {
    it(`L1: ${version} ${fits === undefined ? "cannot be compared with" : fits ? "is in" : "is not in"} ${JSON.stringify(range)}`, () =>
      assert.strictEqual(satisfies(version, range), fits))
  }
})
