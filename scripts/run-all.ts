/**
 * Runs several programs, one after another, and counts: `N passed, N failed` is the last line.
 *
 *     run-all.ts check:          every npm script whose name begins so; output is shown when it fails
 *     run-all.ts examples        every examples/NN-idea.ts
 *     run-all.ts bench journal   every bench/*.bench.ts whose name contains "journal"
 */
import { spawnSync } from "node:child_process"
import { existsSync, readdirSync } from "node:fs"
import manifest from "../package.json" with { type: "json" }

interface Program {
  readonly name: string
  readonly command: string
  readonly args: ReadonlyArray<string>
}

const npmScripts = (prefix: string): ReadonlyArray<Program> =>
  Object.keys(manifest.scripts)
    .filter((name) => name.startsWith(prefix))
    .map((name) => ({ name, command: "npm", args: ["run", "--silent", name] }))

const files = (folder: string): ReadonlyArray<Program> =>
  (existsSync(folder) ? readdirSync(folder) : [])
    .filter((name) => /^\d\d-.*\.ts$|\.bench\.ts$/.test(name))
    .toSorted()
    .map((name) => ({
      name: `${folder}/${name}`,
      command: process.execPath,
      args: [...process.execArgv, `${folder}/${name}`]
    }))

const run = ({ args, command, name }: Program, quiet: boolean): boolean => {
  const started = performance.now()
  if (!quiet) console.log(`\n── ${name}`)
  const result = spawnSync(command, args, {
    encoding: "utf8",
    shell: process.platform === "win32",
    stdio: quiet ? ["ignore", "pipe", "pipe"] : ["ignore", "inherit", "inherit"]
  })
  const passed = result.status === 0
  if (quiet && !passed) console.log(result.stdout + result.stderr)
  console.log(`${passed ? "ok    " : "FAILED"} ${name} (${((performance.now() - started) / 1000).toFixed(1)} s)`)
  return passed
}

const [subject = "", filter = ""] = process.argv.slice(2)
const quiet = subject.endsWith(":")
const programs = (quiet ? npmScripts(subject) : files(subject)).filter(({ name }) => name.includes(filter))
const passed = programs.filter((program) => run(program, quiet)).length
console.log(`${passed} passed, ${programs.length - passed} failed`)
process.exitCode = passed === programs.length && passed > 0 ? 0 : 1
