/** Checks of what workers do: W7 to W10 of `WorkQueueConformance`. */
import * as Effect from "effect/Effect"
import type { WorkQueueDriver } from "../../queues/WorkQueueDriver.ts"
import { type Case, make } from "./Conformance.ts"
import { bodies, counts, fixture, start } from "./WorkQueueFixtures.ts"

/** The checks, in order. */
export const cases: ReadonlyArray<Case<WorkQueueDriver>> = [
  make(
    "W7",
    "an item is claimed by one worker",
    Effect.fnUntraced(function* (expect) {
      const { claim, item, offer } = yield* fixture()
      const names = Array.from({ length: 200 }, (_, index) => String(index).padStart(3, "0"))
      yield* offer(names.map((name) => item(name)))
      const claims = yield* Effect.all(
        Array.from({ length: 50 }, () => claim(8)),
        { concurrency: "unbounded" }
      )
      yield* expect.equal("claimed by fifty workers", claims.flatMap(bodies).toSorted(), names)
    })
  ),

  make(
    "W8",
    "a claim lapses unless it is extended",
    Effect.fnUntraced(function* (expect) {
      const { claim, driver, item, offer, queue, start: begin, succeed } = yield* fixture()
      yield* offer([item("a"), item("b")])
      const first = yield* claim(2, start, start + 100)
      yield* expect.equal("extended", yield* driver.extend(queue, first.slice(1), start + 300), [true])
      yield* expect.equal("before", bodies(yield* claim(9, start + 99)), [])
      const second = yield* claim(9, start + 100, start + 200)
      yield* expect.equal("what lapsed", bodies(second), ["a"])
      yield* expect.equal("start by the former holder", yield* begin(first), [false, true])
      yield* expect.equal("extension", yield* driver.extend(queue, first, start + 300), [false, true])
      yield* expect.equal("settlement", yield* succeed(first.slice(0, 1), start + 150), [false])
      yield* expect.equal("by the new holder", yield* succeed(second, start + 150), [true])
      yield* expect.equal("settled twice", yield* succeed(second, start + 150), [false])
      const idle = yield* driver.claim(queue, { max: 9, until: start + 999, now: start + 299 })
      yield* expect.equal("when the other lapses", idle.wakeAt, start + 300)
      yield* expect.equal("the other", bodies(yield* claim(9, start + 300)), ["b"])
      yield* expect.equal("unknown items", yield* begin([{ id: "unknown", token: 1 }]), [false])
    })
  ),

  make(
    "W9",
    "an attempt counts when it is started",
    Effect.fnUntraced(function* (expect) {
      const { claim, item, offer, settle, start: begin } = yield* fixture()
      yield* offer([item("a")])
      const first = yield* claim(1, start, start + 10)
      yield* expect.equal("claimed first", counts(first), [[0, 0]])
      const second = yield* claim(1, start + 10, start + 20)
      yield* expect.equal("lapsed, not started", counts(second), [[0, 0]])
      yield* settle(second, { _tag: "HandBack" }, start + 11)
      const third = yield* claim(1, start + 12, start + 20)
      yield* expect.equal("handed back, not started", counts(third), [[0, 0]])
      yield* expect.equal("started", [yield* begin(third), yield* begin(third)], [[true], [true]])
      const fourth = yield* claim(1, start + 20, start + 30)
      yield* expect.equal("lapsed after it was started twice", counts(fourth), [[1, 1]])
      yield* begin(fourth)
      yield* settle(fourth, { _tag: "HandBack" }, start + 21)
      yield* expect.equal("handed back after a start", counts(yield* claim(1, start + 22)), [[2, 1]])
    })
  ),

  make(
    "W10",
    "a retry waits, what is handed back does not",
    Effect.fnUntraced(function* (expect) {
      const { claim, driver, item, offer, queue, settle, start: begin, take } = yield* fixture()
      yield* offer([item("a"), item("b"), item("c")])
      const first = yield* claim(2)
      yield* begin(first)
      yield* settle(first.slice(0, 1), { _tag: "Retry", availableAt: start + 100 })
      yield* settle(first.slice(1), { _tag: "HandBack" })
      yield* expect.equal("handed back, at its place", yield* take(10), ["b", "c"])
      yield* expect.equal("before the instant", yield* take(10, start + 99), [])
      const idle = yield* driver.claim(queue, { max: 9, until: start + 5000, now: start + 99 })
      yield* expect.equal("when to look again", idle.wakeAt, start + 100)
      const retried = yield* claim(1, start + 100, start + 5000)
      yield* expect.equal("at the instant", [bodies(retried), counts(retried)], [["a"], [[1, 1]]])
      yield* offer([item("high", { priority: 5 })], start + 101)
      yield* settle(retried, { _tag: "Retry", availableAt: start + 102 }, start + 101)
      yield* expect.equal("a retry does not go before priority", yield* take(10, start + 102), ["high", "a"])
    })
  )
]
