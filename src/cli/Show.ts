import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Process from "node:process"
import { Engine } from "../durable/Engine.ts"
import type { RunSummary } from "../durable/RunCatalogue.ts"
import type { StoredEvent } from "../event-store/Envelope.ts"
import * as Format from "./Format.ts"
import * as Journal from "./Journal.ts"
import * as Names from "./Names.ts"
import type { Verb } from "./Verb.ts"

export const verb: Verb = {
  summary: "Show one run and the steps it has taken.",
  usage: "show ID [--db FILE|URL]",
  options: {},
  words: 1,
  run: (args) =>
    Effect.gen(function* () {
      const engine = yield* Engine
      const run = yield* Names.runOf(args.words[0]!)
      const events = yield* Journal.orSentence(Stream.runCollect(engine.events(run.runId)))
      Process.stdout.write(head(run, events) + steps(events, run.endedAt === undefined ? "…" : "stopped"))
    }).pipe(Effect.provide(Journal.existing(args)))
}

const head = (run: RunSummary, events: ReadonlyArray<StoredEvent>): string =>
  Format.table([
    ["run", Names.readable(run.runId)],
    ["definition", `${run.definition} (version ${run.definitionVersion})`],
    ["status", run.status],
    ...why(events.at(-1)),
    ["started", Format.timeOf(run.startedAt)],
    ["ended", run.endedAt === undefined ? "not yet" : Format.timeOf(run.endedAt)],
    ["owner", run.owner]
  ])

/** What a person asks first of a run that did not succeed. */
const why = (last: StoredEvent | undefined): ReadonlyArray<ReadonlyArray<string>> => {
  const data = last?.data as { readonly [key: string]: Schema.Json | undefined } | undefined
  if (last === undefined || data === undefined) return []
  if (last.type === "RunFailed") return [["error", Format.shortened(data["error"] ?? data["defect"] ?? null)]]
  if (last.type === "RunCancelled" && data["reason"] !== undefined) return [["reason", String(data["reason"])]]
  if (last.type !== "RunBlocked") return []
  return [["blocked", Names.readable(`at ${data["path"]}: expected ${data["expected"]}, found ${data["found"]}`)]]
}

const outcomes: { readonly [type: string]: string } = {
  StepCompleted: "done",
  StepFailed: "failed",
  TimerScheduled: "waits",
  TimerFired: "woke",
  SignalReceived: "received",
  SignalTimedOut: "timed out",
  NodeSkipped: "skipped"
}

/** One line a path: its latest state, and how long it took from its start marker. What was open at the run's end was stopped. */
const steps = (events: ReadonlyArray<StoredEvent>, open: string): string => {
  const outcomeOf = { ...outcomes, StepStarted: open } as typeof outcomes
  const rows = new Map<string, Array<string>>()
  const started = new Map<string, number>()
  const attempts = new Map<string, number>()
  for (const { meta, type } of events) {
    const outcome = outcomeOf[type]
    const path = Names.readable(meta.path ?? "")
    if (type === "StepAttemptFailed") attempts.set(path, (attempts.get(path) ?? 0) + 1)
    if (type === "StepStarted" && !started.has(path)) started.set(path, meta.timestamp)
    if (outcome === undefined) continue
    const from = started.get(path)
    const took = type === "StepStarted" || from === undefined ? "" : Format.durationOf(meta.timestamp - from)
    const retries = attempts.get(path)
    rows.set(path, [outcome, took, retries === undefined ? path : `${path}  (${retries} failed attempts)`])
  }
  return rows.size === 0 ? "" : `\n${Format.table([...rows.values()])}`
}
