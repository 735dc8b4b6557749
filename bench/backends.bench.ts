/**
 * What durability costs on each store: a run of ten trivial steps, each recorded before the next, beside the same work on
 * a log written by hand in the same store, and beside DBOS on the same PostgreSQL.
 */
import { Redis as IoRedis } from "ioredis"
import { Redacted } from "effect"
import * as Embedded from "tutti/embedded"
import * as Postgres from "tutti/postgres"
import * as Redis from "tutti/redis"
import { dbos } from "./dbos.ts"
import * as Floor from "./floor.ts"
import { compare, printMachine } from "./harness.ts"
import * as Peers from "./peers/peers.ts"
import * as Places from "./places.ts"
import { alone, crowded, latencies, onFloor, onLayer, type RunMany, steps, type System } from "./tenSteps.ts"

const onRedis = (place: Places.Place<string>) => onLayer(place, (url) => Redis.layer({ url, durability: "ignore" }))

const floorSqlite = onFloor(Places.file, Floor.sqlite)
const embedded = onLayer(Places.file, (filename) => Embedded.layer({ filename }))
const floorPostgres = onFloor(Places.database, Floor.postgres)
const postgres = onLayer(Places.database, (url) => Postgres.layer({ url: Redacted.make(url) }))
const floorAlways = onFloor(Places.redisAlways, Floor.redis)
const redisAlways = onRedis(Places.redisAlways)
const floorEverySecond = onFloor(Places.redisEverySecond, Floor.redis)
const redisEverySecond = onRedis(Places.redisEverySecond)

const atMost = (ratio: number) => ({ of: "ratio", atMost: ratio }) as const
const atLeast = (ratio: number) => ({ of: "ratio", atLeast: ratio }) as const

const settings = [
  "SQLite: WAL, synchronous=FULL; PostgreSQL: fsync=on, synchronous_commit=on; Redis: appendonly, appendfsync as named",
  `floors: one insert, one JSONB insert, one pipeline of XADD a commit; DBOS ${Peers.versionOf("@dbos-inc/dbos-sdk")}, 20 connections`
]

printMachine()

await compare(
  "One run at a time",
  { unit: "µs per step", rounds: 7, notes: ["50 runs of 10 steps, DBOS 20", ...settings] },
  [
    { name: "floor, SQLite", run: alone(floorSqlite, 50) },
    { name: "Embedded", run: alone(embedded, 50), reference: "floor, SQLite", aim: atMost(1.3) },
    { name: "floor, PostgreSQL", run: alone(floorPostgres, 50) },
    { name: "Postgres", run: alone(postgres, 50), reference: "floor, PostgreSQL", aim: atMost(1.3) },
    { name: "DBOS on PostgreSQL, beside Postgres", run: alone(dbos, 20), reference: "Postgres", aim: atLeast(3) },
    { name: "floor, Redis always", run: alone(floorAlways, 50) },
    { name: "Redis always", run: alone(redisAlways, 50), reference: "floor, Redis always", aim: atMost(1.3) },
    { name: "floor, Redis everysec", run: alone(floorEverySecond, 50) },
    { name: "Redis everysec", run: alone(redisEverySecond, 50), reference: "floor, Redis everysec", aim: atMost(1.3) }
  ]
)

await compare(
  "1,000 runs, 100 at once",
  { unit: "steps/s", rounds: 7, notes: ["1,000 runs of 10 steps, DBOS 300", ...settings] },
  [
    { name: "floor, SQLite", run: crowded(floorSqlite, 1000) },
    { name: "Embedded", run: crowded(embedded, 1000), reference: "floor, SQLite", aim: atLeast(0.7) },
    { name: "floor, PostgreSQL", run: crowded(floorPostgres, 1000) },
    { name: "Postgres", run: crowded(postgres, 1000), reference: "floor, PostgreSQL", aim: atLeast(0.7) },
    {
      name: "DBOS on PostgreSQL, beside Postgres",
      run: crowded(dbos, 300),
      reference: "Postgres",
      aim: atMost(1 / 15)
    },
    { name: "floor, Redis always", run: crowded(floorAlways, 1000) },
    { name: "Redis always", run: crowded(redisAlways, 1000), reference: "floor, Redis always", aim: atLeast(0.7) },
    { name: "floor, Redis everysec", run: crowded(floorEverySecond, 1000) },
    {
      name: "Redis everysec",
      run: crowded(redisEverySecond, 1000),
      reference: "floor, Redis everysec",
      aim: atLeast(0.7)
    }
  ]
)

