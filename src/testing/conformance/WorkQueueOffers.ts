/** Checks of offers and of the order of items: W1 to W6 of `WorkQueueConformance`. */
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type { WorkQueueDriver } from "../../queues/WorkQueueDriver.ts"
import { type Case, make } from "./Conformance.ts"
import { bodies, fixture, start, tags } from "./WorkQueueFixtures.ts"

const odd: Schema.Json = {
  "": null,
  "with'quote\"$.[0]": [1, { deep: "日本語 😀 \u0000" }, []],
  empty: {},
  large: "x".repeat(200_000),
  number: -1.5e-7,
  truth: false
}

/** The checks, in order. */
export const cases: ReadonlyArray<Case<WorkQueueDriver>> = [
  make(
    "W1",
    "an item comes out as it went in, once",
    Effect.fnUntraced(function* (expect) {
      const { claim, item, offer, succeed } = yield* fixture()
      const oddItem = item("odd '\"$1", { body: odd, key: "key '\u0000😀", priority: 3 })
      yield* expect.equal("offered", yield* offer([oddItem]), [{ _tag: "Offered", id: oddItem.id }])
      const again = yield* offer([oddItem, item("b"), item("b")])
      yield* expect.equal("offered again", tags(again), ["Duplicate", "Offered", "Duplicate"])
      const [delivery, ...others] = yield* claim(10)
      yield* expect.equal(
        "handed out",
        { id: delivery?.id, body: delivery?.body, key: delivery?.key, at: delivery?.offeredAt, p: delivery?.priority },
        { id: oddItem.id, body: odd, key: "key '\u0000😀", at: start, p: 3 }
      )
      yield* expect.equal("the others", bodies(others), ["b"])
      yield* succeed(delivery === undefined ? [] : [delivery])
      yield* expect.equal("offered when done", tags(yield* offer([oddItem])), ["Duplicate"])
      yield* expect.equal("nothing more", bodies(yield* claim(10)), [])
      yield* expect.equal("no items", [yield* offer([]), yield* claim(0)], [[], []])
    })
  ),

  make(
    "W2",
    "a full queue takes nothing",
    Effect.fnUntraced(function* (expect) {
      const { claim, die, item, offer, settle, succeed } = yield* fixture({ capacity: 2 })
      const outcomes = yield* offer([item("a"), item("b"), item("a"), item("c")])
      yield* expect.equal("one too many", tags(outcomes), ["Offered", "Offered", "Duplicate", "Full"])
      const [a, b] = yield* claim(1).pipe(Effect.zipWith(claim(1), (one, other) => [...one, ...other]))
      yield* expect.equal("in flight counts", tags(yield* offer([item("c")])), ["Full"])
      yield* settle([a!], { _tag: "Retry", availableAt: start + 500 })
      yield* expect.equal("a retry counts", tags(yield* offer([item("c")])), ["Full"])
      yield* succeed([b!])
      yield* expect.equal("one is done", tags(yield* offer([item("c"), item("d")])), ["Offered", "Full"])
      yield* die(yield* claim(1))
      const crowded = yield* fixture({ capacity: 300 })
      const producer = (name: number) =>
        crowded.offer(Array.from({ length: 100 }, (_, index) => crowded.item(`${name}/${index}`)))
      const racing = yield* Effect.forEach(
        Array.from({ length: 20 }, (_, name) => name),
        producer,
        { concurrency: "unbounded" }
      )
      const won = racing.flatMap(tags).filter((tag) => tag === "Offered")
      yield* expect.equal("a race for three hundred places", won.length, 300)
    })
  ),

  make(
    "W3",
    "priority goes first, then order",
    Effect.fnUntraced(function* (expect) {
      const { item, offer, take } = yield* fixture()
      yield* offer([item("a"), item("b", { priority: -5 }), item("c", { priority: 10 }), item("d")])
      yield* offer([item("e", { priority: 10 }), item("f", { priority: 2 })])
      yield* expect.equal("first", yield* take(2), ["c", "e"])
      yield* offer([item("g", { priority: 3 })])
      yield* expect.equal("the rest", yield* take(10), ["g", "f", "a", "d", "b"])
    })
  ),

  make(
    "W4",
    "nothing is handed out before its instant",
    Effect.fnUntraced(function* (expect) {
      const { driver, item, offer, queue, take } = yield* fixture()
      yield* offer([
        item("late", { availableAt: start + 200 }),
        item("soon", { availableAt: start + 100 }),
        item("now")
      ])
      yield* expect.equal("at first", yield* take(10), ["now"])
      yield* expect.equal("a little before", yield* take(10, start + 99), [])
      const idle = yield* driver.claim(queue, { max: 1, until: start + 5000, now: start + 99 })
      yield* expect.equal("when to look again", idle.wakeAt, start + 100)
      yield* expect.equal("when due", yield* take(10, start + 100), ["soon"])
      yield* expect.equal("all", yield* take(10, start + 900), ["late"])
      yield* offer([
        item("y", { availableAt: start + 920 }),
        item("x", { availableAt: start + 910 }),
        item("high", { availableAt: start + 930, priority: 1 })
      ])
      yield* expect.equal("in the order of instants", yield* take(10, start + 940), ["high", "x", "y"])
    })
  ),

  make(
    "W5",
    "items of one key go one after the other",
    Effect.fnUntraced(function* (expect) {
      const { claim, die, item, offer, settle, succeed, take } = yield* fixture()
      const keyed = (key: string, ...names: ReadonlyArray<string>) => names.map((name) => item(name, { key }))
      yield* offer([...keyed("a", "a1", "a2", "a3"), ...keyed("b", "b1"), item("free")])
      yield* offer([item("a4", { key: "a", priority: 9 }), item("a0", { key: "a", availableAt: start + 50 })])
      const first = yield* claim(10)
      yield* expect.equal("one of each key", bodies(first), ["a1", "b1", "free"])
      const a1 = first.filter(({ body }) => body === "a1")
      yield* settle(a1, { _tag: "Retry", availableAt: start + 100 })
      yield* expect.equal("while a retry waits", yield* take(10, start + 99), [])
      const retried = yield* claim(10, start + 100)
      yield* expect.equal("the retry", bodies(retried), ["a1"])
      yield* settle(retried, { _tag: "HandBack" }, start + 101)
      const back = yield* claim(10, start + 101)
      yield* expect.equal("handed back", bodies(back), ["a1"])
      yield* die(back, start + 102)
      const order: Array<unknown> = []
      for (let now = start + 103; now < start + 107; now++) {
        const next = yield* claim(10, now)
        order.push(bodies(next))
        yield* succeed(next, now)
      }
      yield* expect.equal("the others, in order", order, [["a2"], ["a3"], ["a4"], ["a0"]])
      const two = yield* fixture({ keyConcurrency: 2 })
      yield* two.offer(["1", "2", "3", "4"].map((body) => two.item(body, { key: "k" })))
      const pair = yield* two.claim(10)
      yield* expect.equal("two at a time", bodies(pair), ["1", "2"])
      yield* two.succeed(pair.slice(1))
      yield* expect.equal("as one ends", yield* two.take(10), ["3"])
    })
  ),

  make(
    "W6",
    "an idempotency key names one item",
    Effect.fnUntraced(function* (expect) {
      const { claim, idOf, item, offer, succeed } = yield* fixture()
      const idempotency = { key: "order '7'", until: start + 100 }
      const outcomes = yield* offer([item("a", { idempotency }), item("b", { idempotency })])
      yield* expect.equal("in one call", outcomes, [
        { _tag: "Offered", id: idOf("a") },
        { _tag: "Duplicate", id: idOf("a") }
      ])
      yield* succeed(yield* claim(10))
      const again = yield* offer([item("c", { idempotency })], start + 99)
      yield* expect.equal("when it is done", again, [{ _tag: "Duplicate", id: idOf("a") }])
      const later = { key: idempotency.key, until: start + 500 }
      const anew = yield* offer([item("d", { idempotency: later }), item("e", { idempotency: later })], start + 100)
      yield* expect.equal("when the window has ended", anew, [
        { _tag: "Offered", id: idOf("d") },
        { _tag: "Duplicate", id: idOf("d") }
      ])
    })
  )
]
