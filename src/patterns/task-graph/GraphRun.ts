/**
 * Carries out a task graph: opens scopes, starts a fiber for each unit of work, hears how it ended.
 *
 * There is no coordinating fiber. Whoever ends a unit of work takes the next decisions at once, in the same turn of the
 * scheduler, so the order of completions is all that they depend on.
 */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as PatternEvent from "../../core/PatternEvent.ts"
import * as Run from "../../core/Run.ts"
import type { Dependencies, GraphNode } from "./GraphNode.ts"
import { GraphSchedule, type ScheduleNode, type SkipReason } from "./GraphSchedule.ts"

export type OnFailure = "failFast" | "finishIndependent"

/** A graph ready to be carried out any number of times. */
export interface Compiled {
  readonly nodes: ReadonlyArray<GraphNode>
  readonly schedule: ReadonlyArray<ScheduleNode>
  readonly concurrency: number
  readonly onFailure: OnFailure
}

export const compile = (
  nodes: ReadonlyArray<GraphNode>,
  options: { readonly concurrency: number; readonly onFailure: OnFailure }
): Compiled => {
  const numbers = new Map(nodes.map((node, number) => [node.id, number]))
  const schedule = nodes.map(({ after, join, priority }) => ({
    after: after.map((dependency) => numbers.get(dependency)!),
    join,
    priority
  }))
  return { nodes, schedule, ...options }
}

type Outputs = { readonly [node: string]: unknown }
type AnyContext = Context.Context<any>

class GraphRun {
  private readonly graph: Compiled
  private readonly input: unknown
  private readonly context: AnyContext
  private readonly schedule: GraphSchedule
  private readonly contexts: Array<AnyContext | undefined>
  private readonly seen: Array<Dependencies>
  private readonly items: Array<ReadonlyArray<unknown>>
  private readonly outputs: Array<unknown>
  /** Units of work and skip notes under way, with their node. */
  private readonly fibers = new Map<Fiber.Fiber<unknown, unknown>, number>()
  private readonly causes: Array<Cause.Cause<unknown>> = []
  private stopping = false
  private advancing = false
  private onEnd: (outcome: Effect.Effect<Outputs, unknown>) => void

  constructor(
    graph: Compiled,
    input: unknown,
    on: { readonly context: AnyContext; readonly end: (outcome: Effect.Effect<Outputs, unknown>) => void }
  ) {
    this.graph = graph
    this.input = input
    this.context = on.context
    this.onEnd = on.end
    this.schedule = new GraphSchedule(graph.schedule, graph.concurrency)
    this.contexts = graph.nodes.map(() => undefined)
    this.seen = graph.nodes.map(() => ({}))
    this.items = graph.nodes.map(() => [])
    this.outputs = graph.nodes.map(() => undefined)
  }

  /** Takes every decision that can be taken now. A unit that ends before its start returns finds it at work already. */
  advance(): void {
    if (this.advancing) return
    this.advancing = true
    while (!this.stopping && this.decideOne());
    this.advancing = false
    if (this.fibers.size === 0 && (this.stopping || this.schedule.isDone)) this.onEnd(this.outcome)
  }

  /** Interrupts what is under way and waits for it. */
  readonly interrupt: Effect.Effect<void> = Effect.callback((resume) => {
    this.onEnd = () => resume(Effect.void)
    this.stop()
    this.advance()
  })

  private decideOne(): boolean {
    const opened = this.schedule.nextOpened()
    if (opened !== undefined) return this.decide(opened)
    const skipped = this.schedule.nextSkipped()
    if (skipped !== undefined) return this.noteSkip(skipped.node, skipped.reason)
    const unit = this.schedule.nextUnit()
    return unit !== undefined && this.start(unit.node, unit.unit)
  }

  private decide(number: number): true {
    const node = this.graph.nodes[number]!
    const seen = this.dependenciesOf(number)
    this.seen[number] = seen
    try {
      if (node.when !== undefined && !node.when(seen, this.input)) {
        this.schedule.skip(number, { _tag: "ConditionFalse" })
      } else if (node.work._tag === "One") {
        this.admit(number, { units: 1, limit: 1 })
      } else {
        const items = node.work.over(seen, this.input)
        this.items[number] = items
        this.outputs[number] = Array.from({ length: items.length })
        this.admit(number, { units: items.length, limit: node.work.concurrency })
      }
    } catch (defect) {
      this.fail(number, Cause.die(defect))
    }
    return true
  }

  private admit(number: number, work: { readonly units: number; readonly limit: number }): void {
    for (const loser of this.schedule.admit(number, work)) this.interruptNode(loser)
    if (work.units === 0) this.schedule.complete(number)
  }

