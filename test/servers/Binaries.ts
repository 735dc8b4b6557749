/** Finds the programs of a server on this machine, and installs them where that may be done unasked. */
import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import { accessSync, constants, existsSync, readdirSync } from "node:fs"
import { delimiter, join } from "node:path"
import { ServerError } from "./ServerError.ts"

export interface Wanted {
  /** The server's name in a sentence. */
  readonly server: string
  /** Programs that must lie in one directory. */
  readonly programs: ReadonlyArray<string>
  readonly debian: string
  readonly homebrew: string
  /** The variable that names a server to be used instead. */
  readonly variable: string
}

export interface Machine {
  readonly directories: () => ReadonlyArray<string>
  /** Installs a Debian package without starting what is in it, or says why it may not. */
  readonly install: (debianPackage: string) => Effect.Effect<void, string>
}

/** The directory that has all programs. Missing ones are a failure, never a reason to skip a test. */
export const find = (wanted: Wanted, machine: Machine = thisMachine): Effect.Effect<string, ServerError> => {
  const look = Effect.sync(() =>
    machine.directories().find((directory) => wanted.programs.every((program) => isProgram(join(directory, program))))
  )
  const missing = (why: string) =>
    new ServerError({
      server: wanted.server,
      detail:
        `is needed by the tests and was not found (${why}): install it with "apt-get install ${wanted.debian}" or ` +
        `"brew install ${wanted.homebrew}", or set ${wanted.variable} to the URL of a server that they may write to`
    })
  return Effect.gen(function* () {
    const found = yield* look
    if (found !== undefined) return found
    yield* Effect.mapError(machine.install(wanted.debian), missing)
    return (yield* look) ?? (yield* missing(`"apt-get install ${wanted.debian}" did not bring it`))
  })
}

const isProgram = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Versions of Debian's PostgreSQL, newest first. */
const debianPostgres = (): ReadonlyArray<string> => {
  const root = "/usr/lib/postgresql"
  if (!existsSync(root)) return []
  const newestFirst = readdirSync(root).toSorted((one, other) => Number(other) - Number(one))
  return newestFirst.map((version) => join(root, version, "bin"))
}

/** Homebrew links no versioned PostgreSQL into its `bin`. */
const homebrew = (): ReadonlyArray<string> =>
  ["/opt/homebrew", "/usr/local", "/home/linuxbrew/.linuxbrew"].flatMap((prefix) => {
    const kegs = existsSync(join(prefix, "opt")) ? readdirSync(join(prefix, "opt")) : []
    const postgres = kegs.filter((keg) => keg.startsWith("postgresql")).map((keg) => join(prefix, "opt", keg, "bin"))
    return [join(prefix, "bin"), ...postgres]
  })

/** Scripts of a package ask this program whether they may start a service. It says no. */
const doNotStart = `
set -e
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  printf '#!/bin/sh\\nexit 101\\n' > $policy
  chmod +x $policy
  trap 'rm -f $policy' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
wait="-o DPkg::Lock::Timeout=300"
apt-get $wait install -y --no-install-recommends "$1" || {
  apt-get $wait update
  apt-get $wait install -y --no-install-recommends "$1"
}`

/** Two at once would take away each other's policy. */
let lastInstallation: Promise<unknown> = Promise.resolve()

const aptGet = (debianPackage: string) => {
  const exit = () =>
    new Promise<number | null>((resolve) => {
      const child = spawn("sh", ["-c", doNotStart, "install", debianPackage], {
        stdio: ["ignore", "ignore", "inherit"]
      })
      child.once("error", () => resolve(null))
      child.once("exit", resolve)
    })
  return Effect.flatMap(
    Effect.promise(() => {
      const result = lastInstallation.then(exit)
      lastInstallation = result
      return result
    }),
    (code) => (code === 0 ? Effect.void : Effect.fail("apt-get could not install it"))
  )
}

const thisMachine: Machine = {
  directories: () => [...(process.env["PATH"] ?? "").split(delimiter), ...debianPostgres(), ...homebrew()],
  install: (debianPackage) =>
    Effect.suspend(() => {
      if (!existsSync("/usr/bin/apt-get")) return Effect.fail("and this is no Debian, so it was not installed unasked")
      if (process.getuid?.() !== 0) return Effect.fail("and only root may install it unasked")
      return aptGet(debianPackage)
    })
}
