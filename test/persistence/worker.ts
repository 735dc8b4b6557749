/** Puts three documents at once, over and over, and says which count is durable. Killed by `JsonFile.test.ts`. */
import * as Effect from "effect/Effect"
import { writeSync } from "node:fs"
import * as JsonFile from "../../src/backends/JsonFile.ts"
import { Persistence } from "../../src/persistence/Persistence.ts"

const collection = "c"

const count = Effect.gen(function* () {
  const persistence = yield* Persistence
  let n = Number((yield* persistence.get(collection, "a"))?.body["n"] ?? 0)
  while (true) {
    n++
    yield* persistence.putAll(["a", "b", "d"].map((id) => ({ collection, id, body: { n } })))
    writeSync(1, `${n}\n`)
  }
})

await Effect.runPromise(Effect.provide(count, JsonFile.layer({ directory: process.argv[2]! })))
