/** The agents of an audit: each performs one analysis, as one recorded step. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Agent from "../../core/Agent.ts"
import * as Task from "../../core/Task.ts"
import * as Directive from "../../patterns/supervisor/Directive.ts"
import * as Supervisor from "../../patterns/supervisor/Supervisor.ts"
import { collect, CollectError, CollectInput, SourceTree } from "./Collect.ts"
import { cycles, CyclesInput, ImportGraph } from "./Cycles.ts"
import { history, HistoryInput, HistoryResult } from "./History.ts"
import { imports, ImportScan } from "./Imports.ts"
import { LinkCheck, links } from "./Links.ts"
import { lockfile, LockfileInput, LockfileResult } from "./Lockfile.ts"
import { measure, Measurement } from "./Measure.ts"
import {
  install,
  Installed,
  InstallError,
  Publication,
  retract,
  settle,
  stage,
  Staged,
  StageInput,
  unstage
} from "./Publish.ts"
import { GroupInput } from "./Reading.ts"
import { report, ReportInput } from "./Report.ts"
import { WorkspaceError } from "./Workspace.ts"

export const collector = Agent.make("collect", {
  task: Task.make("Collect", { input: CollectInput, output: SourceTree, error: CollectError }),
  errors: WorkspaceError,
  run: (input) => collect(input)
})

const Measure = Task.make("Measure", { input: GroupInput, output: Measurement })

/** Three readers of equal skill; the one with the least to do gets the next group of files. */
export const readers = Supervisor.make("readers", {
  agents: [reader("reader-1"), reader("reader-2"), reader("reader-3")],
  intensity: { restarts: 5, within: "10 seconds" },
  onFailure: {
    AgentTimedOut: Directive.restart(
      Schedule.max([Schedule.exponential("200 millis"), Schedule.recurs(2)]),
      Directive.reroute
    ),
    ContractViolation: Directive.escalate
  }
})

function reader(name: string) {
  return Agent.make(name, { task: Measure, run: measure, capabilities: ["read"] }).pipe(
    Agent.timeout(Duration.minutes(2))
  )
}

export const importScanner = Agent.make("scan", {
  task: Task.make("ScanImports", { input: GroupInput, output: ImportScan }),
  run: (input) => imports(input)
})

export const cycleFinder = Agent.make("find", {
  task: Task.make("FindCycles", { input: CyclesInput, output: ImportGraph }),
  run: (input) => cycles(input)
})

export const linkChecker = Agent.make("check", {
  task: Task.make("CheckLinks", { input: GroupInput, output: LinkCheck }),
  run: (input) => links(input)
})

export const lockfileChecker = Agent.make("verify", {
  task: Task.make("VerifyLockfile", { input: LockfileInput, output: LockfileResult }),
  run: (input) => lockfile(input)
})

export const historian = Agent.make("read", {
  task: Task.make("ReadHistory", { input: HistoryInput, output: HistoryResult }),
  run: (input) => history(input)
})

export const reporter = Agent.make("write", {
  task: Task.make("WriteReport", { input: ReportInput, output: Schema.Struct({ markdown: Schema.String }) }),
  run: (input) => Effect.sync(() => ({ markdown: report(input) }))
})

const Nothing = Schema.Struct({})

export const stager = Agent.make("stage", {
  task: Task.make("StageReport", { input: StageInput, output: Staged, error: WorkspaceError }),
  run: (input) => stage(input)
})

export const unstager = Agent.make("unstage", {
  task: Task.make("UnstageReport", { input: Publication, output: Nothing, error: WorkspaceError }),
  run: (publication) => Effect.as(unstage(publication), {})
})

export const installer = Agent.make("install", {
  task: Task.make("InstallReport", { input: Staged, output: Installed, error: InstallError }),
  run: (staged) => install(staged)
})

export const retractor = Agent.make("retract", {
  task: Task.make("RetractReport", { input: Installed, output: Nothing, error: WorkspaceError }),
  run: (installed) => Effect.as(retract(installed), {})
})

export const settler = Agent.make("settle", {
  task: Task.make("SettleReport", { input: Publication, output: Nothing, error: WorkspaceError }),
  run: (publication) => Effect.as(settle(publication), {})
})
