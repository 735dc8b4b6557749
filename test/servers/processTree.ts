/** Sends signals to a process and all that it started, and ties them to the life of this process. */
import * as Effect from "effect/Effect"
import { execFile, spawn } from "node:child_process"
import type { Socket } from "node:net"

/** Parent first: a server whose child dies would otherwise begin to clean up. */
const tree = `tree() {
  echo "$1"
  for child in $(cat "/proc/$1/task/$1/children" 2>/dev/null || ps -axo ppid=,pid= | awk -v p="$1" '$1 == p { print $2 }'); do
    tree "$child"
  done
}`

export const signal = (pid: number, name: "KILL" | "STOP" | "CONT"): Effect.Effect<void> =>
  Effect.callback((resume) => {
    execFile("sh", ["-c", `${tree}\nkill -$2 $(tree "$1")`, "signal", String(pid), name], () => resume(Effect.void))
  })

/**
 * Waits for its input to end, as it does when this process is gone, however it went. Then the server whose id is in the
 * file `pid` of the directory is stopped and the directory removed. SIGQUIT lets PostgreSQL release its shared memory;
 * if it was killed before, its last segment is named on the seventh line of its own file.
 */
const watchdog = `${tree}
cat >/dev/null
exec 2>/dev/null
if [ -f "$1/pid" ]; then
  pid=$(cat "$1/pid")
  all=$(tree "$pid")
  kill -CONT $all
  kill -QUIT "$pid"
  tries=0
  while kill -0 "$pid" && [ $tries -lt 60 ]; do sleep 0.05; tries=$((tries + 1)); done
  kill -KILL $all
fi
[ -f "$1/data/postmaster.pid" ] && ipcrm -m "$(sed -n 7p "$1/data/postmaster.pid" | awk '{ print $2 }')"
tries=0
until rm -rf "$1" || [ $tries -gt 20 ]; do sleep 0.1; tries=$((tries + 1)); done`

/** Of the watchdogs of this process. */
const inputs = new Set<Socket>()

// A worker of vitest outlives a run that was killed, until its test ends; what it started need not.
process.on("disconnect", () => {
  for (const input of inputs) input.end()
})

/** Watches over a directory. The effect it returns stops the server in it, removes it, and returns when all is gone. */
export const watch = (directory: string): Effect.Effect<void> => {
  // A session of its own: Ctrl-C in a terminal must not stop it before its work is done.
  const dog = spawn("sh", ["-c", watchdog, "watchdog", directory], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"]
  })
  const gone = new Promise<void>((resolve) => dog.once("exit", () => resolve()))
  const input = dog.stdin as Socket
  dog.unref()
  input.unref()
  inputs.add(input)
  return Effect.promise(() => {
    inputs.delete(input)
    dog.ref()
    input.end()
    return gone
  })
}
