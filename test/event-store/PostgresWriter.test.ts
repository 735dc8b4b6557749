import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { PostgresWriter } from "../../src/event-store/PostgresWriter.ts"

/** A writer that listens, at a time when nobody has answered. */
const unheard = Effect.gen(function* () {
  const writer = new PostgresWriter(1, 15_000)
  const seen: Array<string> = []
  yield* writer.listening({ wake: () => seen.push("wake"), speak: (message) => seen.push(message) })
  writer.audience.begins(0)
  yield* TestClock.setTime(10_000)
  return { writer, seen }
})

const somebodyAsks = (writer: PostgresWriter) => Effect.sync(() => writer.audience.hear("?2", 10_000))

describe("an append in silence", () => {
  it.effect("says nothing afterwards, if nobody has begun to listen", () =>
    Effect.gen(function* () {
      const { seen, writer } = yield* unheard
      assert.strictEqual(writer.signature(10_000), "")
      yield* writer.watching(Effect.void)
      assert.deepStrictEqual(seen, [])
    })
  )

  it.effect("is made good, if somebody has begun to listen meanwhile", () =>
    Effect.gen(function* () {
      const { seen, writer } = yield* unheard
      yield* writer.watching(somebodyAsks(writer))
      assert.deepStrictEqual(seen, ["answers"])
    })
  )
})

it.effect("a signed append needs no word", () =>
  Effect.gen(function* () {
    const { seen, writer } = yield* unheard
    yield* somebodyAsks(writer)
    assert.strictEqual(writer.signature(10_000), "1/0")
    yield* writer.watching(somebodyAsks(writer))
    assert.deepStrictEqual(seen, [])
  })
)

it.effect("what may have been appended unheard wakes one's own listeners, and counts as foreign", () =>
  Effect.gen(function* () {
    const { seen, writer } = yield* unheard
    assert.isTrue(writer.isOwn("1/0"))
    yield* Effect.exit(writer.watching(Effect.onError(Effect.fail("lost"), () => writer.rename)))
    assert.deepStrictEqual(seen, ["wake"])
    assert.isFalse(writer.isOwn("1/0"))
    assert.isTrue(writer.isOwn("1/1"))
  })
)

it.effect("who listens no more is told nothing", () =>
  Effect.gen(function* () {
    const { seen, writer } = yield* Effect.scoped(unheard)
    yield* writer.watching(Effect.andThen(writer.rename, somebodyAsks(writer)))
    assert.deepStrictEqual(seen, [])
  })
)
