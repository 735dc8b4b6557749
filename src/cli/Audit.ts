/** `tutti audit`: the main job. Starts an audit, or goes on with the one that was stopped. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Fs from "node:fs"
import * as Path from "node:path"
import Process from "node:process"
import * as Digest from "../core/Digest.ts"
import { Engine } from "../durable/Engine.ts"
import { openStatuses } from "../durable/RunCatalogue.ts"
import type { RunHandle } from "../durable/RunHandle.ts"
import type { StoredEvent } from "../event-store/Envelope.ts"
import { Audit, type AuditInput, type AuditOutcome } from "./audit/AuditProgram.ts"
import { viewOf } from "./audit/AuditView.ts"
import { count } from "./audit/Score.ts"
import * as LiveView from "./audit/LiveView.ts"
import type { ViewEvent } from "./audit/TreeState.ts"
import * as Workspace from "./audit/Workspace.ts"
import * as Journal from "./Journal.ts"
import * as Names from "./Names.ts"
import { type Arguments, CliError, sentenceOf, type Verb, workError } from "./Verb.ts"

export const verb: Verb = {
  summary: "Audit a repository as a durable run. One that was killed goes on where it stopped.",
  usage: "audit [--path DIR] [--out FILE] [--approve] [--db FILE|URL]",
  options: { path: { type: "string" }, out: { type: "string" }, approve: { type: "boolean" } },
  words: 0,
  run: (args) =>
    Effect.gen(function* () {
      const place = yield* placeOf(args)
      const deployment = Audit.layer.pipe(
        Layer.catch((error) => Layer.effectContext(Effect.fail(workError(sentenceOf(error))))),
        Layer.provideMerge(Journal.open(Journal.placeOf(args))),
        Layer.provideMerge(Layer.merge(Workspace.layerNode, LiveView.layerNode))
      )
      yield* Effect.provide(audit(place), deployment)
    })
}

interface Place {
  readonly root: string
  readonly report: string
  readonly approve: boolean
  /** The journal is another one than that of all verbs. */
  readonly elsewhere: boolean
  /** The same for every audit of this folder. */
  readonly series: string
}

const placeOf = (args: Arguments): Effect.Effect<Place, CliError> =>
  Effect.suspend(() => {
    const { approve, out, path } = args.options
    const given = typeof path === "string" ? path : "."
    const root = Path.resolve(given)
    const stat = Fs.statSync(root, { throwIfNoEntry: false })
    if (stat === undefined) return Effect.fail(workError(`There is no folder at ${root}.`))
    if (!stat.isDirectory()) return Effect.fail(workError(`${root} is a file; an audit needs a folder.`))
    return Effect.succeed({
      root,
      report: Path.resolve(typeof out === "string" ? out : Path.join("report", "audit.md")),
      approve: approve === true,
      elsewhere: args.options["db"] !== undefined,
      series: `${Path.basename(root) || "root"}-${Digest.ofText(root)}`
    })
  })

const audit = (place: Place) =>
  Effect.gen(function* () {
    const { handle, resumed } = yield* startOrResume(place)
    Process.stdout.write(
      resumed
        ? yield* resumption(handle.id)
        : `Audit ${Names.readable(handle.id)} of ${place.root}, in process ${Process.pid}\n`
    )
    const hintOf = hints(place)
    const events = handle.events.pipe(
      Stream.flatMap((event) => Stream.fromIterable([...viewOf(event), ...hintOf(event)]))
    )
    const exit = yield* Effect.onInterrupt(
      Effect.andThen(LiveView.show(events).pipe(Journal.orSentence), Effect.exit(handle.await)),
      () =>
        Effect.sync(
          () => void Process.stdout.write(`\nStopped. Start again to go on with ${Names.readable(handle.id)}.\n`)
        )
    )
    yield* conclude(handle, exit)
  })

