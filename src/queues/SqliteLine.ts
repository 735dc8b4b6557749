/** The tables of the work queues in SQLite, and how items become ready in them. */
import type { Sqlite, SqliteValue } from "../persistence/Sqlite.ts"
import type { QueueSettings } from "./WorkQueueDriver.ts"

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

/** A row of `tutti_queue_items`. */
export interface Row {
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

/** Statements are prepared once. */
export class SqliteStatements {
  readonly prepare: Sqlite["Service"]["prepare"]
  constructor({ prepare }: Sqlite["Service"]) {
    this.prepare = prepare
  }

  run(sql: string, parameters: ReadonlyArray<SqliteValue>): void {
    this.prepare(sql).run(...parameters)
  }
  get(sql: string, parameters: ReadonlyArray<SqliteValue>): unknown {
    return this.prepare(sql).get(...parameters)
  }
  has(sql: string, parameters: ReadonlyArray<SqliteValue>): boolean {
    return this.get(sql, parameters) !== undefined
  }
  all(sql: string, parameters: ReadonlyArray<SqliteValue>): ReadonlyArray<unknown> {
    return this.prepare(sql).all(...parameters)
  }
}

/** How items become ready. */
export class SqliteLine {
  private readonly sqlite: SqliteStatements
  constructor(sqlite: SqliteStatements) {
    this.sqlite = sqlite
  }

  counters(name: string): Counters {
    const select = "SELECT unfinished, line, full_at FROM tutti_queues WHERE name = ?"
    const row = this.sqlite.get(select, [name]) as Counters | undefined
    if (row !== undefined) return row
    this.sqlite.run("INSERT INTO tutti_queues (name) VALUES (?)", [name])
    return { unfinished: 0, line: 0, full_at: 0 }
  }

  /** Where an item that is due goes: to the line of its key, unless a slot is free and nobody waits for it. */
  entryState(settings: QueueSettings, key: string | null): "Ready" | "Line" {
    return key === null || this.freeSlots(settings, key) > 0 ? "Ready" : "Line"
  }

  /** A line is never left with a free slot before it, so a free slot means an empty line. */
  private freeSlots({ keyConcurrency, name }: QueueSettings, key: string): number {
    const { count } = this.sqlite.get(
      `SELECT count(*) AS count FROM tutti_queue_items
       WHERE queue = ? AND key = ? AND state IN ('Ready', 'Retry', 'Claimed')`,
      [name, key]
    ) as { readonly count: number }
    return keyConcurrency - count
  }

  advance(settings: QueueSettings, key: string): void {
    const free = this.freeSlots(settings, key)
    if (free <= 0) return
    this.sqlite.run(
      `UPDATE tutti_queue_items SET state = 'Ready' WHERE queue = ? AND id IN (SELECT id FROM tutti_queue_items
         WHERE queue = ? AND key = ? AND state = 'Line' ORDER BY line LIMIT ?)`,
      [settings.name, settings.name, key, free]
    )
  }

  /** Makes ready what is due by now, and takes back claims that have lapsed. */
  awaken(settings: QueueSettings, now: number): void {
    const { name } = settings
    this.sqlite.run(
      `UPDATE tutti_queue_items SET state = 'Ready', failures = failures + CASE state WHEN 'Claimed' THEN started ELSE 0 END
       WHERE queue = ? AND state IN ('Retry', 'Claimed') AND at <= ?`,
      [name, now]
    )
    const due = this.sqlite.all(
      "SELECT id, key FROM tutti_queue_items WHERE queue = ? AND state = 'Delayed' AND at <= ? ORDER BY at, line",
      [name, now]
    ) as ReadonlyArray<Pick<Row, "id" | "key">>
    if (due.length === 0) return
    let { line } = this.counters(name)
    for (const { id, key } of due) {
      this.sqlite.run("UPDATE tutti_queue_items SET state = ?, line = ? WHERE queue = ? AND id = ?", [
        this.entryState(settings, key),
        ++line,
        name,
        id
      ])
    }
    this.sqlite.run("UPDATE tutti_queues SET line = ? WHERE name = ?", [line, name])
  }

  hasReady(name: string): boolean {
    return this.sqlite.has("SELECT 1 FROM tutti_queue_items WHERE queue = ? AND state = 'Ready' LIMIT 1", [name])
  }

  wakeAt(name: string, limitedUntil: number | undefined): number | undefined {
    const next = (state: string) =>
      (
        this.sqlite.get(`SELECT min(at) AS at FROM tutti_queue_items WHERE queue = ? AND state = '${state}'`, [
          name
        ]) as {
          readonly at: number | null
        }
      ).at ?? Infinity
    const at = Math.min(next("Delayed"), next("Retry"), next("Claimed"), limitedUntil ?? Infinity)
    return at === Infinity ? undefined : at
  }
}
