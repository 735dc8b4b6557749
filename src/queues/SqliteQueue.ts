/** What a driver of work queues does in SQLite, statement by statement. To be called in a transaction. */
import type * as Schema from "effect/Schema"
import type { Sqlite, SqliteStatement, SqliteValue } from "../persistence/Sqlite.ts"
import * as RateLimit from "./RateLimit.ts"
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

/** `at`: when a delayed item or a retry is due, a claim lapses, an item died, or an outcome is forgotten. */
export const migrations = [
  `CREATE TABLE tutti_queues (
     name TEXT PRIMARY KEY,
     unfinished INTEGER NOT NULL DEFAULT 0,
     line INTEGER NOT NULL DEFAULT 0,
     full_at REAL NOT NULL DEFAULT 0
   ) WITHOUT ROWID;
   CREATE TABLE tutti_queue_items (
     queue TEXT NOT NULL,
     id TEXT NOT NULL,
     state TEXT NOT NULL,
     key TEXT,
     priority INTEGER NOT NULL,
     line INTEGER NOT NULL,
     at INTEGER NOT NULL,
     token INTEGER NOT NULL DEFAULT 0,
     started INTEGER NOT NULL DEFAULT 0,
     attempts INTEGER NOT NULL DEFAULT 0,
     failures INTEGER NOT NULL DEFAULT 0,
     offered INTEGER NOT NULL,
     body TEXT,
     outcome TEXT,
     PRIMARY KEY (queue, id)
   ) WITHOUT ROWID;
   CREATE INDEX tutti_queue_ready ON tutti_queue_items (queue, priority DESC, line) WHERE state = 'Ready';
   CREATE INDEX tutti_queue_at ON tutti_queue_items (queue, state, at) WHERE state NOT IN ('Ready', 'Line');
   CREATE INDEX tutti_queue_key ON tutti_queue_items (queue, key, state, line)
     WHERE key IS NOT NULL AND state NOT IN ('Done', 'Dead');
   CREATE TABLE tutti_queue_keys (
     queue TEXT NOT NULL,
     key TEXT NOT NULL,
     id TEXT NOT NULL,
     until INTEGER NOT NULL,
     PRIMARY KEY (queue, key)
   ) WITHOUT ROWID;
   CREATE INDEX tutti_queue_keys_until ON tutti_queue_keys (queue, until)`
]

const held = "queue = ? AND id = ? AND state = 'Claimed' AND token = ?"

/** As many old outcomes are removed by each settlement: more than it adds. */
const forgotten = 2

interface Row {
  readonly id: string
  readonly key: string | null
  readonly priority: number
  readonly state: string
  readonly at: number
  readonly token: number
  readonly attempts: number
  readonly failures: number
  readonly offered: number
  readonly body: string
  readonly outcome: string
}

interface Counters {
  readonly unfinished: number
  readonly line: number
  readonly full_at: number
}

export class SqliteQueue {
  private readonly sqlite: Sqlite["Service"]
  constructor(sqlite: Sqlite["Service"]) {
    this.sqlite = sqlite
  }

