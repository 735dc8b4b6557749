import { assert, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
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
