import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import { spawn } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import * as JsonFileBackend from "../../src/backends/JsonFile.ts"
import { Directory } from "../../src/persistence/Directory.ts"
import * as JsonFile from "../../src/persistence/JsonFile.ts"
import * as JsonFilePersistence from "../../src/persistence/JsonFilePersistence.ts"
import { Persistence, type Put } from "../../src/persistence/Persistence.ts"
import { temporaryFile } from "../backends.ts"

const collection = "c"
const put = (id: string, n: number): Put => ({ collection, id, body: { n } })

/** A directory in memory whose `failing` calls do nothing, or everything, and then throw. */
const disk = () => {
  const files = new Map<string, string>()
  let calls = 0
  let failing: (call: number) => "no" | "before" | "after" = () => "no"
  const mutate = (change: () => void) => {
    const when = failing(++calls)
    if (when !== "before") change()
    if (when !== "no") throw Object.assign(new Error("EIO"), { syscall: "rename" })
  }
  const directory = Directory.of({
    path: "disk",
    list: () => [...files.keys()],
    read: (name) => files.get(name)!,
    replace: (name, text) => mutate(() => files.set(name, text)),
    remove: (name) => mutate(() => files.delete(name))
  })
  return {
    files,
    open: JsonFilePersistence.make.pipe(Effect.provideService(Directory, directory)),
    fail: (when: typeof failing) => {
      calls = 0
      failing = when
    }
  }
}

const contents = (persistence: Persistence["Service"]) =>
  Effect.map(persistence.query(collection), (found) => found.map(({ body, id, version }) => [id, version, body["n"]]))

const before = [
  ["a", 1, 1],
  ["b", 1, 1]
]
const after = [
  ["a", 2, 2],
  ["b", 2, 2],
  ["d", 1, 2]
]

