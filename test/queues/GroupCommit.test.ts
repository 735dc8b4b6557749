import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as GroupCommit from "../../src/queues/GroupCommit.ts"
import { WorkQueueError } from "../../src/queues/WorkQueueError.ts"

/** A round trip that ends when the test says so. */
const makeTarget = Effect.gen(function* () {
  const sent: Array<ReadonlyArray<number>> = []
  let gate = yield* Deferred.make<void, WorkQueueError>()
  const send = (requests: ReadonlyArray<number>) =>
    Effect.suspend(() => {
      sent.push(requests)
      return Effect.as(
        Deferred.await(gate),
        requests.map((request) => request * 10)
      )
    })
  const release = Effect.suspend(() => Deferred.succeed(gate, undefined))
  const close = Effect.sync(() => void (gate = Deferred.makeUnsafe()))
  return { sent, send, release, close, fail: (error: WorkQueueError) => Deferred.fail(gate, error) }
})

const settle = Effect.forEach(Array.from({ length: 20 }), () => Effect.yieldNow)

describe("GroupCommit", () => {
  it.effect("G1, G2: what waits is sent together, in order, and answered in its place", () =>
    Effect.gen(function* () {
      const { release, send, sent } = yield* makeTarget
      const call = yield* GroupCommit.make({ send, maxBatch: 3 })
      const first = yield* Effect.forkChild(call(1))
      yield* settle
      const others = yield* Effect.forEach([2, 3, 4, 5], (request) => Effect.forkChild(call(request)))
      yield* settle
      assert.deepStrictEqual(sent, [[1]])
      yield* release
      assert.deepStrictEqual(yield* Effect.forEach([first, ...others], Fiber.join), [10, 20, 30, 40, 50])
      assert.deepStrictEqual(sent, [[1], [2, 3, 4], [5]])
    })
  )

  it.effect("G2: the failure of a batch is the answer of each, and of no other", () =>
    Effect.gen(function* () {
      const { close, fail, release, send } = yield* makeTarget
      const call = yield* GroupCommit.make({ send, maxBatch: 2 })
      const fibers = yield* Effect.forEach([1, 2], (request) => Effect.forkChild(Effect.exit(call(request))))
      yield* settle
      yield* fail(new WorkQueueError({ operation: "answer", retryable: true, cause: "down" }))
      const exits = yield* Effect.forEach(fibers, Fiber.join)
      assert.deepStrictEqual(exits.map(Exit.isFailure), [true, true])
      yield* close
      yield* release
      assert.strictEqual(yield* call(3), 30)
    })
  )

  it.effect("G3: a request that waits is withdrawn with its caller, one that was sent is not", () =>
    Effect.gen(function* () {
      const { release, send, sent } = yield* makeTarget
      const call = yield* GroupCommit.make({ send, maxBatch: 9 })
      const [one, two, three] = yield* Effect.forEach([1, 2, 3], (request) =>
        Effect.tap(Effect.forkChild(call(request)), () => (request === 1 ? settle : Effect.void))
      )
      yield* settle
      yield* Effect.forEach([one!, two!], Fiber.interrupt)
      yield* release
      assert.strictEqual(yield* Fiber.join(three!), 30)
      assert.deepStrictEqual(sent, [[1], [3]])
    })
  )

  it.effect("G4: closing sends what waits, then refuses", () =>
    Effect.gen(function* () {
      const { release, send, sent } = yield* makeTarget
      const scope = yield* Scope.make()
      const call = yield* Effect.provideService(GroupCommit.make({ send, maxBatch: 1 }), Scope.Scope, scope)
      const fibers = yield* Effect.forEach([1, 2], (request) => Effect.forkChild(call(request)))
      yield* settle
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* settle
      yield* release
      yield* Fiber.join(closing)
      assert.deepStrictEqual(yield* Effect.forEach(fibers, Fiber.join), [10, 20])
      assert.deepStrictEqual(sent, [[1], [2]])
      const refused = yield* Effect.flip(call(3))
      assert.strictEqual(refused.message, "The work queue could not be used: it was closed.")
    })
  )
})
