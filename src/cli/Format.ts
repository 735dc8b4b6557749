/** How events and runs look on one line. */
import * as DateTime from "effect/DateTime"
import type * as Schema from "effect/Schema"
import type { StoredEvent } from "../event-store/Envelope.ts"
import type { RunSummary } from "../durable/RunCatalogue.ts"
import * as Names from "./Names.ts"

/** In UTC, to the second. */
export const timeOf = (timestamp: number): string =>
  DateTime.formatIso(DateTime.makeUnsafe(timestamp)).replace("T", " ").slice(0, 19)

export const durationOf = (milliseconds: number): string => {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`
  const seconds = milliseconds / 1000
  return seconds < 60 ? `${seconds.toFixed(1)} s` : `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`
}

/** Columns of equal width, two spaces apart. */
export const table = (rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const line = (row: ReadonlyArray<string>) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd()
  return rows.map((row) => `${line(row)}\n`).join("")
}

export const runRow = (run: RunSummary): ReadonlyArray<string> => [
  Names.readable(run.runId),
  run.status,
  timeOf(run.startedAt),
  run.endedAt === undefined ? "" : durationOf(run.endedAt - run.startedAt)
]

/** JSON on one line, cut to fit a screen. */
export const shortened = (json: Schema.Json): string => {
  const text = JSON.stringify(json)
  return text.length <= 100 ? text : `${text.slice(0, 99)}…`
}

/** `time  version  type  path  data`, without what an event does not have. */
export const eventLine = ({ data, meta, type, version }: StoredEvent): string => {
  const path = meta.path === undefined ? [] : [Names.readable(meta.path)]
  const shown = shortened(data)
  return [
    timeOf(meta.timestamp),
    String(version).padStart(5),
    type.padEnd(21),
    ...path,
    ...(shown === "{}" ? [] : [shown])
  ]
    .join("  ")
    .trimEnd()
    .concat("\n")
}