  private dependenciesOf(number: number): Dependencies {
    const { after } = this.graph.schedule[number]!
    return Object.fromEntries(
      after.map((dependency) => [
        this.graph.nodes[dependency]!.id,
        this.schedule.isCompleted(dependency) ? this.outputs[dependency] : undefined
      ])
    )
  }

  private start(number: number, unit: number): true {
    const { agent, work } = this.graph.nodes[number]!
    const seen = this.seen[number]!
    const call =
      work._tag === "One"
        ? Effect.suspend(() => agent.run(work.input(seen, this.input)))
        : Effect.suspend(() => {
            const item = this.items[number]![unit]
            return Run.scoped(work.key(item, unit))(Effect.suspend(() => agent.run(work.input(item, seen, this.input))))
          })
    this.fork(number, call, (exit) => this.unitEnded(number, unit, exit))
    return true
  }

  private unitEnded(number: number, unit: number, exit: Exit.Exit<unknown, unknown>): void {
    const last = this.schedule.end(number)
    if (Exit.isFailure(exit)) return this.fail(number, exit.cause)
    if (!this.schedule.isAdmitted(number)) return
    if (this.graph.nodes[number]!.work._tag === "One") this.outputs[number] = exit.value
    else (this.outputs[number] as Array<unknown>)[unit] = exit.value
    if (last) this.schedule.complete(number)
  }

  private fail(number: number, cause: Cause.Cause<unknown>): void {
    // What becomes of work nobody needs does not matter, unless it is a bug.
    if (this.schedule.isSkipped(number) && !Cause.hasDies(cause)) return
    const interruptedByUs = this.stopping || !this.isUndecided(number)
    if (!interruptedByUs || !Cause.hasInterruptsOnly(cause)) this.causes.push(cause)
    if (this.isUndecided(number)) this.schedule.fail(number)
    if (this.graph.onFailure === "failFast") this.stop()
    else this.interruptNode(number)
  }

  private isUndecided(number: number): boolean {
    return this.schedule.isUndecided(number)
  }

  private noteSkip(number: number, reason: SkipReason): true {
    const node = this.graph.nodes[number]!.id
    const note = PatternEvent.state({ _tag: "NodeSkipped", node, reason: this.describe(reason) })
    this.fork(number, note, () => {})
    return true
  }

  private describe(reason: SkipReason): string {
    switch (reason._tag) {
      case "ConditionFalse":
        return "its condition does not hold"
      case "DependencySkipped":
        return `its dependency "${this.graph.nodes[reason.dependency]!.id}" was skipped`
      case "NotNeeded":
        return `"${this.graph.nodes[reason.by]!.id}" does not need it any more`
    }
  }

  /** Starts at once and in this turn: what a node does first must not wait for the scheduler. */
  private fork(
    number: number,
    effect: Effect.Effect<unknown, unknown, any>,
    onExit: (exit: Exit.Exit<unknown, unknown>) => void
  ): void {
    const fiber = Effect.runForkWith(this.contextOf(number))(effect)
    this.fibers.set(fiber, number)
    fiber.addObserver((exit) => {
      this.fibers.delete(fiber)
      onExit(exit)
      this.advance()
    })
    if (this.stopping) fiber.interruptUnsafe()
  }

  /** The node's own scope in a run, opened once however many units it has. */
  private contextOf(number: number): AnyContext {
    return (this.contexts[number] ??= Effect.runSyncWith(this.context)(
      Run.scoped(this.graph.nodes[number]!.id)(Effect.context<any>())
    ))
  }

  private stop(): void {
    this.stopping = true
    for (const fiber of this.fibers.keys()) fiber.interruptUnsafe()
  }

  private interruptNode(number: number): void {
    for (const [fiber, node] of this.fibers) if (node === number) fiber.interruptUnsafe()
  }

  private get outcome(): Effect.Effect<Outputs, unknown> {
    const [first, ...more] = this.causes
    if (first !== undefined) return Effect.failCause(more.reduce<Cause.Cause<unknown>>(Cause.combine, first))
    return Effect.succeed(
      Object.fromEntries(
        this.graph.nodes.map((node, number) => [
          node.id,
          this.schedule.isCompleted(number) ? this.outputs[number] : undefined
        ])
      )
    )
  }
}

/** Runs every node in its turn. Interruption interrupts what is under way and waits for it. */
export const run = (graph: Compiled, input: unknown): Effect.Effect<Outputs, any, any> =>
  Effect.contextWith((context: AnyContext) =>
    Effect.callback<Outputs, unknown>((resume) => {
      const performance = new GraphRun(graph, input, { context, end: resume })
      performance.advance()
      return performance.interrupt
    })
  )
