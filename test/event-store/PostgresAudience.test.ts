import { assert, it } from "@effect/vitest"
import { Audience } from "../../src/event-store/PostgresAudience.ts"

const stay = 15_000

it("who does not listen announces: others would not be heard", () => {
  const one = new Audience("1", stay)
  assert.isTrue(one.isThere(1_000_000))
  one.begins(0)
  assert.isFalse(one.isThere(1_000_000))
  one.ends()
  assert.isTrue(one.isThere(1_000_000))
})

it("who begins asks, and announces until everybody may have answered", () => {
  const one = new Audience("1", stay)
  one.begins(500)
  assert.isTrue(one.isThere(1499))
  assert.isFalse(one.isThere(1500))
})

it("whoever was heard of counts for a while, and again with every word", () => {
  const [one, two] = [new Audience("1", stay), new Audience("2", stay)]
  one.begins(0)
  assert.strictEqual(one.hear(two.payload("asks"), 10_000), "asks")
  assert.isTrue(one.isThere(10_000 + stay - 1))
  assert.isFalse(one.isThere(10_000 + stay))
  assert.strictEqual(one.hear(two.payload("answers"), 20_000), "answers")
  assert.isTrue(one.isThere(20_000 + stay - 1))
  // What is heard late takes nothing back.
  one.hear(two.payload("answers"), 5000)
  assert.isTrue(one.isThere(20_000 + stay - 1))
})

it("one's own words and the appends of others say nothing of listeners", () => {
  const one = new Audience("1", stay)
  one.begins(0)
  for (const payload of [one.payload("asks"), one.payload("answers"), "2/0", ""]) {
    assert.isUndefined(one.hear(payload, 5000))
  }
  assert.isFalse(one.isThere(5000))
})
