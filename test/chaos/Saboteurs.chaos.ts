/** Stores that break their promise under a fault: the suite must notice, or its silence means nothing. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Embedded from "../../src/backends/Embedded.ts"
import * as NodeSqlite from "../../src/backends/NodeSqlite.ts"
import * as JournalEngine from "../../src/durable/JournalEngine.ts"
import * as EventStore from "../../src/event-store/EventStore.ts"
import { type Appended, type AppendRequest, EventStoreDriver } from "../../src/event-store/EventStoreDriver.ts"
import * as SqliteEventStore from "../../src/event-store/SqliteEventStore.ts"
import { Persistence } from "../../src/persistence/Persistence.ts"
import * as SqlitePersistence from "../../src/persistence/SqlitePersistence.ts"
import { temporaryFile } from "../backends.ts"
import * as Storm from "./Storm.ts"

type Driver = EventStoreDriver["Service"]
type Store = EventStore.EventStore["Service"]

/** Whether the fault is on. */
interface Weather {
  bad: boolean
}

interface Saboteur {
  readonly name: string
  readonly breaks: RegExp
  readonly driver?: (driver: Driver, weather: Weather) => Driver
  readonly store?: (store: Store, weather: Weather) => Store
}

const lie = { version: 1, position: 1, duplicate: false } as Appended
const isShared = ({ stream }: AppendRequest) => stream === "chaos/shared"

const saboteurs: ReadonlyArray<Saboteur> = [
  {
    name: "acknowledges what it never writes",
    breaks: /X1/,
    driver: (driver, weather) => ({
      ...driver,
      append: (requests) =>
        Effect.suspend(() => {
          const kept = requests.filter((request) => !(weather.bad && isShared(request)))
          const answers = kept.length === 0 ? Effect.succeed([]) : driver.append(kept)
          return Effect.map(answers, (answers) => {
            const honest = [...answers]
            return requests.map((request) => (kept.includes(request) ? honest.shift()! : lie))
          })
        })
    })
  },
  {
    name: "writes an append twice",
    breaks: /X4/,
    driver: (driver, weather) => ({
      ...driver,
      append: (requests) =>
        Effect.flatMap(driver.append(requests), (answers) => {
          const again = requests.filter((request) => weather.bad && isShared(request))
          const renamed = again.map((request) => ({
            ...request,
            events: request.events.map((event) => ({ ...event, id: `f${event.id.slice(1)}` }) as typeof event)
          }))
          return renamed.length === 0 ? Effect.succeed(answers) : Effect.as(driver.append(renamed), answers)
        })
    })
  },
  {
    name: "forgets to tell its subscribers",
    breaks: /X5/,
    store: (store, weather) => ({
      ...store,
      subscribe: (options) =>
        Stream.filter(store.subscribe(options), ({ stream }) => !(weather.bad && stream === "chaos/shared"))
    })
  }
]

const same = <A>(it: A): A => it

describe("saboteurs", () => {
  for (const { breaks, driver = same, name, store = same } of saboteurs) {
    it.live(`a store that ${name} is noticed`, () =>
      Effect.gen(function* () {
        const filename = yield* temporaryFile
        const weather: Weather = { bad: false }
        const drivers = Layer.effect(
          EventStoreDriver,
          Effect.map(EventStoreDriver, (it) => driver(it, weather))
        ).pipe(Layer.provide(SqliteEventStore.layerDriver()))
        const stores = Layer.effect(
          EventStore.EventStore,
          Effect.map(EventStore.EventStore, (it) => store(it, weather))
        ).pipe(Layer.provide(EventStore.layer), Layer.provide(drivers))
        const deployment = JournalEngine.layer({ lease: "3 seconds" }).pipe(
          Layer.provideMerge(Layer.mergeAll(stores, Layer.effect(Persistence, SqlitePersistence.make))),
          Layer.provide(NodeSqlite.layer({ filename }))
        )
        const set = (bad: boolean) => Effect.sync(() => void (weather.bad = bad))
        const storm = Storm.run({
          deployment,
          log: Embedded.stores({ filename }),
          faults: () => [{ name: "the weather is bad", strike: set(true), heal: set(false), stopsWrites: false }]
        })
        const found = yield* Effect.flip(Effect.sandbox(storm))
        assert.match(String(found), breaks)
      })
    )
  }
})
