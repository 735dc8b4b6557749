/** Checks of what is remembered, counted and told: W11 to W16 of `WorkQueueConformance`. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { type Change, WorkQueueDriver } from "../../queues/WorkQueueDriver.ts"
import { type Case, make } from "./Conformance.ts"
import { bodies, counts, death, fixture, late, ReopenQueues, start, tags } from "./WorkQueueFixtures.ts"

/** The checks, in order. */
export const cases: ReadonlyArray<Case<WorkQueueDriver>> = [
  make(
    "W11",
    "an outcome is kept for its retention",
    Effect.fnUntraced(function* (expect) {
      const { claim, item, look, offer, settle } = yield* fixture({ retention: 500 })
      const value = { text: "\u0000 'é😀", list: [1, null] }
      const success = { _tag: "Succeeded", value } as const
      const failure = { _tag: "Failed", error: { _tag: "Rejected", value } } as const
      yield* offer([item("a"), item("b"), item("c")])
      const claims = yield* claim(3)
      yield* expect.equal("at work", yield* look(["a", "b", "x"]), ["Unfinished", "Unfinished", "Unknown"])
      yield* settle(claims.slice(0, 1), success)
      yield* settle(claims.slice(1, 2), failure)
      yield* expect.equal("settled", yield* look(["a", "b", "c"], start + 499), [success, failure, "Unfinished"])
      yield* expect.equal("forgotten", yield* look(["a", "b"], start + 500), ["Unknown", "Unknown"])
      yield* settle(claims.slice(2), success, start + 501)
      yield* expect.equal("not the next", yield* look(["a", "c"], start + 502), ["Unknown", success])
    })
  ),

  make(
    "W12",
    "a dead item is listed until it is redriven or discarded",
    Effect.fnUntraced(function* (expect) {
      const {
        claim,
        dead,
        die,
        driver,
        idOf,
        item,
        look,
        offer,
        queue,
        start: begin,
        take
      } = yield* fixture({
        capacity: 2,
        retention: 500
      })
      yield* offer([item("a", { key: "k" }), item("b")])
      const first = yield* claim(2)
      yield* begin(first)
      yield* die(first.slice(0, 1), start + 1)
      yield* die(first.slice(1), start + 2)
      const listed = yield* driver.deadItems(queue, { offset: 0, limit: 10 })
      const common = { attempts: 1, offeredAt: start, death }
      yield* expect.equal("listed", listed, [
        { id: idOf("a"), body: "a", key: "k", diedAt: start + 1, ...common },
        { id: idOf("b"), body: "b", key: undefined, diedAt: start + 2, ...common }
      ])
      const page = yield* driver.deadItems(queue, { offset: 1, limit: 1 })
      yield* expect.equal("a page", bodiesOf(page), ["b"])
      yield* expect.equal("the outcome, for ever", yield* look(["a"], late), [death])
      yield* expect.equal("not handed out", yield* take(10), [])
      yield* offer([item("c", { key: "k" })])
      const redriven = yield* driver.redrive(queue, [idOf("a"), idOf("x"), idOf("b")], start + 3)
      yield* expect.equal("redriven while there is room", redriven, [idOf("a")])
      yield* expect.equal("still listed", yield* dead, ["b"])
      yield* expect.equal("unfinished again", yield* look(["a"]), ["Unfinished"])
      const next = yield* claim(10, start + 4)
      yield* expect.equal("not before its elders", bodies(next), ["c"])
      yield* driver.settle(queue, [{ ...next[0]!, settlement: { _tag: "Succeeded", value: 1 } }], start + 5)
      const again = yield* claim(10, start + 6)
      yield* expect.equal("without failures", [bodies(again), counts(again)], [["a"], [[1, 0]]])
      const discarded = yield* driver.discard(queue, [idOf("b"), idOf("a")], start + 7)
      yield* expect.equal("discarded", [discarded, yield* dead], [[idOf("b")], []])
      yield* expect.equal("its outcome", yield* look(["b"], start + 506), [death])
    })
  ),

  make(
    "W13",
    "no more is handed out than the rate allows",
    Effect.fnUntraced(function* (expect) {
      const { driver, item, offer, queue, take } = yield* fixture({ rate: { limit: 3, window: 300 } })
      yield* take(3)
      yield* offer([..."abcdefghijk"].map((body) => item(body)))
      const racing = yield* Effect.all([take(2), take(2), take(2)], { concurrency: "unbounded" })
      yield* expect.equal("at once", racing.flat().toSorted(), ["a", "b", "c"])
      yield* expect.equal("by a clock that is behind", yield* take(9, start - 5), [])
      const idle = yield* driver.claim(queue, { max: 9, until: late, now: start + 99 })
      yield* expect.equal("a little before", [bodies(idle.deliveries), idle.wakeAt], [[], start + 100])
      yield* expect.equal("when one is allowed", yield* take(9, start + 100), ["d"])
      yield* expect.equal("when two more are", yield* take(9, start + 300), ["e", "f"])
      yield* expect.equal("after a pause", yield* take(9, start + 900), ["g", "h", "i"])
    })
  ),

  make(
    "W14",
    "the numbers are exact",
    Effect.fnUntraced(function* (expect) {
      const { claim, die, driver, item, offer, queue, settle, succeed } = yield* fixture()
      const stats = (now = start) => driver.stats(queue, now)
      yield* expect.equal("nothing", yield* stats(), { queued: 0, delayed: 0, inFlight: 0, dead: 0 })
      yield* offer([item("a"), item("b", { key: "k" }), item("c", { key: "k" }), item("d"), item("e")])
      yield* offer([item("later", { availableAt: start + 100 })])
      yield* expect.equal("offered", yield* stats(), { queued: 5, delayed: 1, inFlight: 0, dead: 0 })
      yield* expect.equal("due", yield* stats(start + 100), { queued: 6, delayed: 0, inFlight: 0, dead: 0 })
      const [a, b, d, e] = yield* claim(4)
      yield* expect.equal("claimed", yield* stats(), { queued: 1, delayed: 1, inFlight: 4, dead: 0 })
      yield* succeed([a!])
      yield* die([b!])
      yield* settle([d!], { _tag: "Retry", availableAt: start + 50 })
      yield* settle([e!], { _tag: "HandBack" })
      yield* expect.equal("settled", yield* stats(), { queued: 2, delayed: 2, inFlight: 0, dead: 1 })
      yield* claim(9, start + 100)
      yield* expect.equal("claimed again", yield* stats(start + 100), { queued: 0, delayed: 0, inFlight: 4, dead: 1 })
    })
  ),

  make(
    "W15",
    "what was acknowledged is there after a restart",
    Effect.fnUntraced(function* (expect) {
      const { claim, die, item, offer, queue, start: begin, succeed } = yield* fixture()
      const idempotency = { key: "once", until: late }
      yield* offer([item("a"), item("b"), item("c"), item("d", { idempotency }), item("e", { key: "k" })])
      yield* offer([item("f", { key: "k" }), item("g", { availableAt: start + 100 })])
      const [a, b, c] = yield* claim(3)
      yield* begin([a!, b!, c!])
      yield* succeed([a!])
      yield* die([b!])
      const reopened = yield* ReopenQueues
      const check = Effect.gen(function* () {
        const { claim, dead, driver, item, look, offer, take } = yield* fixture({}, queue.name)
        yield* expect.equal("outcomes", yield* look(["a", "b"]), [{ _tag: "Succeeded", value: null }, death])
        yield* expect.equal("dead", yield* dead, ["b"])
        yield* expect.equal("duplicates", tags(yield* offer([item("c"), item("z", { idempotency })])), [
          "Duplicate",
          "Duplicate"
        ])
        yield* expect.equal("what waits", yield* take(10), ["d", "e"])
        yield* expect.equal("numbers", yield* driver.stats(queue, start), {
          queued: 1,
          delayed: 1,
          inFlight: 3,
          dead: 1
        })
        const lapsed = yield* claim(1, start + 1000)
        yield* expect.equal("the lost worker's", [bodies(lapsed), counts(lapsed)], [["c"], [[1, 1]]])
      })
      yield* reopened === undefined ? check : Effect.provide(check, reopened, { local: true })
      yield* expect.equal("its outcome is refused", yield* succeed([c!], start + 1000), [false])
    })
  ),

  make(
    "W16",
    "queues are apart, and tell of changes",
    Effect.fnUntraced(function* (expect) {
      const one = yield* fixture()
      const other = yield* fixture({}, `${one.queue.name}:1`)
      const heard: Array<Change> = []
      const hears = (what: string, f: (change: Change) => boolean) =>
        Effect.suspend(() => expect.equal(what, heard.some(f), true)).pipe(
          Effect.retry(Schedule.spaced("20 millis").pipe(Schedule.upTo({ times: 250 })))
        )
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* (yield* WorkQueueDriver).onChange(one.queue, (change) => void heard.push(change))
          yield* one.offer([one.item("a", { key: "k" })])
          yield* other.offer([other.item("a", { key: "k" }), other.item("b")])
          yield* expect.equal("claimed", yield* one.take(9), ["a"])
          const claims = yield* other.claim(9)
          yield* expect.equal("claimed from the other", bodies(claims), ["a", "b"])
          yield* expect.equal("by a name that is another's", yield* one.succeed(claims), [false, false])
          yield* hears("an offer", ({ ready }) => ready)
          const again = yield* one.claim(9, start + 5000)
          yield* one.succeed(again, start + 5000)
          yield* hears("a settlement", ({ settled }) => settled === "unknown" || settled.includes(again[0]!.id))
        })
      )
    })
  )
]

const bodiesOf = (items: ReadonlyArray<{ readonly body: unknown }>) => items.map(({ body }) => body)
