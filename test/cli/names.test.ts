import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schema, Stream } from "effect"
import * as Path from "node:path"
import * as Embedded from "../../src/backends/Embedded.ts"
import { Orchestration, Signal, Step } from "../../src/index.ts"
import { folder, tutti } from "./command.ts"

const Go = Signal.make("go", {})

const step = (name: string) => Step.run(name, { output: Schema.String, run: () => Effect.succeed(name) })

const Review = Orchestration.make("Review/part", {
  input: {},
  output: Schema.String,
  run: () => Effect.orDie(step("reviewer#2"))
})

const Pull = Orchestration.make("Pull #7", {
  input: {},
  output: Schema.Void,
  run: () => Effect.andThen(Effect.andThen(step("100%"), Review.run({}).pipe(Effect.orDie)), Signal.await(Go))
})

/** A journal in which two runs have ended by their own, one waits, and two read alike. */
const journal = Effect.tap(folder, (cwd) =>
  Effect.gen(function* () {
    const run = yield* Pull.start({}, { key: "50%" })
    yield* run.signal(Go, {})
    yield* run.await
    const waiting = yield* Pull.start({}, { key: "51" })
    yield* waiting.events.pipe(
      Stream.takeUntil(({ meta }) => meta.path === "Review%2Fpart"),
      Stream.runDrain
    )
    for (const key of ["a#1", "a%231"]) yield* (yield* Review.start({}, { key })).await
  }).pipe(
    Effect.provide(
      Pull.layer.pipe(
        Layer.provideMerge(Review.layer),
        Layer.provideMerge(Embedded.layer({ filename: Path.join(cwd, ".tutti", "journal.db") }))
      ),
      { local: true }
    )
  )
)

describe("names on the command line", { timeout: 120_000 }, () => {
  it.live("are printed as people read them, and taken in that form and in that of the log", () =>
    Effect.gen(function* () {
      const cwd = yield* journal
      const out = (...args: ReadonlyArray<string>) =>
        Effect.map(tutti(cwd, args), ({ code, err, out }) => {
          assert.strictEqual(code, 0, err)
          // What an event holds is shown as it is.
          assert.notMatch(out.replaceAll(/\{.*/g, ""), /%2[35F]/)
          return out
        })
      assert.include(yield* out("runs"), "Pull #7/50%/Review/part")
      const [read, logged] = ["Pull #7/50%/Review/part", "Pull %237/50%/Review%2Fpart"]
      for (const verb of ["show", "events", "tail"]) {
        const shown = yield* out(verb, read)
        assert.include(shown, "reviewer#2")
        assert.strictEqual(yield* out(verb, logged), shown)
      }
      for (const prefix of ["", "run/"]) {
        const why = yield* out("why", `${prefix}${read}@2`)
        assert.match(why, /^> .* run\/Pull #7\/50%\/Review\/part@2 {2}reviewer#2$/m)
        assert.strictEqual(yield* out("why", `${prefix}${logged}@2`), why)
      }
      assert.match(yield* out("why", "inbox/Pull #7/50%@1"), /^> .* SignalSent {2}inbox\/Pull #7\/50%@1$/m)
      assert.strictEqual(yield* out("cancel", "Pull #7/51"), "Cancel requested: Pull #7/51\n")
      assert.strictEqual(yield* out("cancel", "Pull %237/51"), "Cancel requested: Pull #7/51\n")
    }).pipe(Effect.scoped)
  )

  it.live("that fit no run, several runs, or a run that cannot do it are told in one sentence", () =>
    Effect.gen(function* () {
      const cwd = yield* journal
      const cases: ReadonlyArray<readonly [ReadonlyArray<string>, number, string]> = [
        [["show", "Pull #8"], 1, `There is no run "Pull #8".`],
        [["approve", "Pull #7/51"], 1, `Run "Pull #7/51" waits for no approval.`],
        [["cancel", "Pull #7/50%"], 1, `Run "Pull #7/50%" has ended already (completed).`],
        [
          ["why", "Pull #7/50%@99"],
          1,
          `"Pull #7/50%" has no event 99, or no longer, neither as a run nor as a stream.`
        ],
        [["tail", "Pull", "#7"], 2, `"#7" is too much; put quotes around a name with blanks. Usage: tutti tail ID`],
        [["why"], 2, "EVENT is missing. Usage: tutti why EVENT"],
        [["runs", "--offset", "1"], 2, "Unknown option '--offset'. Usage: tutti runs"],
        [["import", "missing.ndjson"], 1, "There is no file missing.ndjson."],
        [["import", "."], 1, ". is a folder."],
        [["export", "missing/log.ndjson"], 1, "There is no folder for missing/log.ndjson."]
      ]
      for (const [args, code, sentence] of cases) {
        const ended = yield* tutti(cwd, args)
        assert.strictEqual(ended.code, code, ended.err)
        assert.strictEqual(ended.err.slice(0, sentence.length + 7), `tutti: ${sentence}`)
        assert.strictEqual(ended.err.trim().split("\n").length, 1, ended.err)
      }
      assert.strictEqual((yield* tutti(cwd, ["show", "Review%2Fpart/a#1"])).code, 0)
      const alike = yield* tutti(cwd, ["show", "Review/part/a#1"])
      assert.include(alike.err, `"Review%2Fpart/a%231", "Review%2Fpart/a#1"`)
    }).pipe(Effect.scoped)
  )
})
