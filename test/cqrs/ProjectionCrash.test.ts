/** Random histories, random crashes: asynchronous and inline documents are those of the pure fold. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Memory from "../../src/backends/Memory.ts"
import * as InlineProjection from "../../src/cqrs/InlineProjection.ts"
import type * as Projection from "../../src/cqrs/Projection.ts"
import * as ProjectionRunner from "../../src/cqrs/ProjectionRunner.ts"
import * as EventStore from "../../src/event-store/EventStore.ts"
import * as FaultStore from "../../src/testing/FaultStore.ts"
import { Discarded, ItemAdded, type OrderEvent, Orders, Paid, Placed } from "./orders.ts"
import { folded, OrderRows, Sales, served } from "./views.ts"

const small = (maximum: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum }))
const History = Schema.Array(Schema.Struct({ order: small(3), kind: small(4), name: small(2), price: small(3) })).check(
  Schema.isMaxLength(40)
)

const eventOf = ({ kind, name, price }: (typeof History.Type)[number]): OrderEvent =>
  [
    new Placed({ customer: `c${name}` }),
    new ItemAdded({ name: `i${name}`, price }),
    new ItemAdded({ name: `i${name}`, price: price + 1 }),
    new Paid({ total: price }),
    new Discarded({})
  ][kind]!

/** Stores that die for good at their n-th mutation: before it is made, or after, when nobody hears of it. */
const dying = (state: Memory.MemoryState, mutation: number, when: "before" | "after") =>
  Effect.gen(function* () {
    const died = yield* Deferred.make<void>()
    let count = 0
    const fault: FaultStore.Fault = () => (effect) =>
      Effect.suspend(() => {
        count++
        if (count < mutation) return effect
        const crash = Effect.andThen(Deferred.succeed(died, undefined), Effect.never)
        return count === mutation && when === "after" ? Effect.andThen(effect, crash) : crash
      })
    const layer = EventStore.layer.pipe(
      Layer.provideMerge(FaultStore.layer(fault)),
      Layer.provide(Memory.storesOf(state))
    )
    return { layer, died: Deferred.await(died) }
  })

/** Runs a projection in one process after the other, each crashing at the given mutation, until one catches up. */
const throughCrashes = Effect.fnUntraced(function* <View>(
  projection: Projection.Projection<View, OrderEvent>,
  options: {
    readonly state: Memory.MemoryState
    readonly crashes: ReadonlyArray<{ readonly mutation: number; readonly after: boolean }>
    readonly batchSize: number
  }
) {
  const { batchSize, crashes, state } = options
  let crashed = 0
  for (const { after, mutation } of [...crashes, { mutation: Infinity, after: false }]) {
    const { died, layer } = yield* dying(state, mutation, after ? "after" : "before")
    const scope = yield* Scope.make()
    const life = Effect.gen(function* () {
      const runner = yield* ProjectionRunner.run(projection, { batchSize })
      yield* runner.awaitPosition(yield* (yield* EventStore.EventStore).head, { timeout: "1 hour" })
      return yield* served(runner)
    })
    const end = yield* Effect.raceFirst(
      life.pipe(Effect.provideService(Scope.Scope, scope), Effect.provide(layer, { local: true })),
      Effect.as(died, undefined)
    )
    yield* Scope.close(scope, Exit.void)
    if (end !== undefined) return { views: end, crashed }
    crashed++
  }
  return { views: {}, crashed }
})

describe("projections through crashes", () => {
  let crashes = 0

  it.effect.prop(
    "V1, V2, V8: asynchronous after crashes = inline = pure fold",
    {
      history: History,
      batchSize: small(6),
      crashes: Schema.Array(Schema.Struct({ mutation: small(6), after: Schema.Boolean })).check(
        Schema.isMinLength(1),
        Schema.isMaxLength(4)
      )
    },
    ({ batchSize, history, ...plan }) =>
      Effect.gen(function* () {
        const state = Memory.makeState()
        const options = {
          state,
          batchSize: batchSize + 1,
          crashes: plan.crashes.map(({ after, mutation }) => ({ after, mutation: mutation + 1 }))
        }
        const versions = new Map<number, number>()
        yield* Effect.gen(function* () {
          const inline = { ...OrderRows, name: "inline" }
          yield* Effect.scoped(Effect.flatMap(ProjectionRunner.run(inline), (runner) => runner.awaitPosition(0)))
          const append = yield* InlineProjection.make(Orders, [inline])
          for (const step of history) {
            const expected = versions.get(step.order) ?? 0
            yield* append(`${step.order}`, [eventOf(step)], { expected, meta: {} })
            versions.set(step.order, expected + 1)
          }
          const put = yield* Effect.flatMap(Effect.scoped(ProjectionRunner.run(inline)), served)
          assert.deepStrictEqual(put, yield* folded(OrderRows))
        }).pipe(Effect.provide(Memory.storesOf(state), { local: true }))
        // The runner comes after, and changes nothing of what was put inline.
        const followed = yield* throughCrashes({ ...OrderRows, name: "inline" }, options)
        const rows = yield* throughCrashes(OrderRows, options)
        const sales = yield* throughCrashes(Sales, options)
        crashes += rows.crashed + sales.crashed
        yield* Effect.gen(function* () {
          assert.deepStrictEqual(followed.views, yield* folded(OrderRows))
          assert.deepStrictEqual(rows.views, yield* folded(OrderRows))
          assert.deepStrictEqual(sales.views, yield* folded(Sales))
        }).pipe(Effect.provide(Memory.storesOf(state), { local: true }))
      })
  )

  it("there were crashes", () => assert.isAbove(crashes, 20))
})
