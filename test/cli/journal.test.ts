/** A journal that cannot be used is told in one sentence, and left as it was. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Layer, Queue, Schema } from "effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { DatabaseSync } from "node:sqlite"
import * as Embedded from "../../src/backends/Embedded.ts"
import * as Orchestration from "../../src/durable/Orchestration.ts"
import { type Ended, folder, tutti, tuttiBound } from "./command.ts"

const Greet = Orchestration.make("Greet", {
  input: { name: Schema.String },
  output: Schema.String,
  key: ({ name }) => name,
  run: ({ name }) => Effect.succeed(`hello, ${name}`)
})

/** A folder with one run in its journal, and something to audit. */
const journal = Effect.gen(function* () {
  const cwd = yield* folder
  const filename = Path.join(cwd, ".tutti", "journal.db")
  yield* Greet.run({ name: "you" }).pipe(
    Effect.provide(Greet.layer.pipe(Layer.provideMerge(Embedded.layer({ filename }))), { local: true })
  )
  Fs.writeFileSync(Path.join(cwd, "a.ts"), "export const a = 1\n")
  return { cwd, filename }
})

/** One that reads, and one that writes. */
const verbs = [["runs"], ["audit"]] as const

const assertRefused = ({ code, err, out }: Ended, because: RegExp) => {
  assert.strictEqual(code, 1, err + out)
  assert.strictEqual(out, "")
  assert.match(err, /^tutti: [^\n]+\n$/)
  assert.match(err, because)
}

const assertUnharmed = (cwd: string) =>
  Effect.map(tutti(cwd, ["runs"]), ({ err, out }) => assert.match(out, /Greet\/you\s+completed/, err))

const refused = (cwd: string, because: RegExp, run: typeof tuttiBound = tutti) =>
  Effect.map(
    Effect.forEach(verbs, (args) => run(cwd, args), { concurrency: "unbounded" }),
    (ended) => ended.forEach((one) => assertRefused(one, because))
  )

describe(
  "a journal that cannot be used gets one sentence, a non-zero exit, and is left alone",
  { timeout: 60_000 },
  () => {
    it.live("locked by another process", () =>
      Effect.gen(function* () {
        const { cwd, filename } = yield* journal
        const other = new DatabaseSync(filename)
        other.exec("BEGIN EXCLUSIVE")
        yield* refused(cwd, /another process kept ".*journal\.db" locked for too long/)
        other.exec("ROLLBACK")
        other.close()
        yield* assertUnharmed(cwd)
      }).pipe(Effect.scoped)
    )

    const damages: ReadonlyArray<readonly [string, (good: Buffer) => Buffer]> = [
      [
        "overwritten in its middle",
        (good) => Buffer.concat([good.subarray(0, 4096), Buffer.alloc(good.length - 4096, 170)])
      ],
      ["cut off", (good) => good.subarray(0, good.length / 2)]
    ]
    for (const [how, damage] of damages) {
      it.live(`corrupt: ${how}`, () =>
        Effect.gen(function* () {
          const { cwd, filename } = yield* journal
          const good = Fs.readFileSync(filename)
          const damaged = damage(good)
          Fs.writeFileSync(filename, damaged)
          yield* refused(cwd, /".*journal\.db" is corrupt/)
          assert.isTrue(damaged.equals(Fs.readFileSync(filename)))
          assert.deepStrictEqual(Fs.readdirSync(Path.dirname(filename)), ["journal.db"])
          Fs.writeFileSync(filename, good)
          yield* assertUnharmed(cwd)
        }).pipe(Effect.scoped)
      )
    }

    it.live("read-only", () =>
      Effect.gen(function* () {
        const { cwd, filename } = yield* journal
        const good = Fs.readFileSync(filename)
        Fs.chmodSync(filename, 0o444)
        Fs.chmodSync(Path.dirname(filename), 0o555)
        yield* refused(cwd, /".*journal\.db" cannot be written to/, tuttiBound)
        assert.isTrue(good.equals(Fs.readFileSync(filename)))
        Fs.chmodSync(Path.dirname(filename), 0o755)
        Fs.chmodSync(filename, 0o644)
        yield* assertUnharmed(cwd)
      }).pipe(Effect.scoped)
    )

    it.live("in a folder that cannot be written to", () =>
      Effect.gen(function* () {
        const cwd = yield* folder
        Fs.chmodSync(cwd, 0o555)
        assertRefused(yield* tuttiBound(cwd, ["audit"]), /".*journal\.db" cannot be opened: .*not permitted/)
        assert.deepStrictEqual(Fs.readdirSync(cwd), [])
      }).pipe(Effect.scoped)
    )

    it.live(
      "an audit that another process has begun at the same moment: one works, one is told, nothing is done twice",
      () =>
        Effect.gen(function* () {
          const { cwd } = yield* journal
          const asked = yield* Deferred.make<void>()
          const ends = yield* Queue.unbounded<Ended>()
          const begin = Effect.flatMap(
            tutti(cwd, ["audit", "--approve"], (out) => {
              if (out.includes("waits for approval")) Deferred.doneUnsafe(asked, Effect.void)
              return false
            }),
            (ended) => Queue.offer(ends, ended)
          )
          yield* Effect.forkChild(begin)
          yield* Effect.forkChild(begin)
          const told = yield* Queue.take(ends)
          assertRefused(told, /Another process is working on Audit\//)
          const [, id] = /(Audit\/\S+-\d+)/.exec(told.err)!
          yield* Deferred.await(asked)
          const approved = yield* tutti(cwd, ["approve", id!])
          assert.strictEqual(approved.code, 0, approved.err)
          const worked = yield* Queue.take(ends)
          assert.strictEqual(worked.code, 0, worked.err)
          const { out } = yield* tutti(cwd, ["events", id!, "--json"])
          const events = out
            .trim()
            .split("\n")
            .map((line) => JSON.parse(line) as { type: string; meta: { path?: string } })
          const pathsOf = (kind: string) => events.filter(({ type }) => type === kind).map(({ meta }) => meta.path)
          assert.strictEqual(pathsOf("RunStarted").length, 1)
          assert.strictEqual(new Set(pathsOf("StepCompleted")).size, pathsOf("StepCompleted").length)
          assert.strictEqual(events.at(-1)!.type, "RunCompleted")
        }).pipe(Effect.scoped)
    )
  }
)