/** The open audit of this folder, or a new one. */
const startOrResume = (place: Place) =>
  Effect.gen(function* () {
    const engine = yield* Engine
    const runs = yield* Journal.orSentence(engine.list({ definition: "Audit", limit: 10_000 }))
    const ours = runs.filter((run) => run.key?.startsWith(`${place.series}-`) === true)
    const open = ours.find((run) => openStatuses.includes(run.status))
    if (open !== undefined) {
      if (open.owner !== engine.owner) return yield* busy(open.runId)
      return { handle: yield* Audit.handle(open.runId), resumed: true }
    }
    const runName = `${place.series}-${ours.length + 1}`
    const input: AuditInput = { root: place.root, report: place.report, runName, approve: place.approve }
    const handle = yield* Effect.mapError(Audit.start(input), (error) => workError(sentenceOf(error)))
    const run = yield* Journal.orSentence(handle.status)
    // Another process may have begun the same audit at the same moment: the log decides whose it is.
    if (run.owner !== engine.owner) return yield* busy(run.runId)
    return { handle, resumed: false }
  })

/** The view begins with what was done before: says so, lest it looks as if it were done again. */
const resumption = (runId: string) =>
  Effect.gen(function* () {
    const engine = yield* Engine
    const events = yield* Journal.orSentence(Stream.runCollect(engine.events(runId)))
    const before = events.slice(
      0,
      events.findLastIndex(({ type }) => type === "RunRecovered")
    )
    const steps = before.flatMap(viewOf).filter(({ _tag }) => _tag === "NodeFinished").length
    return `Going on with audit ${Names.readable(runId)}, in process ${Process.pid}.\n${count(steps, "step")} recorded before the stop, shown first; none of them runs again.\n`
  })

/** How this program is called, from a clone or where it is installed. */
const command =
  Process.env["npm_lifecycle_script"]?.includes("ensure-installed") === true ? "npm run tutti --" : "npx tutti"

const busy = (runId: string) =>
  workError(
    `Another process is working on ${Names.readable(runId)}. Follow it with: ${command} tail ${Names.readable(runId)}`
  )

/** What a person must do next: said when the run begins to wait, and again by whoever has taken it over. */
const hints = (place: Place) => {
  let asks = false
  let waits = false
  return ({ data, meta, type }: StoredEvent): ReadonlyArray<ViewEvent> => {
    if (type === "RunStarted") asks = (data as { readonly input: AuditInput }).input.approve
    else if (type === "StepCompleted" && meta.path?.endsWith("/stage") === true) waits = asks
    else if (type === "SignalReceived") waits = false
    else if (type !== "RunRecovered") return []
    const text = `waits for approval: ${command} approve ${Names.readable(meta.runId ?? "")}${place.elsewhere ? ", with the same --db" : ""}`
    return waits ? [{ _tag: "Note", text }] : []
  }
}

/** What came of it. A report that is without something is there, and yet no success. */
export const summarise = ({
  files,
  findings,
  report,
  score,
  unread = []
}: AuditOutcome): Effect.Effect<void, CliError> =>
  Effect.suspend(() => {
    const judged = score === undefined ? "" : `, score ${Math.round(score)} of 100`
    Process.stdout.write(`${count(files, "file")}, ${count(findings, "finding")}${judged}\nReport: ${report}\n`)
    const [first, ...others] = unread
    if (first === undefined) return Effect.void
    const all = others.length === 0 ? first : `${first} and ${count(others.length, "other")}`
    return Effect.fail(workError(`The report is without ${all}, which could not be read.`))
  })

const conclude = (handle: RunHandle<AuditOutcome, unknown>, exit: Exit.Exit<AuditOutcome, unknown>) => {
  if (Exit.isSuccess(exit)) {
    return summarise(exit.value)
  }
  const error = Cause.findErrorOption(exit.cause)
  return Effect.fail(
    workError(
      error._tag === "Some"
        ? sentenceOf(error.value)
        : `Audit ${Names.readable(handle.id)} met a bug: ${sentenceOf(Cause.squash(exit.cause))}`
    )
  )
}