  offer(settings: QueueSettings, items: ReadonlyArray<NewItem>, now: number): ReadonlyArray<OfferOutcome> {
    const { name } = settings
    let { line, unfinished } = this.counters(name)
    const outcomes = items.map((item): OfferOutcome => {
      const known = this.duplicate(name, item, now)
      if (known !== undefined) return { _tag: "Duplicate", id: known }
      if (unfinished >= settings.capacity) return { _tag: "Full" }
      const { availableAt, body, id, idempotency, key, priority } = item
      if (idempotency !== undefined) {
        this.run("INSERT OR REPLACE INTO tutti_queue_keys VALUES (?, ?, ?, ?)", [name, idempotency.key, id, idempotency.until])
      }
      const state = availableAt > now ? "Delayed" : this.entryState(settings, key)
      this.run(
        `INSERT INTO tutti_queue_items (queue, id, state, key, priority, line, at, offered, body)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        [name, id, state, key ?? null, priority, ++line, availableAt, now, JSON.stringify(body)]
      )
      unfinished++
      return { _tag: "Offered", id }
    })
    this.run("UPDATE tutti_queues SET unfinished = ?, line = ? WHERE name = ?", [unfinished, line, name])
    return outcomes
  }

  claim(settings: QueueSettings, options: { readonly max: number; readonly until: number; readonly now: number }) {
    const { name, rate } = settings
    const { max, now, until } = options
    this.awaken(settings, now)
    const { full_at } = this.counters(name)
    const allowed = rate === undefined ? max : Math.min(max, RateLimit.available(rate, full_at, now))
    const rows = this.all(
      `UPDATE tutti_queue_items SET state = 'Claimed', at = ?, token = token + 1, started = 0
       WHERE queue = ? AND id IN (SELECT id FROM tutti_queue_items WHERE queue = ? AND state = 'Ready'
         ORDER BY priority DESC, line LIMIT ?)
       RETURNING id, key, priority, line, token, attempts, failures, offered, body`,
      [until, name, name, allowed]
    ) as ReadonlyArray<Row & { readonly line: number }>
    const fullAt = rate === undefined ? full_at : RateLimit.spend(rate, full_at, { now, count: rows.length })
    if (fullAt !== full_at) this.run("UPDATE tutti_queues SET full_at = ? WHERE name = ?", [fullAt, name])
    // RETURNING has no order of its own.
    const inOrder = rows.toSorted((left, right) => right.priority - left.priority || left.line - right.line)
    const limitedUntil = rate === undefined || !this.hasReady(name) ? undefined : RateLimit.nextAt(rate, fullAt)
    return { deliveries: inOrder.map(deliveryOf), wakeAt: this.wakeAt(name, limitedUntil) }
  }

  start({ name }: QueueSettings, claims: ReadonlyArray<Claim>): ReadonlyArray<boolean> {
    return this.each(
      claims,
      `UPDATE tutti_queue_items SET attempts = attempts + 1 - started, started = 1 WHERE ${held} RETURNING 1`,
      ({ id, token }) => [name, id, token]
    )
  }

  extend({ name }: QueueSettings, claims: ReadonlyArray<Claim>, until: number): ReadonlyArray<boolean> {
    return this.each(
      claims,
      `UPDATE tutti_queue_items SET at = ? WHERE ${held} RETURNING 1`,
      ({ id, token }) => [until, name, id, token]
    )
  }

  settle(settings: QueueSettings, settled: ReadonlyArray<SettledClaim>, now: number): ReadonlyArray<boolean> {
    const { name, retention } = settings
    const leave = (claim: SettledClaim, state: string, at: number): boolean => {
      const row = this.get(
        `UPDATE tutti_queue_items SET state = ?, at = ?, outcome = ?, body = CASE ? WHEN 'Dead' THEN body END
         WHERE ${held} RETURNING key`,
        [state, at, JSON.stringify(claim.settlement), state, name, claim.id, claim.token]
      ) as { readonly key: string | null } | undefined
      if (row === undefined) return false
      this.run("UPDATE tutti_queues SET unfinished = unfinished - 1 WHERE name = ?", [name])
      if (row.key !== null) this.advance(settings, row.key)
      return true
    }
    const results = settled.map((claim) => {
      const { id, settlement, token } = claim
      switch (settlement._tag) {
        case "Retry":
          return this.has(
            `UPDATE tutti_queue_items SET state = 'Retry', at = ?, failures = failures + 1 WHERE ${held} RETURNING 1`,
            [settlement.availableAt, name, id, token]
          )
        case "HandBack":
          return this.has(`UPDATE tutti_queue_items SET state = 'Ready' WHERE ${held} RETURNING 1`, [name, id, token])
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
      const row = this.get("SELECT state, at, attempts, outcome FROM tutti_queue_items WHERE queue = ? AND id = ?", [
        name,
        id
      ]) as Row | undefined
      if (row === undefined || (row.state === "Done" && row.at <= now)) return undefined
      if (row.state !== "Done" && row.state !== "Dead") return { _tag: "Unfinished" }
      return { _tag: "Settled", attempts: row.attempts, outcome: JSON.parse(row.outcome) as Outcome }
    })
  }

  deadItems(
    { name }: QueueSettings,
    { limit, offset }: { readonly offset: number; readonly limit: number }
  ): ReadonlyArray<DeadItem> {
    const rows = this.all(
      `SELECT id, key, attempts, offered, at, body, outcome FROM tutti_queue_items
       WHERE queue = ? AND state = 'Dead' ORDER BY at, id LIMIT ? OFFSET ?`,
      [name, limit, offset]
    ) as ReadonlyArray<Row>
    return rows.map(({ at, attempts, body, id, key, offered, outcome }) => ({
      id,
      body: JSON.parse(body) as Schema.Json,
      key: key ?? undefined,
      attempts,
      offeredAt: offered,
      diedAt: at,
      death: JSON.parse(outcome) as Extract<Settlement, { readonly _tag: "Died" }>
    }))
  }

  redrive(settings: QueueSettings, ids: ReadonlyArray<string>, now: number): ReadonlyArray<string> {
    const { capacity, name } = settings
    return ids.filter((id) => {
      const { line, unfinished } = this.counters(name)
      if (unfinished >= capacity) return false
      const row = this.get("SELECT key FROM tutti_queue_items WHERE queue = ? AND id = ? AND state = 'Dead'", [name, id]) as
        | Pick<Row, "key">
        | undefined
      if (row === undefined) return false
      this.run("UPDATE tutti_queues SET unfinished = unfinished + 1, line = line + 1 WHERE name = ?", [name])
      this.run(
        `UPDATE tutti_queue_items SET state = ?, line = ?, at = ?, failures = 0, started = 0, outcome = NULL
         WHERE queue = ? AND id = ?`,
        [this.entryState(settings, row.key ?? undefined), line + 1, now, name, id]
      )
      return true
    })
  }

  discard({ name, retention }: QueueSettings, ids: ReadonlyArray<string>, now: number): ReadonlyArray<string> {
    return ids.filter((id) =>
      this.has(
        `UPDATE tutti_queue_items SET state = 'Done', at = ?, body = NULL
         WHERE queue = ? AND id = ? AND state = 'Dead' RETURNING 1`,
        [now + retention, name, id]
      )
    )
  }

  stats({ name }: QueueSettings, now: number): Stats {
    const count = (where: string, ...parameters: ReadonlyArray<number>) =>
      (
        this.get(`SELECT count(*) AS count FROM tutti_queue_items WHERE queue = ? AND ${where}`, [name, ...parameters]) as {
          readonly count: number
        }
      ).count
    const delayed = count("state = 'Delayed' AND at > ?", now) + count("state = 'Retry' AND at > ?", now)
    const inFlight = count("state = 'Claimed'")
    const { unfinished } = this.counters(name)
    return { queued: unfinished - delayed - inFlight, delayed, inFlight, dead: count("state = 'Dead'") }
  }

  private duplicate(queue: string, { id, idempotency }: NewItem, now: number): string | undefined {
    if (idempotency !== undefined) {
      const first = this.get("SELECT id FROM tutti_queue_keys WHERE queue = ? AND key = ? AND until > ?", [
        queue,
        idempotency.key,
        now
      ]) as Pick<Row, "id"> | undefined
      if (first !== undefined) return first.id
    }
    return this.has("SELECT 1 FROM tutti_queue_items WHERE queue = ? AND id = ?", [queue, id]) ? id : undefined
  }

  /** Where an item that is due goes: to the line of its key, unless a slot is free and nobody waits for it. */
  private entryState(settings: QueueSettings, key: string | undefined): "Ready" | "Line" {
    return key === undefined || this.freeSlots(settings, key) > 0 ? "Ready" : "Line"
  }

  /** A line is never left with a free slot before it, so a free slot means an empty line. */
  private freeSlots({ keyConcurrency, name }: QueueSettings, key: string): number {
    const { count } = this.get(
      `SELECT count(*) AS count FROM tutti_queue_items
       WHERE queue = ? AND key = ? AND state IN ('Ready', 'Retry', 'Claimed')`,
      [name, key]
    ) as { readonly count: number }
    return keyConcurrency - count
  }

  private advance(settings: QueueSettings, key: string): void {
    const free = this.freeSlots(settings, key)
    if (free <= 0) return
    this.run(
      `UPDATE tutti_queue_items SET state = 'Ready' WHERE queue = ? AND id IN (SELECT id FROM tutti_queue_items
         WHERE queue = ? AND key = ? AND state = 'Line' ORDER BY line LIMIT ?)`,
      [settings.name, settings.name, key, free]
    )
  }

  /** Makes ready what is due by now, and takes back claims that have lapsed. */
  private awaken(settings: QueueSettings, now: number): void {
    const { name } = settings
    this.run(
      `UPDATE tutti_queue_items SET state = 'Ready', failures = failures + CASE state WHEN 'Claimed' THEN started ELSE 0 END
       WHERE queue = ? AND state IN ('Retry', 'Claimed') AND at <= ?`,
      [name, now]
    )
    const due = this.all(
      "SELECT id, key FROM tutti_queue_items WHERE queue = ? AND state = 'Delayed' AND at <= ? ORDER BY at, line",
      [name, now]
    ) as ReadonlyArray<Pick<Row, "id" | "key">>
    if (due.length === 0) return
    let { line } = this.counters(name)
    for (const { id, key } of due) {
      this.run("UPDATE tutti_queue_items SET state = ?, line = ? WHERE queue = ? AND id = ?", [
        this.entryState(settings, key ?? undefined),
        ++line,
        name,
        id
      ])
    }
    this.run("UPDATE tutti_queues SET line = ? WHERE name = ?", [line, name])
  }

  private hasReady(name: string): boolean {
    return this.has("SELECT 1 FROM tutti_queue_items WHERE queue = ? AND state = 'Ready' LIMIT 1", [name])
  }

  private wakeAt(name: string, limitedUntil: number | undefined): number | undefined {
    const next = (state: string) =>
      (
        this.get(`SELECT min(at) AS at FROM tutti_queue_items WHERE queue = ? AND state = '${state}'`, [name]) as {
          readonly at: number | null
        }
      ).at ?? Infinity
    const at = Math.min(next("Delayed"), next("Retry"), next("Claimed"), limitedUntil ?? Infinity)
    return at === Infinity ? undefined : at
  }

  private forget(name: string, now: number, max: number): void {
    this.run(
      `DELETE FROM tutti_queue_items WHERE queue = ? AND id IN (SELECT id FROM tutti_queue_items
         WHERE queue = ? AND state = 'Done' AND at <= ? LIMIT ?)`,
      [name, name, now, max]
    )
    this.run(
      `DELETE FROM tutti_queue_keys WHERE queue = ? AND key IN (SELECT key FROM tutti_queue_keys
         WHERE queue = ? AND until <= ? LIMIT ?)`,
      [name, name, now, max]
    )
  }

  private counters(name: string): Counters {
    const select = "SELECT unfinished, line, full_at FROM tutti_queues WHERE name = ?"
    const row = this.get(select, [name]) as Counters | undefined
    if (row !== undefined) return row
    this.run("INSERT INTO tutti_queues (name) VALUES (?)", [name])
    return { unfinished: 0, line: 0, full_at: 0 }
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

  private run(sql: string, parameters: ReadonlyArray<SqliteValue>): void {
    this.sqlite.prepare(sql).run(...parameters)
  }
  private get(sql: string, parameters: ReadonlyArray<SqliteValue>): unknown {
    return this.sqlite.prepare(sql).get(...parameters)
  }
  private has(sql: string, parameters: ReadonlyArray<SqliteValue>): boolean {
    return this.get(sql, parameters) !== undefined
  }
  private all(sql: string, parameters: ReadonlyArray<SqliteValue>): ReadonlyArray<unknown> {
    return this.sqlite.prepare(sql).all(...parameters)
  }
}

const deliveryOf = ({ attempts, body, failures, id, key, offered, priority, token }: Row): Delivery => ({
  id,
  token,
  body: JSON.parse(body) as Schema.Json,
  key: key ?? undefined,
  priority,
  offeredAt: offered,
  attempts,
  failures
})
