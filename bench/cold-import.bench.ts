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

const importing = (name: string) => node("--input-type=module", "-e", `await import("${name}")`)
const atMost = (limit: number) => ({ of: "value", atMost: limit }) as const

printMachine()
await compare(
  "Cold start of a process",
  { unit: "ms", rounds: 9, notes: [isBuilt ? "built: dist" : "not built: types are stripped from src at each start"] },
  [
    { name: "node alone", run: node("-e", "0") },
    { name: "import effect/Effect", run: importing("effect/Effect") },
    { name: "import effect (barrel)", run: importing("effect") },
    { name: "import tutti", run: importing("tutti"), reference: "import effect/Effect", aim: atMost(250) },
    { name: "import tutti/embedded", run: importing("tutti/embedded"), reference: "import effect/Effect" },
    { name: "tutti --help", run: node(isBuilt ? "dist/cli/main.js" : "src/cli/main.ts", "--help"), aim: atMost(400) }
  ]
)
