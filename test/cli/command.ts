/** Runs the `tutti` command as a process of its own. */
import { Effect } from "effect"
import { spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"

const main = Path.resolve("src/cli/main.ts")

export interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** A directory that is removed when the scope closes. */
export const folder = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "tutti-cli-"))),
  (path) => Effect.sync(() => Fs.rmSync(path, { recursive: true, force: true }))
)

const command = [process.execPath, "--conditions=tutti-source", "--disable-warning=ExperimentalWarning", main] as const

/** Runs the command in a folder, to its end or until `kill` says so. */
export const tutti = (cwd: string, args: ReadonlyArray<string>, kill?: (out: string) => boolean) =>
  run([...command, ...args], { cwd, kill })

/** The same, as somebody whom the permissions of files bind, as they do not bind root. */
export const tuttiBound = (cwd: string, args: ReadonlyArray<string>) =>
  run([...(process.getuid?.() === 0 ? unprivileged : []), ...command, ...args], { cwd, kill: undefined })

const unprivileged = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] as const

interface Circumstances {
  readonly cwd: string
  readonly kill: ((out: string) => boolean) | undefined
}

const run = ([program, ...args]: ReadonlyArray<string>, { cwd, kill }: Circumstances) =>
  Effect.callback<Ended>((resume) => {
    const child = spawn(program!, args, { cwd, env: { ...process.env, NO_COLOR: "1" } })
    let out = ""
    let err = ""
    child.stdout.on("data", (chunk) => {
      out += chunk
      if (kill?.(out) === true) child.kill("SIGKILL")
    })
    child.stderr.on("data", (chunk) => (err += chunk))
    child.on("error", (error) => resume(Effect.die(error)))
    child.on("close", (code) => resume(Effect.succeed({ code, out, err })))
    return Effect.sync(() => void child.kill("SIGKILL"))
  })
