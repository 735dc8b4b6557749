/**
 * Where composed patterns perform: agents with a body that takes time, each of them undone by the transaction around the
 * whole, and counts of what is under way, done and undone.
 */
import { Clock, Effect, Metric, Schema } from "effect"
import { Agent, Approval, Saga } from "../../../src/index.ts"
import { Refused, Say } from "../../durable/program.ts"

export interface Line {
  readonly text: string
}

/** What every pattern is given, and what it makes of it. */
export type Player = Agent.Agent<Line, string, Refused, Saga.Transaction>

/** Any other failure than `Refused` is a mistake of the composition. */
export const player = <E>(agent: Agent.Agent<Line, string, E, Saga.Transaction>): Player =>
  Agent.transform(
    agent,
    Effect.catch((error) => (error instanceof Refused ? Effect.fail(error) : Effect.die(error)))
  )

/** Bodies under way, bodies ever begun, fibers under way. */
export interface Counts {
  readonly alive: number
  readonly begun: number
  readonly fibers: number
}

/** Longer than any composition lasts. */
const forEver = "100 days"

const approvalOf = (name: string) => Approval.make(name, { request: { text: Schema.String }, decision: Schema.String })

export class Stage {
  /** Bodies under way. */
  alive = 0
  /** Bodies ever begun. */
  begun = 0
  /** When the last of them ended. */
  lastEnd = 0
  /** Fibers of the program under way, besides the one that carries it out. */
  fibers = 0
  /** Who may be asked, by name. */
  readonly approvals = new Map<string, ReturnType<typeof approvalOf>>()
  /** What was done and what was undone, once for each idempotency key. */
  readonly done: Array<string> = []
  readonly undone: Array<string> = []
  private readonly keys = new Set<string>()

  get counts(): Counts {
    const { alive, begun, fibers } = this
    return { alive, begun, fibers }
  }

  /** One that says its name around what it hears. */
  readonly leaf = (name: string, takes = `${1 + (name.length % 4)} seconds`): Player => {
    const act = this.agent(name, takes, this.done)
    const undo = this.agent(`undo ${name}`, "1 second", this.undone)
    return Agent.compose(name, { run: (line: Line) => act.run(line).pipe(Saga.undo(() => undo.run(line))) })
  }

  /** One that never comes to an end. */
  readonly rival = (name: string): Player => this.leaf(name, forEver)

  /** One that refuses. */
  readonly refusing = (name: string): Player =>
    player(
      Agent.make(name, {
        task: Say,
        run: () => this.body(Effect.andThen(Effect.sleep("1 second"), new Refused({ what: name })))
      })
    )

  /** One that asks a person. */
  readonly approving = (name: string) => {
    const approval = approvalOf(name)
    this.approvals.set(name, approval)
    return approval
  }

  /** Counts the fibers of the program. */
  readonly counting = Effect.provideService(Metric.FiberRuntimeMetrics, {
    recordFiberStart: () => void this.fibers++,
    recordFiberEnd: () => void this.fibers--
  })

  private agent(name: string, takes: string, ledger: Array<string>): Player {
    const what = name.replace("undo ", "")
    return player(
      Agent.make(name, {
        task: Say,
        run: ({ text }, { idempotencyKey }) =>
          this.body(
            Effect.andThen(
              Effect.sleep(takes as "1 second"),
              Effect.sync(() => {
                if (!this.keys.has(idempotencyKey)) ledger.push(`${what} ${text}`)
                if (idempotencyKey !== "") this.keys.add(idempotencyKey)
                return `${name}(${text})`
              })
            )
          )
      })
    )
  }

  private body<A, E>(work: Effect.Effect<A, E>): Effect.Effect<A, E> {
    const begin = Effect.sync(() => {
      this.alive++
      this.begun++
    })
    const end = Effect.map(Clock.currentTimeMillis, (now) => {
      this.alive--
      this.lastEnd = now
    })
    return Effect.acquireUseRelease(
      begin,
      () => work,
      () => end
    )
  }
}
