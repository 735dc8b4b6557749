import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Fs from "node:fs"
import * as Path from "node:path"

const examples = Fs.readdirSync("examples").filter((name) => /^\d\d-.*\.ts$/.test(name))

it("there are examples", () => assert.isAbove(examples.length, 4))

for (const name of examples) {
  it.live(`example ${name} gives what it says`, () =>
    Effect.gen(function* () {
      const example = yield* Effect.promise(() => import(Path.resolve("examples", name)))
      assert.deepStrictEqual(yield* example.program as Effect.Effect<unknown>, example.expected)
    })
  )
}
