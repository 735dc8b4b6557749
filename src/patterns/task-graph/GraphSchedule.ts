/**
 * Decides which node of a graph opens, starts, or is skipped next. Pure bookkeeping on numbers: no effects, no clock.
 *
 * Life of a node: `Pending` until its join is met, `Open` until its condition is known, then `Admitted` with a number of
 * units of work, at last `Completed`, `Skipped` or `Failed`. What happens depends on nothing but the order of the calls,
 * so a replay that completes units in the recorded order decides the same.
 */
import type * as Join from "./Join.ts"
import { WorkerHeap } from "../supervisor/WorkerHeap.ts"

export interface ScheduleNode {
  /** Numbers of the nodes it depends on. */
  readonly after: ReadonlyArray<number>
  readonly join: Join.Join
  readonly priority: number
}

export type SkipReason =
  | { readonly _tag: "ConditionFalse" }
  | { readonly _tag: "DependencySkipped"; readonly dependency: number }
  | { readonly _tag: "NotNeeded"; readonly by: number }

type Status = "Pending" | "Open" | "Admitted" | "Completed" | "Skipped" | "Failed"

interface State {
  status: Status
  /** Of its dependencies: how many are neither completed nor skipped nor failed. */
  undecided: number
  completed: number
  failed: number
  /** Units: all, started, ended, and how many may be in flight. */
  units: number
  started: number
  ended: number
  limit: number
}

const none: ReadonlySet<number> = new Set()

export class GraphSchedule {
  private readonly nodes: ReadonlyArray<ScheduleNode>
  private readonly dependents: ReadonlyArray<ReadonlyArray<number>>
  private readonly states: ReadonlyArray<State>
  private readonly concurrency: number
  /** Admitted nodes that may start a unit, by priority. */
  private readonly ready: WorkerHeap
  private readonly opened: Array<number> = []
  private openedHead = 0
  private readonly skips: Array<{ readonly node: number; readonly reason: SkipReason }> = []
  private skipsHead = 0
  private inFlight = 0
  private decided = 0

  constructor(nodes: ReadonlyArray<ScheduleNode>, concurrency: number) {
    const dependents: Array<Array<number>> = nodes.map(() => [])
    nodes.forEach((node, number) => node.after.forEach((dependency) => dependents[dependency]!.push(number)))
    this.nodes = nodes
    this.dependents = dependents
    this.concurrency = concurrency
    this.ready = new WorkerHeap(nodes.length)
    this.states = nodes.map((node) => ({
      status: "Pending",
      undecided: node.after.length,
      completed: 0,
      failed: 0,
      units: 0,
      started: 0,
      ended: 0,
      limit: 0
    }))
    nodes.forEach((node, number) => {
      if (node.after.length === 0) this.open(number)
    })
  }

  /** Every node is completed, skipped or failed. */
  get isDone(): boolean {
    return this.decided === this.nodes.length
  }

  isCompleted(node: number): boolean {
    return this.states[node]!.status === "Completed"
  }

  /** Has work that its result depends on. */
  isAdmitted(node: number): boolean {
    return this.states[node]!.status === "Admitted"
  }

  isSkipped(node: number): boolean {
    return this.states[node]!.status === "Skipped"
  }

  /** A node whose join is met: `admit`, `skip` or `fail` it. */
  nextOpened(): number | undefined {
    while (this.openedHead < this.opened.length) {
      const node = this.opened[this.openedHead++]!
      if (this.states[node]!.status === "Open") return node
    }
    return undefined
  }

  /** A node that was skipped since the last call. */
  nextSkipped(): { readonly node: number; readonly reason: SkipReason } | undefined {
    return this.skipsHead < this.skips.length ? this.skips[this.skipsHead++] : undefined
  }

  /** The unit of work to start next, within all limits. It counts as in flight until `end`. */
  nextUnit(): { readonly node: number; readonly unit: number } | undefined {
    if (this.inFlight >= this.concurrency) return undefined
    const node = this.ready.first(none)
    if (node === undefined) return undefined
    const unit = this.states[node]!.started++
    this.inFlight++
    this.rank(node)
    return { node, unit }
  }

