import { assert, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Embedded from "../../../src/backends/Embedded.ts"
import { EventStore } from "../../../src/event-store/EventStore.ts"
import type { StoredEvent } from "../../../src/event-store/Envelope.ts"

const runs = 110
const leastKills = 50
const seed = 20_261_121

/** mulberry32, so that a failure can be repeated as far as a real process allows. */
const random = (() => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
})()

const sizeOf = (file: string) => Fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0

/** Runs the worker until it ends, or kills it once the side file has grown by `bytes`. */
const work = (filename: string, sideFile: string, bytes: number) =>
  Effect.callback<"killed" | "done">((resume) => {
    const child = spawn(
      process.execPath,
      [
        "--conditions=tutti-source",
        "--disable-warning=ExperimentalWarning",
        Path.resolve("test/durable/kill9/worker.ts"),
        filename,
        sideFile,
        String(runs)
      ],
      { stdio: ["ignore", "ignore", "pipe"] }
    )
    let errors = ""
    child.stderr.on("data", (chunk) => (errors += chunk))
    const start = sizeOf(sideFile)
    const watch = setInterval(() => {
      if (sizeOf(sideFile) - start >= bytes) child.kill("SIGKILL")
    }, 1)
    child.on("close", (code) => {
      clearInterval(watch)
      if (code === null) return resume(Effect.succeed("killed"))
      resume(code === 0 ? Effect.succeed("done") : Effect.die(new Error(`the worker failed: ${errors}`)))
    })
  })

const eventsIn = (filename: string) =>
  Effect.gen(function* () {
    const store = yield* EventStore
    const events = yield* Stream.runCollect(store.readAll())
    return Map.groupBy(events, (event) => event.stream as string)
  }).pipe(Effect.provide(Embedded.stores({ filename })))

const isOutcome = ({ type }: StoredEvent) => type === "StepCompleted" || type === "StepFailed"
const isEnd = ({ type }: StoredEvent) => type === "RunCompleted" || type === "RunFailed"

it.live(
  `after ${leastKills} kills: every run ends, no recorded step ran again, each compensation is recorded once`,
  () =>
    Effect.gen(function* () {
      const folder = Fs.mkdtempSync(Path.join(Os.tmpdir(), "tutti-sigkill-"))
      const [filename, sideFile] = [Path.join(folder, "journal.db"), Path.join(folder, "executions")]
      let kills = 0
      while (kills < leastKills) {
        const ended = yield* work(filename, sideFile, 1 + Math.floor(random() * 320))
        assert.strictEqual(ended, "killed", `the workload was done after ${kills} kills: make it larger`)
        kills++
      }
      assert.strictEqual(yield* work(filename, sideFile, Infinity), "done")

      const streams = yield* eventsIn(filename)
      const executions = Fs.readFileSync(sideFile, "utf8")
        .trim()
        .split("\n")
        .filter((line) => line !== "done")
        .map((line) => line.split("|") as [key: string, attempt: string, epoch: string])
      const recordedBy = new Map<string, number>()

      for (const [stream, events] of streams) {
        assert.deepStrictEqual(
          events.map(({ version }) => version),
          events.map((_, index) => index + 1),
          `gapless: ${stream}`
        )
        if (!stream.startsWith("run/")) continue
        assert.strictEqual(events.filter(isEnd).length, 1, `ends once: ${stream}`)
        for (const event of events.filter(isOutcome)) {
          const key = `${event.meta.runId}/${event.meta.path}`
          assert.isFalse(recordedBy.has(key), `recorded once: ${key}`)
          recordedBy.set(key, event.meta.epoch!)
        }
      }

      const trips = [...streams.keys()].filter(
        (stream) => stream.startsWith("run/Trip/") && stream.split("/").length === 3
      )
      assert.strictEqual(trips.length, runs)
      for (const trip of trips) {
        const undone = streams
          .get(trip)!
          .filter(({ meta, type }) => type === "StepCompleted" && meta.path?.includes("/undo ") === true)
        const refused = Number(trip.split("/").at(-1)) % 2 === 1
        assert.strictEqual(undone.length, refused ? 2 : 0, `compensations of ${trip}`)
      }

      const seen = new Set<string>()
      for (const [key, attempt, epoch] of executions) {
        const recorded = recordedBy.get(key)
        assert.isDefined(recorded, `recorded: ${key}`)
        assert.isAtMost(Number(epoch), recorded!, `${key} ran again after it was recorded`)
        const once = `${key}|${attempt}|${epoch}`
        assert.isFalse(seen.has(once), `ran twice in one process: ${once}`)
        seen.add(once)
      }
      Fs.rmSync(folder, { recursive: true, force: true })
    }),
  180_000
)
