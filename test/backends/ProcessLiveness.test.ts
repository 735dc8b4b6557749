import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { spawn, spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import Process from "node:process"
import * as ProcessLiveness from "../../src/backends/ProcessLiveness.ts"

const { instance, isGone } = ProcessLiveness.make()

it("a process is gone if it was on this machine and is no more", () => {
  const { pid } = spawnSync(Process.execPath, ["--version"])
  assert.isFalse(isGone(instance))
  assert.isTrue(isGone({ ...instance, pid }))
  assert.isFalse(isGone({ ...instance, machine: "another", pid }))
})

it.live.skipIf(Process.platform !== "linux")("a process is gone if it was killed and nobody has waited for it", () =>
  Effect.gen(function* () {
    // What goes on as `sleep` has a child of which it does not know.
    const careless = yield* Effect.acquireRelease(
      Effect.sync(() => spawn("sh", ["-c", "sleep 100 & echo $!; exec sleep 100"])),
      (child) => Effect.sync(() => child.kill("SIGKILL"))
    )
    const pid = yield* Effect.callback<number>((resume) => {
      careless.stdout.once("data", (line) => resume(Effect.succeed(Number(line))))
    })
    assert.isFalse(isGone({ ...instance, pid }))
    Process.kill(pid, "SIGKILL")
    while (!isGone({ ...instance, pid })) yield* Effect.yieldNow
    assert.isTrue(Process.kill(pid, 0))
  })
)

it.skipIf(Process.platform !== "linux")(
  "a process of another container is not known, though its kernel is the same",
  () => {
    const namespace = Fs.readlinkSync("/proc/self/ns/pid")
    const { pid } = spawnSync(Process.execPath, ["--version"])
    const machine = String(instance["machine"])
    assert.include(machine, namespace)
    assert.isFalse(isGone({ machine: machine.replace(namespace, "pid:[1]"), pid }))
  }
)