describe("JsonFile", () => {
  for (const when of ["before", "after"] as const) {
    it.effect(`J1, J2: a crash ${when} any change of a file leaves a put whole or unmade`, () =>
      Effect.gen(function* () {
        const seen = new Set<string>()
        for (let crash = 1; crash <= 6; crash++) {
          const { fail, open } = disk()
          yield* (yield* open).putAll([put("a", 1), put("b", 1)])
          const persistence = yield* open
          // From the crash on nothing is done any more, as in a process that is gone.
          fail((call) => (call === crash ? when : call > crash ? "before" : "no"))
          const exit = yield* Effect.exit(persistence.putAll([put("a", 2), put("b", 2), put("d", 2)]))
          fail(() => "no")
          const found = yield* contents(yield* open)
          seen.add(JSON.stringify(found))
          assert.oneOf(JSON.stringify(found), [JSON.stringify(before), JSON.stringify(after)], `crash ${crash}`)
          if (Exit.isSuccess(exit)) assert.deepStrictEqual(found, after, `acknowledged, crash ${crash}`)
        }
        assert.strictEqual(seen.size, when === "before" ? 2 : 1)
      })
    )

    it.effect(`J3: a put that failed ${when} a change of a file undoes nothing that comes after it`, () =>
      Effect.gen(function* () {
        for (let failed = 1; failed <= 6; failed++) {
          const { fail, open } = disk()
          const persistence = yield* open
          yield* persistence.putAll([put("a", 1), put("b", 1)])
          fail((call) => (call === failed ? when : "no"))
          yield* Effect.exit(persistence.putAll([put("a", 2), put("b", 2), put("d", 2)]))
          fail(() => "no")
          const told = yield* contents(persistence)
          assert.oneOf(JSON.stringify(told), [JSON.stringify(before), JSON.stringify(after)])
          yield* persistence.putAll([put("a", 3)])
          yield* persistence.delete(collection, "b")
          const remembered = yield* contents(persistence)
          assert.deepStrictEqual(yield* contents(yield* open), remembered, `failure ${failed}`)
        }
      })
    )
  }

  it.effect("a write that the disk refuses is a PersistenceError, and later writes go on", () =>
    Effect.gen(function* () {
      const { fail, open } = disk()
      const persistence = yield* open
      fail(() => "before")
      const error = yield* Effect.flip(persistence.putAll([put("a", 1)]))
      assert.include(error.message, `in "disk" the file system refused: EIO`)
      fail(() => "no")
      assert.isTrue(yield* persistence.putAll([{ ...put("a", 1), expected: 0 }]))
    })
  )

  it.effect("J4: a torn or foreign file is named", () =>
    Effect.gen(function* () {
      const directory = dirname(yield* temporaryFile)
      const open = Effect.provide(
        Persistence.useSync((persistence) => persistence),
        JsonFileBackend.layer({ directory }),
        {
          local: true
        }
      )
      yield* Effect.provide(
        Persistence.use((persistence) => persistence.putAll([put("a", 1)])),
        JsonFileBackend.layer({ directory }),
        { local: true }
      )
      const whole = readFileSync(join(directory, "c/a.json"), "utf8")
      writeFileSync(join(directory, ".DS_Store"), "not ours, but hidden")
      yield* open
      const cases: ReadonlyArray<readonly [name: string, text: string, why: string]> = [
        ["c/a.json", whole.slice(0, 30), "is torn"],
        ["c/a.json", whole.replace(`"version": 1`, `"version": "1"`), "holds no document"],
        ["c/b.json", whole, "belongs into another file"],
        ["notes.txt", "hello", "is torn, or was never JSON"],
        ["intent.json", "{}", "holds no list"]
      ]
      for (const [index, [name, text, why]] of cases.entries()) {
        const inner = join(directory, `case${index}`)
        mkdirSync(inner)
        mkdirSync(dirname(join(inner, name)), { recursive: true })
        writeFileSync(join(inner, name), text)
        const error = yield* Effect.flip(
          Effect.scoped(Effect.provide(Effect.void, JsonFileBackend.layer({ directory: inner }), { local: true }))
        )
        assert.include(error.message, `"${name}" `)
        assert.include(error.message, why)
        assert.include(error.message, inner)
      }
    })
  )

  it.live("one process at a time; the next one finds everything", () =>
    Effect.gen(function* () {
      const directory = dirname(yield* temporaryFile)
      const layer = (lockTimeout: "50 millis" | "5 seconds") => JsonFileBackend.layer({ directory, lockTimeout })
      yield* Effect.provide(
        Effect.gen(function* () {
          const persistence = yield* Persistence
          yield* persistence.putAll([put("a", 1), put("b", 1)])
          const error = yield* Effect.flip(Effect.provide(Effect.void, layer("50 millis"), { local: true }))
          assert.isTrue(error.retryable)
          assert.include(error.message, `another process uses "${directory}"`)
        }),
        layer("5 seconds"),
        { local: true }
      )
      const found = yield* Effect.provide(Persistence.use(contents), layer("50 millis"), { local: true })
      assert.deepStrictEqual(found, before)
      assert.isFalse(existsSync(join(directory, "intent.json")))
    })
  )

  it.live(
    "kill -9 in the middle of writes leaves whole puts, and no lock",
    () =>
      Effect.gen(function* () {
        const directory = join(dirname(yield* temporaryFile), "killed")
        let acknowledged = 0
        for (let round = 0; round < 3; round++) {
          acknowledged = Math.max(acknowledged, yield* writeUntilKilled(directory, 40 + round * 7))
          const found = yield* Effect.provide(Persistence.use(contents), JsonFileBackend.layer({ directory }), {
            local: true
          })
          const counts = new Set(found.map(([, , n]) => n))
          assert.strictEqual(found.length, 3)
          assert.strictEqual(counts.size, 1, JSON.stringify(found))
          assert.isAtLeast(Number([...counts][0]), acknowledged)
        }
      }),
    60_000
  )

  it.prop("J5: every name has a file of its own", [Schema.String, Schema.String], ([one, other]) => {
    const name = JsonFile.nameOf(one, other)
    assert.match(name, /^([a-z0-9_%-]{1,200}\+?\/)+[a-z0-9_%-]{1,200}\.json$/)
    const swapped = JsonFile.nameOf(other, one)
    assert.strictEqual(name === swapped, one === other)
  })

  it("J5: look-alikes, long names and awkward ones", () => {
    const long = "x".repeat(450)
    const names = [
      "",
      "a",
      "A",
      ".",
      "..",
      "a/b",
      "a%2fb",
      "ä",
      "a\u0308",
      "\ud800",
      "\u00e4b",
      "\\",
      long,
      `${long}+`,
      ".a"
    ]
    const files = names.flatMap((one) => names.map((other) => JsonFile.nameOf(one, other).toLowerCase()))
    assert.strictEqual(new Set(files).size, names.length ** 2)
    for (const file of files) for (const part of file.split("/")) assert.isAtMost(part.length, 205)
    assert.isFalse(files.some((file) => files.some((other) => other.startsWith(`${file}/`))))
  })
})

/** Counts in three documents at once, in a process of its own, until that is killed. Answers the last count acknowledged. */
const writeUntilKilled = (directory: string, puts: number) =>
  Effect.callback<number>((resume) => {
    const child = spawn(
      process.execPath,
      ["--conditions=tutti-source", "--disable-warning=ExperimentalWarning", "test/persistence/worker.ts", directory],
      { stdio: ["ignore", "pipe", "inherit"] }
    )
    let out = ""
    child.stdout.on("data", (chunk) => {
      out += chunk
      if (out.split("\n").length > puts) child.kill("SIGKILL")
    })
    child.on("close", () => {
      assert.include(readdirSync(directory), ".lock")
      resume(Effect.succeed(Number(out.trimEnd().split("\n").at(-1))))
    })
    return Effect.sync(() => void child.kill("SIGKILL"))
  })
