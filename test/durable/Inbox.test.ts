import { assert, it } from "@effect/vitest"
import { Inbox } from "../../src/durable/Inbox.ts"

const signal = (version: number) => ({ id: "", name: "go", payload: version, version })

const received = (inbox: Inbox): ReadonlyArray<number> => {
  const versions: Array<number> = []
  for (let left = 3; left > 0; left--) inbox.receive("go", ({ version }) => versions.push(version))
  return versions
}

it("N4: signals are received in the order in which they were sent, whatever the order of their delivery", () => {
  const inbox = new Inbox(new Set())
  for (const version of [3, 1, 2]) inbox.deliver(signal(version))
  assert.deepStrictEqual(received(inbox), [1, 2, 3])
})

it("N4: a signal delivered twice, or dealt with before, is received once, or not at all", () => {
  const inbox = new Inbox(new Set([1]))
  for (const version of [1, 2, 2, 3]) inbox.deliver(signal(version))
  assert.deepStrictEqual(received(inbox), [2, 3])
  assert.deepStrictEqual(inbox.consumed, [1, 2, 3])
})
