import { assert, describe, it } from "@effect/vitest"
import { Array as Arr, Duration, Effect, Exit, Fiber, Random } from "effect"
import { TestClock } from "effect/testing"
import * as Poll from "../../src/patterns/swarm/Poll.ts"
import * as Seeds from "../../src/testing/Seeds.ts"

/** Members that answer after so many seconds, and who is at work. */
const makePoll = (seconds: ReadonlyArray<number>, options: Partial<Poll.Options<number, never, never>> = {}) => {
  const asked: Array<number> = []
  const open = new Set<number>()
  let most = 0
  const poll = Poll.poll<number, never, never>({
    members: seconds.map((_, member) => `m${member}`),
    concurrency: "unbounded",
    timeout: undefined,
    isEnough: () => false,
    ask: (member) =>
      Effect.suspend(() => {
        asked.push(member)
        open.add(member)
        most = Math.max(most, open.size)
        return Effect.as(Effect.sleep(`${seconds[member]!} seconds`), member)
      }).pipe(Effect.ensuring(Effect.sync(() => open.delete(member)))),
    ...options
  })
  return { asked, open, poll, most: () => most }
}

const heardOf = ({ answers }: Poll.Poll<number, never>) =>
  answers.flatMap((answer) => (answer !== undefined && Exit.isSuccess(answer) ? [answer.value] : []))

const drawSeconds = Effect.forEach(Arr.range(1, 20), () => Random.nextIntBetween(0, 9))

describe("Poll", () => {
  it.live("P1: each member is asked once, and no more of them at a time than the limit", () =>
    Seeds.forEach(30, (seed) =>
      Effect.gen(function* () {
        const concurrency = 1 + (seed % 7)
        const { asked, most, poll } = makePoll(yield* drawSeconds, { concurrency })
        const fiber = yield* Effect.forkChild(poll)
        yield* TestClock.adjust("1 hour")
        assert.deepStrictEqual(heardOf(yield* Fiber.join(fiber)), Arr.range(0, 19))
        assert.deepStrictEqual(
          asked.toSorted((a, b) => a - b),
          Arr.range(0, 19)
        )
        assert.isAtMost(most(), concurrency)
      })
    )
  )

  it.live("P2, P3: who is not heard is interrupted, and has ended; who is heard is in the order of the members", () =>
    Seeds.forEach(30, (seed) =>
      Effect.gen(function* () {
        const enough = 1 + (seed % 15)
        let heard = 0
        const { open, poll } = makePoll(yield* drawSeconds, { isEnough: () => ++heard === enough })
        const fiber = yield* Effect.forkChild(poll)
        yield* TestClock.adjust("1 hour")
        const members = heardOf(yield* Fiber.join(fiber))
        assert.strictEqual(members.length, enough)
        assert.deepStrictEqual(
          members,
          members.toSorted((a, b) => a - b)
        )
        assert.strictEqual(open.size, 0)
      })
    )
  )

  it.live("P2: when it is interrupted, all have ended", () =>
    Seeds.forEach(30, () =>
      Effect.gen(function* () {
        const { open, poll } = makePoll(yield* drawSeconds, { concurrency: 5, timeout: Duration.seconds(20) })
        const fiber = yield* Effect.forkChild(poll)
        yield* TestClock.adjust(`${yield* Random.nextIntBetween(0, 25)} seconds`)
        yield* Fiber.interrupt(fiber)
        assert.strictEqual(open.size, 0)
      })
    )
  )

  it.effect("who is late is not heard", () =>
    Effect.gen(function* () {
      const { open, poll } = makePoll([1, 9, 2, 9], { timeout: Duration.seconds(5) })
      const fiber = yield* Effect.forkChild(poll, { startImmediately: true })
      yield* TestClock.adjust("5 seconds")
      const polled = yield* Fiber.join(fiber)
      assert.deepStrictEqual([heardOf(polled), polled.timedOut, open.size], [[0, 2], true, 0])
    })
  )

  it("names differ", () => {
    const namesOf = (...names: ReadonlyArray<string>) => Poll.namesOf(names.map((name) => ({ name })))
    assert.deepStrictEqual(namesOf("a", "b", "a", "a"), ["a", "b", "a-2", "a-3"])
    assert.deepStrictEqual(namesOf("a", "a-2", "a", "a-2"), ["a", "a-2", "a-3", "a-2-2"])
  })
})
