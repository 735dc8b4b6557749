/** Empty places for one measurement each. Servers are started at the first need, and stop when the benchmark ends. */
import { Effect, Scope } from "effect"
import { Redis } from "ioredis"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import * as Servers from "../test/servers/Servers.ts"
import * as Peers from "./peers/peers.ts"

/** Lends something to one measurement, and removes what it left there. */
export type Place<Where> = <A>(use: (where: Where) => Promise<A>) => Promise<A>

/** A path for a database file. */
export const file: Place<string> = async (use) => {
  const folder = mkdtempSync(join(tmpdir(), "tutti-bench-"))
  try {
    return await use(join(folder, "tutti.db"))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Nowhere: for what lies in memory. */
export const nowhere: Place<undefined> = (use) => use(undefined)

const starts = Scope.makeUnsafe()

/** The same server for the whole benchmark. */
const shared = (start: Effect.Effect<{ readonly url: string }, unknown, Scope.Scope>) => {
  let url: Promise<string> | undefined
  return () => (url ??= Effect.runPromise(Effect.map(Scope.provide(start, starts), (server) => server.url)))
}

const postgresServer = shared(Servers.postgres({ fsync: true }))

/** The URL of a database, on a server whose commits wait for the disk. */
export const database: Place<string> = async (use) => {
  const server = await postgresServer()
  const name = `bench_${++databases}`
  await query(server, `CREATE DATABASE ${name}`)
  try {
    return await use(server.replace(/[^/]+$/, name))
  } finally {
    await query(server, `DROP DATABASE ${name} WITH (FORCE)`)
  }
}

let databases = 0

/** The rows that one statement answers with, over a connection of its own. */
export const query = async (url: string, statement: string): Promise<ReadonlyArray<any>> => {
  const client = await Peers.connect(url)
  const { rows } = await client.query(statement)
  await client.end()
  return rows
}

const redisServer = (appendfsync: "always" | "everysec"): Place<string> => {
  // A rewrite of the file in the middle of a measurement would hit one row of the table only.
  const server = shared(Servers.redis({ settings: { appendfsync, "auto-aof-rewrite-percentage": 0 } }))
  return async (use) => {
    const url = await server()
    try {
      return await use(url)
    } finally {
      await empty(url)
    }
  }
}

/** The URL of a server whose answers wait for the disk. */
export const redisAlways = redisServer("always")
/** The URL of a server that writes to the disk every second. */
export const redisEverySecond = redisServer("everysec")

/** Also makes its file small again, so that rounds do not add up on the disk. */
const empty = async (url: string): Promise<void> => {
  const client = new Redis(url)
  await client.flushall()
  await client.bgrewriteaof()
  while (/aof_rewrite_(in_progress|scheduled):1/.test(await client.info("persistence"))) await setTimeout(20)
  await client.quit()
}
