/** How long a fresh process takes to import, beside what it imports of Effect in any case. */
import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import { compare, millis, printMachine } from "./harness.ts"

const isBuilt = existsSync("dist/index.js")
const flags = [...(isBuilt ? [] : ["--conditions=tutti-source"]), "--disable-warning=ExperimentalWarning"]

const node =
  (...args: ReadonlyArray<string>) =>
  () =>
    millis(() => {
      const result = spawnSync(process.execPath, [...flags, ...args], { encoding: "utf8" })
      if (result.status !== 0) throw new Error(result.stderr)
    })

const importing = (...names: ReadonlyArray<string>) =>
  node("--input-type=module", "-e", names.map((name) => `await import("${name}")`).join("; "))
const atMost = (limit: number) => ({ of: "value", atMost: limit }) as const

/** Most of what any Effect program with schemas and streams pays. */
const ofEffect = "import effect/Effect, Schema, Stream"

printMachine()
await compare(
  "Cold start of a process",
  { unit: "ms", rounds: 9, notes: [isBuilt ? "built: dist" : "not built: types are stripped from src at each start"] },
  [
    { name: "node alone", run: node("-e", "0") },
    { name: "import effect/Effect", run: importing("effect/Effect") },
    { name: "import effect (barrel)", run: importing("effect") },
    { name: ofEffect, run: importing("effect/Effect", "effect/Schema", "effect/Stream") },
    { name: "import tutti", run: importing("tutti"), reference: ofEffect, aim: atMost(250) },
    { name: "import tutti/embedded", run: importing("tutti/embedded"), reference: ofEffect },
    { name: "tutti --help", run: node(isBuilt ? "dist/cli/main.js" : "src/cli/main.ts", "--help"), aim: atMost(400) }
  ]
)
