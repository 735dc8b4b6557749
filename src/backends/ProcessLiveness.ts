/**
 * Knows whether the process that held a lease is certainly gone, so that a restart after a crash takes over at once.
 *
 * Only a process on this machine, since its last boot, can be judged. A process id that was given to another process
 * meanwhile makes the answer "not known": the lease then runs out as it would without this.
 */
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Process from "node:process"
import type { Instance, Liveness } from "../persistence/Lease.ts"

/** Distinguishes this boot of this machine, and containers that number their processes anew, where the system says so. */
const machine = (): string => {
  try {
    const boot = Fs.readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()
    return `${Os.hostname()}/${boot}/${Fs.readlinkSync("/proc/self/ns/pid")}`
  } catch {
    // Not Linux: the name of the machine must do.
    return Os.hostname()
  }
}

const exists = (pid: number): boolean => {
  try {
    Process.kill(pid, 0)
    return true
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code !== "ESRCH"
  }
}

/** Killed, but not waited for by its parent: in a container nobody may ever do so. Only Linux tells. */
const isZombie = (pid: number): boolean => {
  try {
    const stat = Fs.readFileSync(`/proc/${pid}/stat`, "utf8")
    // After the name of the program, which may hold anything.
    return stat.slice(stat.lastIndexOf(")")).startsWith(") Z")
  } catch {
    return false
  }
}

const isGone = (pid: number): boolean => !exists(pid) || isZombie(pid)

export const make = (): Liveness => {
  const here = machine()
  return {
    instance: { machine: here, pid: Process.pid },
    isGone: (instance: Instance) =>
      instance["machine"] === here && typeof instance["pid"] === "number" && isGone(instance["pid"])
  }
}
