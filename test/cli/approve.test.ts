import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schema, Stream } from "effect"
import * as Path from "node:path"
import * as Embedded from "../../src/backends/Embedded.ts"
import { Approval, Orchestration, Step } from "../../src/index.ts"
import { folder, tutti } from "./command.ts"

const Hotel = Approval.make("hotel", {
  request: { city: Schema.String },
  decision: { approved: Schema.Boolean, note: Schema.optionalKey(Schema.String) },
  key: ({ city }) => city,
  to: () => ["ann"]
})

const Trip = Orchestration.make("Trip", {
  input: { cities: Schema.Array(Schema.String) },
  output: Schema.Array(Schema.String),
  key: () => "one",
  run: ({ cities }) =>
    Step.forEach(
      cities,
      (city) =>
        Effect.map(
          Hotel.run({ city }),
          ({ by, decision: { approved, note } }) => `${city} ${approved} ${by} ${note ?? ""}`
        ),
      { concurrency: "unbounded" }
    )
})

describe("approve", { timeout: 60_000 }, () => {
  it.live("answers requests of a run that another process carries out", () =>
    Effect.gen(function* () {
      const cwd = yield* folder
      const journal = Embedded.layer({ filename: Path.join(cwd, "journal.db"), pollInterval: "20 millis" })
      yield* Effect.gen(function* () {
        const run = yield* Trip.start({ cities: ["Rome", "Oslo", "Bonn"] })
        yield* run.events.pipe(
          Stream.filter(({ type }) => type === "ApprovalRequested"),
          Stream.take(3),
          Stream.runDrain
        )
        const approve = (...args: ReadonlyArray<string>) =>
          tutti(cwd, ["approve", run.id, "--db", "journal.db", ...args])
        const unnamed = yield* approve()
        assert.strictEqual(unnamed.code, 1)
        assert.include(unnamed.err, "waits for --key Rome (hotel), --key Oslo (hotel), --key Bonn (hotel).")
        assert.match((yield* approve("--key", "Rome")).err, /Say who answers, with --by NAME/)
        assert.match((yield* approve("--key", "Rome", "--by", "bob")).err, /is addressed to ann/)
        const bad = yield* approve("--key", "Rome", "--by", "ann", "--decision", "{")
        assert.deepStrictEqual([bad.code, bad.err.trim()], [2, "tutti: --decision must be JSON."])
        assert.strictEqual((yield* approve("--key", "Rome", "--by", "ann")).out, `Approved: ${run.id}\n`)
        assert.strictEqual((yield* approve("--key", "Oslo", "--by", "ann", "--reject")).out, `Refused: ${run.id}\n`)
        const decision = JSON.stringify({ approved: true, note: "two nights" })
        const answered = yield* approve("--key", "Bonn", "--by", "ann", "--decision", decision)
        assert.strictEqual(answered.out, `Answered: ${run.id}\n`, answered.err)
        assert.deepStrictEqual(yield* run.await, ["Rome true ann ", "Oslo false ann ", "Bonn true ann two nights"])
        assert.match((yield* approve("--key", "Bonn", "--by", "ann")).err, /has ended already/)
      }).pipe(Effect.provide(Trip.layer.pipe(Layer.provideMerge(journal))))
    }).pipe(Effect.scoped)
  )
})
