/** When a program has come to rest, whatever its fibers do until then. */
import { assert, it } from "@effect/vitest"
import { Deferred, Effect } from "effect"
import * as Run from "../../src/core/Run.ts"
import { Rest } from "../../src/durable/Rest.ts"
import { Seeds } from "../../src/testing/index.ts"

const begun = (program: (rest: Rest) => Effect.Effect<unknown>) => {
  const rest = new Rest()
  return Effect.as(Effect.forkChild(rest.of(program(rest), {} as Run.Current)), rest)
}

const atRest = (rest: Rest) =>
  Effect.callback<void>((resume) => {
    rest.whenAtRest(() => resume(Effect.void))
  })

const yields = (times: number) => Effect.forEach(Array(times), () => Effect.yieldNow, { discard: true })

const counted = () => {
  const turns = { count: 0, take: (times: number) => Effect.repeat(turn, { times: times - 1 }) }
  const turn = Effect.andThen(
    Effect.yieldNow,
    Effect.sync(() => turns.count++)
  )
  return turns
}

const wherever = <E>(test: Effect.Effect<void, E>) =>
  Effect.andThen(
    test,
    Seeds.forEach(20, () => test)
  )

it.effect("a program rests when it waits, however many turns it has taken, and not before it has begun", () =>
  wherever(
    Effect.gen(function* () {
      const turns = counted()
      const rest = yield* begun(() => Effect.andThen(turns.take(100), Effect.never))
      yield* atRest(rest)
      assert.strictEqual(turns.count, 100)
    })
  )
)

it.effect("it rests when all its fibers do, and those they have forked", () =>
  wherever(
    Effect.gen(function* () {
      const ended: Array<string> = []
      const fiber = (name: string, times: number) =>
        Effect.andThen(
          yields(times),
          Effect.sync(() => void ended.push(name))
        )
      const rest = yield* begun(() =>
        Effect.gen(function* () {
          const inner = Effect.andThen(fiber("parent", 3), Effect.forkChild(fiber("child", 12)))
          yield* Effect.forkChild(Effect.andThen(inner, Effect.never))
          yield* Effect.forkDetach(fiber("detached", 9))
          return yield* Effect.never
        })
      )
      yield* atRest(rest)
      assert.deepStrictEqual(ended.toSorted(), ["child", "detached", "parent"])
    })
  )
)

it.effect("who waits for a rest goes on alone: the next one waits for the rest after that", () =>
  wherever(
    Effect.gen(function* () {
      const heard: Array<string> = []
      const [first, second] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const hears = (name: string, question: Deferred.Deferred<void>) =>
        Effect.andThen(
          Deferred.await(question),
          Effect.andThen(
            yields(10),
            Effect.sync(() => void heard.push(name))
          )
        )
      const rest = yield* begun(() =>
        Effect.all([hears("first", first), hears("second", second)], { concurrency: "unbounded" })
      )
      const answer = (name: string, question: Deferred.Deferred<void>) =>
        rest.whenAtRest(() => {
          heard.push(name)
          Deferred.doneUnsafe(question, Effect.void)
        })
      answer("answer 1", first)
      answer("answer 2", second)
      yield* atRest(rest)
      assert.deepStrictEqual(heard, ["answer 1", "first", "answer 2", "second"])
    })
  )
)

it.effect("it does not rest before what it has to wait for has ended", () =>
  wherever(
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      let isRest = false
      const rest = yield* begun((rest) => rest.after(Deferred.await(gate)))
      rest.whenAtRest(() => void (isRest = true))
      yield* yields(100)
      assert.isFalse(isRest)
      yield* Deferred.succeed(gate, undefined)
      yield* atRest(rest)
      assert.isTrue(isRest)
    })
  )
)

it.effect("the body of a step is waited for as long as it may release, and not while it works", () =>
  wherever(
    Effect.gen(function* () {
      const turns = counted()
      const rest = yield* begun(() => Run.detached(turns.take(1000)))
      yield* atRest(rest)
      assert.isTrue(turns.count >= 10 && turns.count < 500, `${turns.count} turns`)
    })
  )
)

it.effect("a program that waits by yielding for ever keeps nobody from going on", () =>
  Effect.gen(function* () {
    let isHeard = false
    const rest = yield* begun(() => Effect.repeat(Effect.yieldNow, { until: () => isHeard }))
    yield* atRest(rest)
    isHeard = true
  })
)
