import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import * as Memory from "../../src/backends/Memory.ts"
import * as Archive from "../../src/event-store/Archive.ts"
import type { StreamId } from "../../src/event-store/Envelope.ts"
import { EventStore } from "../../src/event-store/EventStore.ts"
import * as Erasure from "../../src/event-store/Erasure.ts"
import { Persistence } from "../../src/persistence/Persistence.ts"
import { backends } from "../backends.ts"
import { dyingStores, within } from "./dyingStores.ts"

const streams = ["customer/7", "order/70"].map((name) => name as StreamId)

const subject: Erasure.Subject = {
  reference: "ticket-1",
  streams,
  documents: [
    { collection: "customers", where: { id: 7 } },
    { collection: "orders", where: { customer: 7 }, redact: (body) => ({ ...body, name: "(erased)" }) }
  ],
  mentions: ({ data }) => JSON.stringify(data).includes("Ada")
}

const append = (stream: string, name: string) =>
  EventStore.use((store) => store.append(stream as StreamId, [{ type: "Done", data: { name } }], "Any"))

const seed = Effect.gen(function* () {
  const persistence = yield* Persistence
  yield* append("customer/7", "Ada")
  yield* append("order/70", "Ada")
  yield* append("order/80", "Bob")
  yield* append("mail/1", "to Ada")
  yield* persistence.putAll([
    { collection: "customers", id: "c7", body: { id: 7, name: "Ada" } },
    { collection: "customers", id: "c8", body: { id: 8, name: "Bob" } },
    { collection: "orders", id: "o70", body: { customer: 7, name: "Ada", total: 3 } }
  ])
  const policy = { streamPrefix: "order/70", finishedBy: ["Done"], olderThan: 0, keep: "lastEvent" as const }
  yield* append("order/70", "Ada")
  yield* Archive.sweep(policy, Archive.documents)
  assert.strictEqual((yield* Stream.runCollect(Archive.read("order/70" as StreamId))).length, 2)
})

/** Everything that can still be read, as text. */
const everything = Effect.gen(function* () {
  const store = yield* EventStore
  const persistence = yield* Persistence
  const events = yield* Stream.runCollect(store.readAll())
  const documents = yield* Effect.forEach(["customers", "orders", "archive", "archive/streams"], (collection) =>
    persistence.query(collection)
  )
  return { events: events.filter(({ stream }) => !stream.startsWith("erasure/")), documents: documents.flat() }
})

const records = Effect.map(Stream.runCollect(Erasure.Erasures.read("all")), (found) => found.map(({ event }) => event))

const isErased = Effect.gen(function* () {
  const { documents, events } = yield* everything
  assert.deepStrictEqual(
    events.map(({ stream }) => stream as string),
    ["order/80", "mail/1"]
  )
  assert.deepStrictEqual(
    documents.map(({ body }) => body),
    [
      { id: 8, name: "Bob" },
      { customer: 7, name: "(erased)", total: 3 }
    ]
  )
})

for (const { layer, name } of backends) {
  describe(`Erasure: ${name}`, () => {
    it.effect("Z1, Z3: what is the person's is gone, what mentions the person is named, and it is recorded", () =>
      Effect.gen(function* () {
        yield* seed
        const erased = yield* Erasure.erase(subject)
        assert.deepStrictEqual(erased, { documents: 2, left: [{ stream: "mail/1" as StreamId, version: 1 }] })
        yield* isErased
        const store = yield* EventStore
        for (const stream of streams) {
          const error = yield* Effect.flip(store.readArray(stream))
          assert.strictEqual(error.reason._tag, "StreamDeleted")
        }
        assert.deepStrictEqual(yield* records, [
          Erasure.SubjectErased.make({ reference: "ticket-1", streams: 2, documents: 2, left: 1 })
        ])
        yield* Erasure.erase({ reference: "ticket-2", streams })
        assert.strictEqual((yield* records).length, 2)
      }).pipe(Effect.provide(layer))
    )
  })
}

describe("Erasure", () => {
  it.effect("Z2: stopped at any mutation, and made again, it ends the same, and is not recorded before", () =>
    Effect.gen(function* () {
      let crashed = 0
      for (const when of ["before", "after"] as const) {
        for (let stop = 1, stopped = true; stopped; stop++) {
          const state = Memory.makeState()
          yield* within(state)(seed)
          const exit = yield* Effect.exit(
            Effect.provide(Erasure.erase(subject), dyingStores(state, stop, when), { local: true })
          )
          stopped = Exit.isFailure(exit)
          if (stopped) crashed++
          yield* within(state)(
            Effect.gen(function* () {
              if ((yield* records).length > 0) yield* isErased
              yield* Erasure.erase(subject)
              yield* isErased
            })
          )
        }
      }
      assert.isAtLeast(crashed, 12)
    })
  )

  it.effect("a document that is changed while it is redacted keeps the change", () =>
    Effect.gen(function* () {
      yield* seed
      const persistence = yield* Persistence
      let changed = false
      const changing = Persistence.of({
        ...persistence,
        putAll: (puts) =>
          Effect.suspend(() => {
            if (changed || puts[0]!.collection !== "orders") return persistence.putAll(puts)
            changed = true
            const body = { customer: 7, name: "Ada", total: 4 }
            return Effect.andThen(
              persistence.putAll([{ collection: "orders", id: "o70", body }]),
              persistence.putAll(puts)
            )
          })
      })
      yield* Effect.provideService(Erasure.erase(subject), Persistence, changing)
      const document = yield* persistence.get("orders", "o70")
      assert.deepStrictEqual(document?.body, { customer: 7, name: "(erased)", total: 4 })
    }).pipe(within(Memory.makeState()))
  )
})
