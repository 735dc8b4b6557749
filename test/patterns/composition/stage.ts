/**
 * Where composed patterns perform: agents with a body that takes time, each of them undone by the transaction around the
 * whole, and counts of what is under way, done and undone.
 */
import { Effect } from "effect"
import { Agent, Saga } from "../../../src/index.ts"
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

/** Longer than any composition lasts. */
const forEver = "100 days"

export class Stage {
  /** Bodies under way. */
  alive = 0
  /** Bodies ever begun. */
  begun = 0
  /** What was done and what was undone, once for each idempotency key. */
  readonly done: Array<string> = []
  readonly undone: Array<string> = []
  private readonly keys = new Set<string>()

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
    return Effect.suspend(() => {
      this.alive++
      this.begun++
      return work
    }).pipe(Effect.ensuring(Effect.sync(() => void this.alive--)))
  }
}
