/** Building read models from the log, beside reading and decoding alone; commands a second, beside bare appends. */
import { Effect, type Layer, ManagedRuntime, Redacted, Schema, Stream } from "effect"
import {
  CommandHandler,
  Decider,
  EventStore,
  EventStream,
  InlineProjection,
  type Persistence,
  Projection,
  ProjectionRunner
} from "tutti"
import * as Embedded from "tutti/embedded"
import * as Memory from "tutti/memory"
import * as Postgres from "tutti/postgres"
import * as Redis from "tutti/redis"
import { compare, perSecond, printMachine } from "./harness.ts"
import * as Places from "./places.ts"

const Added = Schema.TaggedStruct("Added", { item: Schema.String, amount: Schema.Int })
const Counters = EventStream.make("counter", { events: Added })
const View = Schema.Struct({ count: Schema.Int, sum: Schema.Int })

const perStream = Projection.perStream("counters", {
  stream: Counters,
  view: View,
  evolve: (view = { count: 0, sum: 0 }, event) => ({ count: view.count + 1, sum: view.sum + event.amount })
})
const perItem = Projection.make("items", {
  from: [Counters],
  key: ({ item }) => item,
  view: View,
  evolve: (view = { count: 0, sum: 0 }, event) => ({ count: view.count + 1, sum: view.sum + event.amount })
})

type Services = EventStore.EventStore | Persistence
type Run = <A>(effect: Effect.Effect<A, unknown, Services>) => Promise<A>

/** Where the stores lie. */
interface Home {
  readonly name: string
  readonly setting: string
  readonly within: <A>(use: (run: Run) => Promise<A>) => Promise<A>
}

const homeIn = <Where>(
  [name, setting]: readonly [string, string],
  place: Places.Place<Where>,
  stores: (where: Where) => Layer.Layer<Services, unknown>
): Home => ({
  name,
  setting,
  within: (use) =>
    place(async (where) => {
      const runtime = ManagedRuntime.make(stores(where))
      try {
        return await use((effect) => runtime.runPromise(effect))
      } finally {
        await runtime.dispose()
      }
    })
})

const redis = (url: string) => Redis.stores({ url, durability: "ignore" })
const homes: ReadonlyArray<Home> = [
  homeIn(["memory", "in this process"], Places.nowhere, () => Memory.storesOf(Memory.makeState())),
  homeIn(["embedded", "WAL, synchronous=FULL"], Places.file, (filename) => Embedded.stores({ filename })),
  homeIn(["postgres", "fsync=on, synchronous_commit=on"], Places.database, (url) =>
    Postgres.stores({ url: Redacted.make(url) })
  ),
  homeIn(["redis always", "appendonly, appendfsync=always"], Places.redisAlways, redis),
  homeIn(["redis everysec", "appendonly, appendfsync=everysec"], Places.redisEverySecond, redis)
]

const total = 20_000
const streams = 200
const fill = Effect.forEach(
  Array.from({ length: streams }, (_, stream) => stream),
  (stream) =>
    Counters.append(
      `${stream}`,
      Array.from({ length: total / streams }, (_, index) => Added.make({ item: `i${index % 50}`, amount: index })),
      { expected: 0 }
    ),
  { discard: true }
)

const count = Effect.flatMap(EventStore.EventStore, (store) => Stream.runCount(store.readAll()))

const decodeAll = Effect.flatMap(EventStore.EventStore, (store) =>
  Stream.runForEachArray(store.readAll({ types: Counters.codec.types, streamPrefix: "counter/" }), (page) =>
    Effect.sync(() => {
      for (const stored of page) if (Counters.codec.decode(stored)._tag === "Failure") throw new Error("not decoded")
    })
  )
)

const build = <A>(projection: Projection.Projection<A, typeof Added.Type>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const position = yield* Effect.flatMap(EventStore.EventStore, ({ head }) => head)
      const runner = yield* ProjectionRunner.run(projection)
      yield* runner.awaitPosition(position, { timeout: "5 minutes" })
    })
  )

const rebuilds = (home: Home, work: Effect.Effect<unknown, unknown, Services>) => () =>
  home.within(async (run) => {
    await run(fill)
    if ((await run(count)) !== total) throw new Error("events were lost")
    return perSecond(total, () => run(work))
  })

const Counter = Decider.make({
  stream: Counters,
  initialState: { sum: 0 },
  decide: (amount: number) => Effect.succeed([Added.make({ item: "i", amount })]),
  evolve: ({ sum }, { amount }) => ({ sum: sum + amount })
})

type Handle = (id: string, amount: number) => Effect.Effect<unknown, unknown>

/** Commands to so many streams at once, one after the other in each. */
const commands = (home: Home, each: number, make: Effect.Effect<Handle, unknown, Services>) => () =>
  home.within(async (run) => {
    const handle = await run(make)
    const write = (stream: number) =>
      Effect.forEach(Array(each).keys(), (amount) => handle(`${stream}`, amount), { discard: true })
    return perSecond(100 * each, () =>
      run(Effect.forEach(Array(100).keys(), write, { concurrency: "unbounded", discard: true }))
    )
  })

const appendsAlone: Effect.Effect<Handle, unknown, Services> = Effect.map(
  Effect.context<Services>(),
  (services) => (id, amount) =>
    Effect.provideContext(Counters.append(id, [Added.make({ item: "i", amount })], { expected: amount }), services)
)
const handledWith = (options: CommandHandler.Options<{ readonly sum: number }, typeof Added.Type, never>) =>
  Effect.map(
    CommandHandler.make(Counter, options),
    ({ handle }): Handle =>
      (id, amount) =>
        handle(id, amount)
  )
const handled = handledWith({})
const kept = handledWith({ kept: 1000 })
const snapshotted = handledWith({ snapshots: { state: Schema.Struct({ sum: Schema.Int }), every: 20 } })
const inline: Effect.Effect<Handle, unknown, Services> = Effect.gen(function* () {
  yield* Effect.scoped(Effect.flatMap(ProjectionRunner.run(perStream), (runner) => runner.awaitPosition(0)))
  const append = yield* InlineProjection.make(Counters, [perStream])
  const { handle } = yield* CommandHandler.make(Counter, { append })
  return (id, amount) => handle(id, amount)
})

printMachine()
for (const home of homes) {
  await compare(
    `Build a projection anew, ${home.name}`,
    { unit: "events/s", rounds: 7, notes: [`${total} events of ${streams} streams, 500 a commit`, home.setting] },
    [
      { name: "read and decode alone", run: rebuilds(home, decodeAll) },
      { name: "50 documents", run: rebuilds(home, build(perItem)), reference: "read and decode alone" },
      {
        name: `${streams} documents, one a stream`,
        run: rebuilds(home, build(perStream)),
        reference: "read and decode alone"
      }
    ]
  )
  const each = 20
  await compare(
    `Commands to 100 streams at once, ${home.name}`,
    { unit: "commands/s", rounds: 7, notes: [`streams of up to ${each} events`, home.setting] },
    [
      { name: "appends alone", run: commands(home, each, appendsAlone) },
      { name: "commands", run: commands(home, each, handled), reference: "appends alone" },
      { name: "commands, states kept", run: commands(home, each, kept), reference: "appends alone" },
      { name: "commands, a snapshot every 20", run: commands(home, each, snapshotted), reference: "appends alone" },
      { name: "commands, one projection inline", run: commands(home, each, inline), reference: "appends alone" }
    ]
  )
}
