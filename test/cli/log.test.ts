import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Embedded from "../../src/backends/Embedded.ts"
import type { StreamId } from "../../src/event-store/Envelope.ts"
import { EventStore } from "../../src/event-store/EventStore.ts"
import { folder, tutti } from "./command.ts"

/** A journal with a run that got a signal, and an order that caused another. */
const journal = Effect.map(folder, (cwd) => ({ cwd, filename: Path.join(cwd, ".tutti", "journal.db") })).pipe(
  Effect.tap(({ filename }) => Effect.provide(seed, Embedded.stores({ filename }), { local: true }))
)

const seed = Effect.gen(function* () {
  const store = yield* EventStore
  const append = (
    stream: string,
    type: string,
    options: { readonly data?: { readonly inbox: number }; readonly meta?: object }
  ) =>
    store.append(
      stream as StreamId,
      [{ id: `${stream}-${type}`, type, data: {}, ...options, meta: { timestamp: 0, ...options.meta } }],
      "Any"
    )
  const meta = { runId: "R/1", correlationId: "R/1" }
  yield* append("run/R/1", "RunStarted", { meta })
  yield* append("inbox/R/1", "SignalSent", { meta })
  yield* append("run/R/1", "SignalReceived", { data: { inbox: 1 }, meta: { ...meta, path: "wait" } })
  yield* append("order/1", "OrderPlaced", { meta: { causationId: "click" } })
  yield* append("stock/1", "StockReserved", { meta: { causationId: "order/1-OrderPlaced" } })
})

describe("the log on the command line", { timeout: 120_000 }, () => {
  it.effect("an export is imported elsewhere, again without effect, and goes on", () =>
    Effect.gen(function* () {
      const { cwd, filename } = yield* journal
      const exported = yield* tutti(cwd, ["export", "log.ndjson"])
      assert.strictEqual(exported.code, 0, exported.err)
      assert.match(exported.out, /Exported 5 events to log\.ndjson\. The next export goes on with: --after 5/)
      const into = ["--db", "other.db"]
      assert.match((yield* tutti(cwd, ["import", "log.ndjson", ...into])).out, /Imported 5 events, knew 0 already\./)
      assert.match((yield* tutti(cwd, ["import", "log.ndjson", ...into])).out, /Imported 0 events, knew 5 already\./)
      yield* EventStore.use((store) => store.append("order/1" as StreamId, [{ type: "OrderPaid", data: {} }], 1)).pipe(
        Effect.provide(Embedded.stores({ filename }), { local: true })
      )
      const rest = yield* tutti(cwd, ["export", "rest.ndjson", "--after", "5", "--prefix", "order/"])
      assert.match(rest.out, /Exported 1 event to/)
      assert.match((yield* tutti(cwd, ["import", "rest.ndjson", ...into])).out, /Imported 1 event,/)
      assert.include((yield* tutti(cwd, ["runs", ...into])).out, "R/1")
    }).pipe(Effect.scoped)
  )

  it.effect("a torn file is told, and leaves no trace", () =>
    Effect.gen(function* () {
      const { cwd } = yield* journal
      yield* tutti(cwd, ["export", "log.ndjson"])
      const text = Fs.readFileSync(Path.join(cwd, "log.ndjson"), "utf8")
      Fs.writeFileSync(Path.join(cwd, "torn.ndjson"), text.slice(0, -80))
      const torn = yield* tutti(cwd, ["import", "torn.ndjson", "--db", "other.db"])
      assert.strictEqual(torn.code, 1)
      assert.match(torn.err, /^tutti: Line \d of the exported log /)
      assert.isFalse(Fs.existsSync(Path.join(cwd, "other.db")))
      const missing = yield* tutti(cwd, ["import", "missing.ndjson", "--db", "other.db"])
      assert.strictEqual(missing.code, 1)
      assert.match(missing.err, /missing\.ndjson/)
      const again = yield* tutti(cwd, ["export", "log.ndjson"])
      assert.match(again.err, /log\.ndjson exists already/)
      assert.strictEqual((yield* tutti(cwd, ["export", "x", "--after", "one"])).code, 2)
    }).pipe(Effect.scoped)
  )

  it.effect("why tells causes and consequences", () =>
    Effect.gen(function* () {
      const { cwd } = yield* journal
      const placed = yield* tutti(cwd, ["why", "order/1@1"])
      assert.deepStrictEqual(placed.out.trimEnd().split("\n"), [
        "  not in the log: click",
        "> 1970-01-01 00:00:00  OrderPlaced  order/1@1",
        "    1970-01-01 00:00:00  StockReserved  stock/1@1"
      ])
      const received = yield* tutti(cwd, ["why", "run/R/1-SignalReceived"])
      assert.deepStrictEqual(received.out.trimEnd().split("\n"), [
        "  1970-01-01 00:00:00  SignalSent  inbox/R/1@1",
        "> 1970-01-01 00:00:00  SignalReceived  run/R/1@2  wait"
      ])
      const unknown = yield* tutti(cwd, ["why", "nothing"])
      assert.strictEqual(unknown.code, 1)
      assert.match(unknown.err, /There is no event "nothing"/)
      assert.match((yield* tutti(cwd, ["why", "order/1@7"])).err, /has no event 7/)
    }).pipe(Effect.scoped)
  )
})
