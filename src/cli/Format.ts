/** How events and runs look on one line. */
import * as DateTime from "effect/DateTime"
import type { StoredEvent } from "../event-store/Envelope.ts"
import type { RunSummary } from "../durable/RunCatalogue.ts"

/** In UTC, to the second. */
export const timeOf = (timestamp: number): string =>
  DateTime.formatIso(DateTime.makeUnsafe(timestamp)).replace("T", " ").slice(0, 19)

export const durationOf = (milliseconds: number): string => {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`
  const seconds = milliseconds / 1000
  return seconds < 60 ? `${seconds.toFixed(1)} s` : `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`
}

/** Columns of equal width, two spaces apart. The last one is as long as it is. */
export const table = (rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const line = (row: ReadonlyArray<string>) =>
    row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0))).join("  ")
  return rows.map((row) => `${line(row)}\n`).join("")
}

export const runRow = (run: RunSummary): ReadonlyArray<string> => [
  run.runId,
  run.status,
  timeOf(run.startedAt),
  run.endedAt === undefined ? "" : durationOf(run.endedAt - run.startedAt)
]

/** `time  version  type  path  data`, the data cut to fit a screen unless it is wanted whole. */
export const eventLine = (event: StoredEvent, whole: boolean): string => {
  const data = JSON.stringify(event.data)
  const shown = whole || data.length <= 100 ? data : `${data.slice(0, 99)}…`
  const path = event.meta.path ?? ""
  return `${timeOf(event.meta.timestamp)}  ${String(event.version).padStart(5)}  ${event.type.padEnd(18)}  ${path}  ${shown}\n`
}
