import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Memory from "../../src/backends/Memory.ts"
import * as Projection from "../../src/cqrs/Projection.ts"
import * as ProjectionRunner from "../../src/cqrs/ProjectionRunner.ts"
import type { StreamId } from "../../src/event-store/Envelope.ts"
import { EventStore } from "../../src/event-store/EventStore.ts"
import * as EventStream from "../../src/event-store/EventStream.ts"
import { Lost, Parcels, shapes, Shipped } from "./parcels.ts"
import type { Persistence } from "../../src/persistence/Persistence.ts"

const provided = <A, E>(effect: Effect.Effect<A, E, EventStore | Persistence | Scope.Scope>) =>
  Effect.scoped(Effect.provide(effect, Memory.storesOf(Memory.makeState())))

describe("upcasting", () => {
  it.effect.prop(
    "whatever shapes and names were written, today's events are read",
    {
      written: Schema.Array(
        Schema.Struct({
          shape: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 3 })),
          kilos: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 9 }))
        })
      ).check(Schema.isMinLength(1), Schema.isMaxLength(20))
    },
    ({ written }) =>
      provided(
        Effect.gen(function* () {
          const store = yield* EventStore
          const events = written.map(({ kilos, shape }) => shapes[shape]!(kilos * 1000))
          yield* store.append("parcel/1" as StreamId, events, 0)
          const expected = written.map(({ kilos }) =>
            Shipped.make({ grams: kilos * 1000, carrier: kilos > 5 ? "freight" : "post" })
          )
          const read = yield* Stream.runCollect(Parcels.read("1"))
          assert.deepStrictEqual(
            read.map(({ event }) => event),
            expected
          )
          const heard = yield* Stream.runCollect(Stream.take(Parcels.subscribe(), events.length))
          assert.deepStrictEqual(
            heard.map(({ event }) => event),
            expected
          )
        })
      )
  )

  it.effect("a projection sees events under their former names", () =>
    provided(
      Effect.gen(function* () {
        const store = yield* EventStore
        const { position } = yield* store.append(
          "parcel/1" as StreamId,
          shapes.map((shape) => shape(2000)),
          0
        )
        const weights = yield* ProjectionRunner.run(
          Projection.make("weights", {
            from: [Parcels],
            key: (event) => (event._tag === "ParcelShipped" ? event.carrier : []),
            view: Schema.Struct({ grams: Schema.Int }),
            evolve: (view, event) => ({
              grams: (view?.grams ?? 0) + (event._tag === "ParcelShipped" ? event.grams : 0)
            })
          })
        )
        yield* weights.awaitPosition(position)
        assert.deepStrictEqual(yield* weights.get("post"), { grams: 8000 })
      })
    )
  )

  it("names that lead nowhere are mistakes in the program", () => {
    const events = Schema.Union([Shipped, Lost])
    // @ts-expect-error no event of the schema
    assert.throws(() => EventStream.make("parcel", { events, formerNames: { Old: "Other" } }), /"Other" today/)
    assert.throws(
      () => EventStream.make("parcel", { events, formerNames: { ParcelLost: "ParcelShipped" } }),
      /cannot be a former name/
    )
  })
})
