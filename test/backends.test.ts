import { assert, it } from "@effect/vitest"
import { backends } from "./backends.ts"

it("as many backends run as CI expects", () => {
  assert.isAtLeast(backends.length, Number(process.env["EXPECTED_BACKENDS"] ?? 1))
})
