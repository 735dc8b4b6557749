/** What a driver of work queues does in SQLite, statement by statement. To be called in a transaction. */
import type * as Schema from "effect/Schema"
import type { Sqlite, SqliteStatement, SqliteValue } from "../persistence/Sqlite.ts"
import * as RateLimit from "./RateLimit.ts"
import { type Row, SqliteLine, SqliteStatements } from "./SqliteLine.ts"
import type {
  Claim,
  DeadItem,
  Delivery,
  ItemState,
  NewItem,
  OfferOutcome,
  Outcome,
  QueueSettings,
  SettledClaim,
  Settlement,
  Stats
} from "./WorkQueueDriver.ts"

const held = "queue = ? AND id = ? AND state = 'Claimed' AND token = ?"

/** As many old outcomes are removed by each settlement: more than it adds. */
const forgotten = 2

export class SqliteQueue {
  private readonly sqlite: SqliteStatements
  private readonly line: SqliteLine
  constructor(sqlite: Sqlite["Service"]) {
    this.sqlite = new SqliteStatements(sqlite)
    this.line = new SqliteLine(this.sqlite)
  }

  offer(settings: QueueSettings, items: ReadonlyArray<NewItem>, now: number): ReadonlyArray<OfferOutcome> {
    const { name } = settings
    let { line, unfinished } = this.line.counters(name)
    const outcomes = items.map((item): OfferOutcome => {
      const known = this.duplicate(name, item, now)
      if (known !== undefined) return { _tag: "Duplicate", id: known }
      if (unfinished >= settings.capacity) return { _tag: "Full" }
      const { availableAt, body, id, idempotency, key, priority } = item
      if (idempotency !== undefined) {
        this.sqlite.run("INSERT OR REPLACE INTO tutti_queue_keys VALUES (?, ?, ?, ?)", [
          name,
          toKey(idempotency.key),
          id,
          idempotency.until
        ])
      }
      const state =
        availableAt > now ? "Delayed" : this.line.entryState(settings, key === undefined ? null : toKey(key))
      this.sqlite.run(
        `INSERT INTO tutti_queue_items (queue, id, state, key, priority, line, at, offered, body)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        [
          name,
          id,
          state,
          key === undefined ? null : toKey(key),
          priority,
          ++line,
          availableAt,
          now,
          JSON.stringify(body)
        ]
      )
      unfinished++
      return { _tag: "Offered", id }
    })
    this.sqlite.run("UPDATE tutti_queues SET unfinished = ?, line = ? WHERE name = ?", [unfinished, line, name])
    return outcomes
  }

  claim(settings: QueueSettings, options: { readonly max: number; readonly until: number; readonly now: number }) {
    const { name, rate } = settings
    const { max, now, until } = options
    this.line.awaken(settings, now)
    const { full_at } = this.line.counters(name)
    const allowed = rate === undefined ? max : Math.min(max, RateLimit.available(rate, full_at, now))
    const rows = this.sqlite.all(
      `UPDATE tutti_queue_items SET state = 'Claimed', at = ?, token = token + 1, started = 0
       WHERE queue = ? AND id IN (SELECT id FROM tutti_queue_items WHERE queue = ? AND state = 'Ready'
         ORDER BY priority DESC, line LIMIT ?)
       RETURNING id, key, priority, line, token, attempts, failures, offered, body`,
      [until, name, name, allowed]
    ) as ReadonlyArray<Row & { readonly line: number }>
    const fullAt = rate === undefined ? full_at : RateLimit.spend(rate, full_at, { now, count: rows.length })
    if (fullAt !== full_at) this.sqlite.run("UPDATE tutti_queues SET full_at = ? WHERE name = ?", [fullAt, name])
    // RETURNING has no order of its own.
    const inOrder = rows.toSorted((left, right) => right.priority - left.priority || left.line - right.line)
    const limitedUntil = rate === undefined || !this.line.hasReady(name) ? undefined : RateLimit.nextAt(rate, fullAt)
    return { deliveries: inOrder.map(deliveryOf), wakeAt: this.line.wakeAt(name, limitedUntil) }
  }

  start({ name }: QueueSettings, claims: ReadonlyArray<Claim>): ReadonlyArray<boolean> {
    return this.each(
      claims,
      `UPDATE tutti_queue_items SET attempts = attempts + 1 - started, started = 1 WHERE ${held} RETURNING 1`,
      ({ id, token }) => [name, id, token]
    )
  }

  extend({ name }: QueueSettings, claims: ReadonlyArray<Claim>, until: number): ReadonlyArray<boolean> {
    return this.each(claims, `UPDATE tutti_queue_items SET at = ? WHERE ${held} RETURNING 1`, ({ id, token }) => [
      until,
      name,
      id,
      token
    ])
  }

  settle(settings: QueueSettings, settled: ReadonlyArray<SettledClaim>, now: number): ReadonlyArray<boolean> {
    const { name, retention } = settings
    const leave = (claim: SettledClaim, state: string, at: number): boolean => {
      const row = this.sqlite.get(
        `UPDATE tutti_queue_items SET state = ?, at = ?, outcome = ?, body = CASE ? WHEN 'Dead' THEN body END
         WHERE ${held} RETURNING key`,
        [state, at, JSON.stringify(claim.settlement), state, name, claim.id, claim.token]
      ) as { readonly key: string | null } | undefined
      if (row === undefined) return false
      this.sqlite.run("UPDATE tutti_queues SET unfinished = unfinished - 1 WHERE name = ?", [name])
      if (row.key !== null) this.line.advance(settings, row.key)
      return true
    }
    const results = settled.map((claim) => {
      const { id, settlement, token } = claim
      switch (settlement._tag) {
        case "Retry":
          return this.sqlite.has(
            `UPDATE tutti_queue_items SET state = 'Retry', at = ?, failures = failures + 1 WHERE ${held} RETURNING 1`,
            [settlement.availableAt, name, id, token]
          )
        case "HandBack":
          return this.sqlite.has(`UPDATE tutti_queue_items SET state = 'Ready' WHERE ${held} RETURNING 1`, [
            name,
            id,
            token
          ])
        case "Died":
          return leave(claim, "Dead", now)
        default:
          return leave(claim, "Done", now + retention)
      }
    })
    this.forget(name, now, settled.length * forgotten)
    return results
  }

  find({ name }: QueueSettings, ids: ReadonlyArray<string>, now: number): ReadonlyArray<ItemState | undefined> {
    return ids.map((id) => {
      const row = this.sqlite.get(
        "SELECT state, at, attempts, outcome FROM tutti_queue_items WHERE queue = ? AND id = ?",
        [name, id]
      ) as Row | undefined
      if (row === undefined || (row.state === "Done" && row.at <= now)) return undefined
      if (row.state !== "Done" && row.state !== "Dead") return { _tag: "Unfinished" }
      return { _tag: "Settled", attempts: row.attempts, outcome: JSON.parse(row.outcome) as Outcome }
    })
  }

  deadItems(
    { name }: QueueSettings,
    { limit, offset }: { readonly offset: number; readonly limit: number }
  ): ReadonlyArray<DeadItem> {
    const rows = this.sqlite.all(
      `SELECT id, key, attempts, offered, at, body, outcome FROM tutti_queue_items
       WHERE queue = ? AND state = 'Dead' ORDER BY at, id LIMIT ? OFFSET ?`,
      [name, limit, offset]
    ) as ReadonlyArray<Row>
    return rows.map(({ at, attempts, body, id, key, offered, outcome }) => ({
      id,
      body: JSON.parse(body) as Schema.Json,
      key: fromKey(key),
      attempts,
      offeredAt: offered,
      diedAt: at,
      death: JSON.parse(outcome) as Extract<Settlement, { readonly _tag: "Died" }>
    }))
  }

  redrive(settings: QueueSettings, ids: ReadonlyArray<string>, now: number): ReadonlyArray<string> {
    const { capacity, name } = settings
    return ids.filter((id) => {
      const { line, unfinished } = this.line.counters(name)
      if (unfinished >= capacity) return false
      const row = this.sqlite.get("SELECT key FROM tutti_queue_items WHERE queue = ? AND id = ? AND state = 'Dead'", [
        name,
        id
      ]) as Pick<Row, "key"> | undefined
      if (row === undefined) return false
      this.sqlite.run("UPDATE tutti_queues SET unfinished = unfinished + 1, line = line + 1 WHERE name = ?", [name])
      this.sqlite.run(
        `UPDATE tutti_queue_items SET state = ?, line = ?, at = ?, failures = 0, started = 0, outcome = NULL
         WHERE queue = ? AND id = ?`,
        [this.line.entryState(settings, row.key), line + 1, now, name, id]
      )
      return true
    })
  }

  discard({ name, retention }: QueueSettings, ids: ReadonlyArray<string>, now: number): ReadonlyArray<string> {
    return ids.filter((id) =>
      this.sqlite.has(
        `UPDATE tutti_queue_items SET state = 'Done', at = ?, body = NULL
         WHERE queue = ? AND id = ? AND state = 'Dead' RETURNING 1`,
        [now + retention, name, id]
      )
    )
  }

  stats({ name }: QueueSettings, now: number): Stats {
    const count = (where: string, ...parameters: ReadonlyArray<number>) =>
      (
        this.sqlite.get(`SELECT count(*) AS count FROM tutti_queue_items WHERE queue = ? AND ${where}`, [
          name,
          ...parameters
        ]) as {
          readonly count: number
        }
      ).count
    const delayed = count("state = 'Delayed' AND at > ?", now) + count("state = 'Retry' AND at > ?", now)
    const inFlight = count("state = 'Claimed'")
    const { unfinished } = this.line.counters(name)
    return { queued: unfinished - delayed - inFlight, delayed, inFlight, dead: count("state = 'Dead'") }
  }

  private duplicate(queue: string, { id, idempotency }: NewItem, now: number): string | undefined {
    if (idempotency !== undefined) {
      const first = this.sqlite.get("SELECT id FROM tutti_queue_keys WHERE queue = ? AND key = ? AND until > ?", [
        queue,
        toKey(idempotency.key),
        now
      ]) as Pick<Row, "id"> | undefined
      if (first !== undefined) return first.id
    }
    return this.sqlite.has("SELECT 1 FROM tutti_queue_items WHERE queue = ? AND id = ?", [queue, id]) ? id : undefined
  }

  private forget(name: string, now: number, max: number): void {
    this.sqlite.run(
      `DELETE FROM tutti_queue_items WHERE queue = ? AND id IN (SELECT id FROM tutti_queue_items
         WHERE queue = ? AND state = 'Done' AND at <= ? LIMIT ?)`,
      [name, name, now, max]
    )
    this.sqlite.run(
      `DELETE FROM tutti_queue_keys WHERE queue = ? AND key IN (SELECT key FROM tutti_queue_keys
         WHERE queue = ? AND until <= ? LIMIT ?)`,
      [name, name, now, max]
    )
  }

  /** Runs an update of a held claim for each; whether it was held. */
  private each(
    claims: ReadonlyArray<Claim>,
    sql: string,
    parameters: (claim: Claim) => ReadonlyArray<SqliteValue>
  ): ReadonlyArray<boolean> {
    const statement: SqliteStatement = this.sqlite.prepare(sql)
    return claims.map((claim) => statement.get(...parameters(claim)) !== undefined)
  }
}

/** SQLite ends a text at U+0000; JSON has none. */
const toKey = (key: string): string => JSON.stringify(key)
const fromKey = (key: string | null): string | undefined => (key === null ? undefined : (JSON.parse(key) as string))

const deliveryOf = ({ attempts, body, failures, id, key, offered, priority, token }: Row): Delivery => ({
  id,
  token,
  body: JSON.parse(body) as Schema.Json,
  key: fromKey(key),
  priority,
  offeredAt: offered,
  attempts,
  failures
})