  /** A unit has ended, whatever way. `true`: it was the node's last. */
  end(node: number): boolean {
    const state = this.states[node]!
    this.inFlight--
    state.ended++
    this.rank(node)
    return state.ended === state.units
  }

  /** Gives the node its work. Returns the dependencies that are not needed any more, by its join: they are skipped. */
  admit(node: number, options: { readonly units: number; readonly limit: number }): ReadonlyArray<number> {
    Object.assign(this.states[node]!, { status: "Admitted", ...options })
    this.rank(node)
    const { after, join } = this.nodes[node]!
    if (join._tag !== "First" || join.losers === "finish") return []
    const losers = after.filter((dependency) => this.isUnneeded(dependency))
    for (const loser of losers) this.skip(loser, { _tag: "NotNeeded", by: node })
    return losers
  }

  complete(node: number): void {
    this.decide(node, "Completed")
  }

  skip(node: number, reason: SkipReason): void {
    this.skips.push({ node, reason })
    this.decide(node, "Skipped")
  }

  /** Those that cannot start without it fail with it. */
  fail(node: number): void {
    this.decide(node, "Failed")
  }

  private open(node: number): void {
    this.states[node]!.status = "Open"
    this.opened.push(node)
  }

  private isUnneeded(node: number): boolean {
    return (
      this.isUndecided(node) &&
      this.dependents[node]!.every((dependent) => this.states[dependent]!.status !== "Pending")
    )
  }

  isUndecided(node: number): boolean {
    const { status } = this.states[node]!
    return status === "Pending" || status === "Open" || status === "Admitted"
  }

  /** Keeps the node among the ready exactly as long as it may start a unit. */
  private rank(node: number): void {
    const { ended, limit, started, status, units } = this.states[node]!
    if (status === "Admitted" && started < units && started - ended < limit) {
      if (!this.ready.has(node)) this.ready.set(node, -this.nodes[node]!.priority)
    } else {
      this.ready.remove(node)
    }
  }

  /** A list instead of recursion: a chain may be as long as the graph is large. */
  private decide(node: number, status: "Completed" | "Skipped" | "Failed"): void {
    const changed = [this.settle(node, status)]
    for (let next = changed.pop(); next !== undefined; next = changed.pop()) {
      const dependency = next
      // The last pushed is taken first, so dependents are pushed from the last to the first.
      for (const dependent of this.dependents[dependency]!.toReversed()) {
        const verdict = this.hear(dependent, dependency)
        if (verdict === "Skipped")
          this.skips.push({ node: dependent, reason: { _tag: "DependencySkipped", dependency } })
        if (verdict !== undefined) changed.push(this.settle(dependent, verdict))
      }
    }
  }

  private settle(node: number, status: "Completed" | "Skipped" | "Failed"): number {
    this.states[node]!.status = status
    this.decided++
    this.rank(node)
    return node
  }

  /** Counts a decided dependency. Opens the node, or says what becomes of one that can never open. */
  private hear(node: number, dependency: number): "Skipped" | "Failed" | undefined {
    const state = this.states[node]!
    const { status } = this.states[dependency]!
    state.undecided--
    if (status === "Completed") state.completed++
    if (status === "Failed") state.failed++
    if (state.status !== "Pending") return undefined
    switch (this.verdict(node)) {
      case "wait":
        return undefined
      case "open":
        this.open(node)
        return undefined
      case "never":
        return state.failed > 0 ? "Failed" : "Skipped"
    }
  }

  private verdict(node: number): "wait" | "open" | "never" {
    const { after, join } = this.nodes[node]!
    const { completed, failed, undecided } = this.states[node]!
    switch (join._tag) {
      case "All":
        return completed + undecided < after.length ? "never" : undecided === 0 ? "open" : "wait"
      case "Settled":
        return failed > 0 ? "never" : undecided === 0 ? "open" : "wait"
      case "First":
        return completed >= join.count ? "open" : completed + undecided < join.count ? "never" : "wait"
    }
  }
}
