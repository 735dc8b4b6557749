import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { Screen, show } from "../../../src/cli/audit/LiveView.ts"
import type { ViewEvent } from "../../../src/cli/audit/TreeState.ts"

const screen = (mode: "Live" | "Plain") => {
  const writes: Array<string> = []
  const service = Screen.of({
    mode,
    size: Effect.succeed({ columns: 40, rows: 10 }),
    write: (text) => Effect.sync(() => void writes.push(text))
  })
  return { writes, service }
}

const sequence = /\u001b\[\?25[lh]|\u001b\[\d*[AJK]|\u001b\[[\d;]*m|[\r\n]|[^\u001b\r\n]+/g // oxlint-disable-line no-control-regex

/** What a terminal shows after these writes: as much of one as the view uses. It is never asked to go above its top. */
const terminal = (writes: ReadonlyArray<string>) => {
  const rows: Array<string> = []
  const at = { row: 0, column: 0 }
  let cursor = "Shown"
  const print = (text: string) => {
    const row = rows[at.row] ?? ""
    rows[at.row] = row.slice(0, at.column) + text + row.slice(at.column + text.length)
    at.column += text.length
  }
  const moves: Record<string, (amount: number) => void> = {
    "\r": () => void (at.column = 0),
    "\n": () => Object.assign(at, { row: at.row + 1, column: 0 }),
    A: (amount) => assert.isAtLeast((at.row -= amount), 0),
    J: () => void (rows.length = Math.min(rows.length, at.row)),
    K: () => void (rows[at.row] = (rows[at.row] ?? "").slice(0, at.column)),
    l: () => void (cursor = "Hidden"),
    h: () => void (cursor = "Shown"),
    m: () => {}
  }
  for (const [token] of writes.join("").matchAll(sequence)) {
    const control = token.startsWith("\u001b") ? token.at(-1) : token
    const move = moves[control ?? ""]
    if (move === undefined || (control === token && token.length > 1)) print(token)
    else move(Number(/\d+/.exec(token)?.[0] ?? 1))
  }
  return { rows, cursor }
}

const steps: ReadonlyArray<ViewEvent> = [
  { _tag: "NodePlanned", path: "audit/measure" },
  { _tag: "NodeStarted", path: "audit/collect", at: 0 },
  { _tag: "NodeRetried", path: "audit/collect", at: 100, attempt: 2, detail: "busy" },
  { _tag: "NodeProgressed", path: "audit/collect", detail: "half" },
  { _tag: "NodeFinished", path: "audit/collect", at: 300, detail: "75\nfiles" },
  { _tag: "NodeFinished", path: "audit/collect", at: 300, detail: "75\nfiles" },
  { _tag: "Note", text: "resumed" }
]

describe("LiveView", () => {
  it.effect("W3: without a terminal, one plain line a change and a summary", () =>
    Effect.gen(function* () {
      const { service, writes } = screen("Plain")
      const state = yield* show(Stream.fromIterable(steps)).pipe(Effect.provideService(Screen, service))
      assert.deepStrictEqual(writes, [
        "● audit/collect\n",
        "↻ audit/collect attempt 2: busy\n",
        "✓ audit/collect (0.3s): 75 files\n",
        "› resumed\n",
        "○ 1 done, 1 retried, 1 unfinished in 0.0s\n"
      ])
      assert.strictEqual(state.notes.length, 1)
    })
  )

  it.effect("W2: redraws in place on each tick, and only if something changed", () =>
    Effect.gen(function* () {
      const { service, writes } = screen("Live")
      const queue = yield* Queue.unbounded<ViewEvent, Cause.Done>()
      const fiber = yield* show(Stream.fromQueue(queue)).pipe(Effect.provideService(Screen, service), Effect.forkChild)
      yield* TestClock.adjust("80 millis")
      assert.deepStrictEqual(writes, ["\u001b[?25l"])
      yield* Queue.offerAll(queue, [
        { _tag: "NodePlanned", path: "audit/collect" },
        { _tag: "NodePlanned", path: "audit/report" }
      ])
      yield* TestClock.adjust("80 millis")
      yield* TestClock.adjust("800 millis")
      assert.strictEqual(writes.length, 2)
      assert.deepStrictEqual(terminal(writes).rows, ["○ audit  0/2", "├─ ○ collect", "└─ ○ report"])
      yield* Queue.offer(queue, { _tag: "NodeFinished", path: "audit/collect", at: 900, detail: "done" })
      yield* TestClock.adjust("80 millis")
      assert.strictEqual(writes.length, 3)
      assert.deepStrictEqual(terminal(writes).rows.slice(1), ["├─ ✓ collect  done", "└─ ○ report"])
      assert.strictEqual(terminal(writes).cursor, "Hidden")
      yield* Queue.end(queue)
      yield* Fiber.join(fiber)
      const last = terminal(writes)
      assert.strictEqual(last.cursor, "Shown")
      assert.strictEqual(last.rows.length, 4)
      assert.strictEqual(last.rows.at(-1), "○ 1 done, 1 unfinished")
    })
  )

  it.effect("W1: interruption draws the last frame and shows the cursor", () =>
    Effect.gen(function* () {
      const { service, writes } = screen("Live")
      const read = yield* Deferred.make<void>()
      const events = Stream.concat(
        Stream.fromIterable(steps),
        Stream.fromEffect(Effect.andThen(Deferred.succeed(read, undefined), Effect.never))
      )
      const fiber = yield* show(events).pipe(Effect.provideService(Screen, service), Effect.forkChild)
      yield* Deferred.await(read)
      yield* Fiber.interrupt(fiber)
      const { cursor, rows } = terminal(writes)
      assert.strictEqual(cursor, "Shown")
      assert.include(rows.join("\n"), "✓ collect  0.3s  attempt 2  75 files")
    })
  )

  it.effect("W1: a failure of the events is the failure of the view, after the last frame", () =>
    Effect.gen(function* () {
      const { service, writes } = screen("Live")
      const exit = yield* show(Stream.concat(Stream.fromIterable(steps), Stream.fail("lost"))).pipe(
        Effect.provideService(Screen, service),
        Effect.exit
      )
      assert.isTrue(Exit.isFailure(exit) && Cause.squash(exit.cause) === "lost")
      assert.strictEqual(terminal(writes).cursor, "Shown")
    })
  )
})