await compare(
  "Latency of a step at 100 runs at once",
  {
    unit: "ms",
    rounds: 5,
    notes: ["from asking for a step to its answer, of 1,000 runs of 10 steps, DBOS 300", ...settings]
  },
  [
    ...latencies("floor, SQLite", floorSqlite, { runs: 1000 }),
    ...latencies("Embedded", embedded, { runs: 1000, reference: "floor, SQLite" }),
    ...latencies("floor, PostgreSQL", floorPostgres, { runs: 1000 }),
    ...latencies("Postgres", postgres, { runs: 1000, reference: "floor, PostgreSQL" }),
    ...latencies("DBOS on PostgreSQL, beside Postgres", dbos, { runs: 300, reference: "Postgres" }),
    ...latencies("floor, Redis always", floorAlways, { runs: 1000 }),
    ...latencies("Redis always", redisAlways, { runs: 1000, reference: "floor, Redis always" }),
    ...latencies("floor, Redis everysec", floorEverySecond, { runs: 1000 }),
    ...latencies("Redis everysec", redisEverySecond, { runs: 1000, reference: "floor, Redis everysec" })
  ]
)

/** Counts what a server has done so far. */
type Count = (url: string) => Promise<number>

/** Transaction ids that were given away: only a transaction that writes takes one. */
const transactions: Count = async (url) => {
  const [row] = await Places.query(url, "SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS next")
  return Number(row.next)
}

/** Scripts that were run. Every write of ours is one. */
const scripts: Count = async (url) => {
  const client = new IoRedis(url)
  const stats = await client.info("commandstats")
  await client.quit()
  return [...stats.matchAll(/cmdstat_eval(?:sha)?:calls=(\d+)/g)].reduce((sum, [, calls]) => sum + Number(calls), 0)
}

const perStep =
  (system: System<string>, count: Count, [runs, concurrency]: readonly [number, number]) =>
  () =>
    system(async (runMany: RunMany, url) => {
      const before = await count(url)
      await runMany(runs, concurrency)
      return ((await count(url)) - before) / (runs * steps)
    })

// 1.2 counts the run's own two events, its start and its end. A renewal of the lease may come on top.
const aims = { alone: { of: "value", atMost: 1.21 }, crowded: { of: "value", atMost: 0.15 } } as const

await compare(
  "Write transactions",
  {
    unit: "per step",
    rounds: 1,
    warmUp: 0,
    notes: [
      "counted by the server: transaction ids of PostgreSQL, scripts of Redis",
      "a run of 10 steps has 12 events, so 1.2 is one transaction an event"
    ]
  },
  [
    { name: "Postgres, one run at a time", run: perStep(postgres, transactions, [200, 1]), aim: aims.alone },
    { name: "Postgres, 10 at once", run: perStep(postgres, transactions, [200, 10]), aim: aims.crowded },
    { name: "Postgres, 100 at once", run: perStep(postgres, transactions, [1000, 100]), aim: aims.crowded },
    { name: "DBOS, 10 at once", run: perStep(dbos, transactions, [100, 10]) },
    { name: "Redis, one run at a time", run: perStep(redisAlways, scripts, [200, 1]), aim: aims.alone },
    { name: "Redis, 10 at once", run: perStep(redisAlways, scripts, [200, 10]), aim: aims.crowded },
    { name: "Redis, 100 at once", run: perStep(redisAlways, scripts, [1000, 100]), aim: aims.crowded }
  ]
)
