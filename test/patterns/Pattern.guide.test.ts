/** The test that `docs/patterns/your-own.md` shows, and how much code the page takes. */
import { readFileSync } from "node:fs"
// #region test
import { assert, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { ContractViolation, Orchestration } from "tutti"
import { CrashSweep } from "tutti/testing"
import { Disputed, Edit, letter } from "../../examples/24-own-pattern.ts"

const error = Schema.Union([Disputed, ContractViolation])
const sweep = (text: string) => {
  const Letter = Orchestration.make("Letter", { ...Edit, error, run: letter.run })
  return CrashSweep.check({ orchestration: Letter, layer: Letter.layer, input: { text } })
}

it.effect("polishes a letter, and ends alike wherever it crashes, agreed or disputed", () =>
  Effect.gen(function* () {
    assert.strictEqual(yield* letter.run({ text: "teh see" }), "the sea")
    assert.strictEqual((yield* Effect.flip(letter.run({ text: "see, see, see" })))._tag, "Disputed")
    for (const text of ["teh see", "see, see, see"]) assert.isAbove((yield* sweep(text)).crashes, 0)
  })
)
// #endregion

it("the guide takes 40 lines of code at most", () => {
  const page = readFileSync("docs/patterns/your-own.md", "utf8")
  const code = [...page.matchAll(/^```ts\n([^]*?)^```$/gm)].flatMap(([, code]) => code!.split("\n"))
  const lines = code.filter((line) => line.trim() !== "" && !line.startsWith("//"))
  assert.isAbove(lines.length, 0)
  assert.isAtMost(lines.length, 40)
})
