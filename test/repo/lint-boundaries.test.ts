/**
 * The linter guards the direction of imports. A probe in every folder imports every other folder, and the
 * linter, run once over all probes, must refuse exactly those that do not stand below.
 */
import { spawnSync } from "node:child_process"
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"

const root = join(import.meta.dirname, "../..")

/** From the lowest to the highest; folders of one row do not know each other. */
const rows = [
  ["core"],
  ["persistence"],
  ["event-store"],
  ["events", "queues"],
  ["cqrs"],
  ["policies"],
  ["durable"],
  ["patterns"],
  ["providers", "agents", "adapters", "hooks"],
  ["plans"],
  ["backends"],
  ["http", "cli", "testing"]
]
const folders = rows.flat()
const rowOf = (folder: string) => rows.findIndex((row) => row.includes(folder))
const clients = ["node:sqlite", "ioredis", "@effect/sql-pg", "@effect/sql-pg/PgClient"]

interface Probe {
  readonly file: string
  readonly code: string
  readonly refused: boolean
}

const imports = (specifier: string) => `import * as probe from "${specifier}"\nexport const value = probe\n`

const probes: ReadonlyArray<Probe> = [
  ...folders.flatMap((from) => [
    ...folders
      .filter((to) => to !== from)
      .map((to) => ({
        file: `src/${from}/To-${to}.ts`,
        code: imports(`../${to}/Any.ts`),
        refused: rowOf(to) >= rowOf(from)
      })),
    ...clients.map((client, index) => ({
      file: `src/${from}/Client-${index}.ts`,
      code: imports(client),
      refused: from !== "backends"
    })),
    { file: `src/${from}/Barrel.ts`, code: imports("effect"), refused: true },
    { file: `src/${from}/Self.ts`, code: imports("tutti"), refused: true },
    { file: `src/${from}/Module.ts`, code: imports("effect/Effect"), refused: false },
    { file: `src/${from}/Neighbour.ts`, code: imports("./Module.ts"), refused: false }
  ]),
  ...folders.map((to) => ({
    file: `src/To-${to}.ts`,
    code: imports(`./${to}/Any.ts`),
    refused: rowOf(to) >= rowOf("backends")
  })),
  { file: "src/core/Now.ts", code: "export const value = Date.now()\n", refused: true },
  { file: "src/core/Today.ts", code: "export const value = new Date()\n", refused: true },
  { file: "src/core/Chance.ts", code: "export const value = Math.random()\n", refused: true },
  { file: "src/core/Uuid.ts", code: "export const value = crypto.randomUUID()\n", refused: true },
  { file: "src/core/Ring.ts", code: `export * from "./Ring2.ts"\n`, refused: true },
  { file: "src/core/Ring2.ts", code: `export * from "./Ring.ts"\n`, refused: true },
  { file: "examples/Inside.ts", code: imports("../src/index.ts"), refused: true },
  { file: "examples/Outside.ts", code: imports("tutti"), refused: false }
]

describe("lint boundaries", () => {
  const folder = mkdtempSync(join(tmpdir(), "tutti-lint-"))
  const refused = new Set<string>()

  beforeAll(() => {
    copyFileSync(join(root, ".oxlintrc.json"), join(folder, ".oxlintrc.json"))
    for (const { code, file } of probes) {
      mkdirSync(join(folder, file, ".."), { recursive: true })
      writeFileSync(join(folder, file), code)
    }
    const oxlint = join(root, "node_modules/oxlint/bin/oxlint")
    const { stderr, stdout } = spawnSync(process.execPath, [oxlint, "--format=unix", "src", "examples"], {
      cwd: folder,
      encoding: "utf8"
    })
    const lines = stdout.split("\n").filter((line) => line.includes(": "))
    assert.isAbove(lines.length, 0, stderr)
    for (const line of lines) refused.add(line.split(":")[0]!.replaceAll("\\", "/"))
  })

  afterAll(() => rmSync(folder, { recursive: true }))

  it("refuses what does not stand below, and nothing else", () => {
    const files = (keep: (probe: Probe) => boolean) => probes.filter(keep).map(({ file }) => file)
    assert.deepStrictEqual(
      files(({ file }) => refused.has(file)),
      files((probe) => probe.refused)
    )
  })

  it("knows every folder of src", () => {
    const found = readdirSync(join(root, "src"), { withFileTypes: true }).filter((entry) => entry.isDirectory())
    assert.isEmpty(found.map((entry) => entry.name).filter((name) => !folders.includes(name)))
  })
})
