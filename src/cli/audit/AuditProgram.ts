/**
 * The audit as one durable program: a task graph of agents, and a saga that publishes what they found.
 *
 * ```
 * collect ─┬─ measure[…] ──────────┐
 *          ├─ imports[…] ── cycles ─┤
 *          ├─ links[…] ─────────────┼─ report ── publish
 *          ├─ lockfile ─────────────┤
 *          └─ history ──────────────┘
 * ```
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Path from "node:path"
import { ContractViolation, AgentTimedOut } from "../../core/AgentError.ts"
import * as Agent from "../../core/Agent.ts"
import * as Orchestration from "../../durable/Orchestration.ts"
import * as Signal from "../../durable/Signal.ts"
import { CompensationFailed } from "../../patterns/saga/CompensationFailed.ts"
import * as Saga from "../../patterns/saga/Saga.ts"
import { NoWorker, RestartsExceeded } from "../../patterns/supervisor/SupervisorError.ts"
import * as TaskGraph from "../../patterns/task-graph/TaskGraph.ts"
import { Approval } from "./Approval.ts"
import * as Agents from "./AuditAgents.ts"
import { CollectError, type FileGroup, type SourceTree } from "./Collect.ts"
import { unreadIn } from "./Finding.ts"
import { InstallError } from "./Publish.ts"
import { scores } from "./Score.ts"
import { WorkspaceError } from "./Workspace.ts"

export const AuditInput = Schema.Struct({
  /** Absolute path of the folder to audit. */
  root: Schema.String,
  /** Absolute path of the report. */
  report: Schema.String,
  /** Tells this run's files from those of others. */
  runName: Schema.String,
  /** Wait for a person before the report is published. */
  approve: Schema.Boolean
})
export type AuditInput = typeof AuditInput.Type

/** A person refused the report; nothing was published. */
export class AuditRefused extends Schema.TaggedError<AuditRefused>()("AuditRefused", { report: Schema.String }) {
  override get message(): string {
    return `The report was refused, so nothing was written to ${this.report}.`
  }
}

export const AuditOutcome = Schema.Struct({
  report: Schema.String,
  files: Schema.Int,
  findings: Schema.Int,
  /** What could not be read, so that the report is without it; left out where there is nothing. */
  unread: Schema.optionalKey(Schema.Array(Schema.String)),
  /** 0 to 100; left out where there was nothing to judge. */
  score: Schema.optionalKey(Schema.Number)
})
export type AuditOutcome = typeof AuditOutcome.Type

export const AuditError = Schema.Union([
  AgentTimedOut,
  AuditRefused,
  CollectError,
  CompensationFailed,
  ContractViolation,
  InstallError,
  NoWorker,
  RestartsExceeded,
  WorkspaceError
])

const groupInput = (group: FileGroup, { tree }: { readonly tree: SourceTree }) => ({ root: tree.root, group })

const hasLanguage = (group: FileGroup, languages: ReadonlySet<string>): boolean =>
  group.files.some((file) => languages.has(file.language))

const scannable: ReadonlySet<string> = new Set(["TypeScript", "JavaScript", "Python"])
const markdown: ReadonlySet<string> = new Set(["Markdown"])

const groupsIn = (tree: SourceTree, languages: ReadonlySet<string>): ReadonlyArray<FileGroup> =>
  tree.groups.filter((group) => hasLanguage(group, languages))

/** What all agents find out, at most eight at a time. */
export const graph = TaskGraph.make("audit", { input: AuditInput, concurrency: 8 })
  .add("collect", Agents.collector, { input: (_, { root }) => ({ root }) })
  .addEach("measure", Agents.readers, {
    after: ["collect"],
    over: ({ collect }) => collect.groups,
    key: (group) => group.id,
    input: (group, { collect }) => groupInput(group, { tree: collect }),
    concurrency: 4
  })
  .addEach("imports", Agents.importScanner, {
    after: ["collect"],
    over: ({ collect }) => groupsIn(collect, scannable),
    key: (group) => group.id,
    input: (group, { collect }) => groupInput(group, { tree: collect }),
    concurrency: 4
  })
  .add("cycles", Agents.cycleFinder, {
    after: ["collect", "imports"],
    input: ({ collect, imports }) => ({
      root: collect.root,
      files: collect.groups.flatMap((group) => group.files.map((file) => file.path)),
      edges: imports.flatMap((scan) => scan.edges)
    })
  })
  .addEach("links", Agents.linkChecker, {
    after: ["collect"],
    over: ({ collect }) => groupsIn(collect, markdown),
    key: (group) => group.id,
    input: (group, { collect }) => groupInput(group, { tree: collect }),
    concurrency: 4
  })
  .add("lockfile", Agents.lockfileChecker, { after: ["collect"], input: (_, { root }) => ({ root }) })
  .add("history", Agents.historian, { after: ["collect"], input: (_, { root }) => ({ root }) })

/** The report is beside, then in place; whatever goes wrong after either is undone, after a crash as well. */
const publish = (input: AuditInput, content: string) =>
  Effect.gen(function* () {
    const publication = { path: input.report, runId: input.runName }
    const staged = yield* Agents.stager
      .run({ publication, content })
      .pipe(Saga.undo(() => Agents.unstager.run(publication)))
    if (input.approve) {
      const { approved } = yield* Signal.await(Approval)
      if (!approved) return yield* new AuditRefused({ report: input.report })
    }
    const installed = yield* Agents.installer
      .run(staged)
      .pipe(Saga.undo((installed) => Agents.retractor.run(installed)))
    yield* Agents.settler.run(publication).pipe(Saga.irreversible)
    return installed
  }).pipe(Saga.transaction("publish"))

const publisher = Agent.compose("publisher", {
  run: ({ content, input }: { readonly input: AuditInput; readonly content: string }) => publish(input, content)
})

const runAudit = (input: AuditInput) =>
  Effect.gen(function* () {
    const found = yield* graph.run(input)
    const results = {
      name: Path.basename(input.root),
      tree: found.collect,
      measurements: found.measure,
      imports: found.cycles,
      links: found.links,
      lockfile: found.lockfile,
      history: found.history
    }
    const { markdown: content } = yield* Agents.reporter.run({
      results,
      picture: TaskGraph.toMermaid(graph),
      linkBase: `${Path.relative(Path.dirname(input.report), input.root)}/`,
      footer: `Audit ${input.runName}`
    })
    yield* publisher.run({ input, content })
    const { overall } = scores(results)
    const findings = [found.collect, found.cycles, ...found.measure, ...found.links].flatMap(({ findings }) => findings)
    const unread = unreadIn(findings)
    const outcome: AuditOutcome = {
      report: input.report,
      files: found.collect.fileCount,
      findings: findings.length,
      ...(unread.length === 0 ? {} : { unread }),
      ...(overall === undefined ? {} : { score: overall })
    }
    return outcome
  })

export const Audit = Orchestration.make("Audit", {
  version: 1,
  input: AuditInput,
  output: AuditOutcome,
  error: AuditError,
  key: (input) => input.runName,
  startMarkers: true,
  run: runAudit
})
