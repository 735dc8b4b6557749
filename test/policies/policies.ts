/** What the programs of the durable tests of policies have in common. */
import { Effect } from "effect"
import { Agent } from "../../src/index.ts"
import { Refused, Say, type World } from "../durable/program.ts"

/** An agent that performs a task, so that a policy around it becomes part of its step. It succeeds from an attempt on. */
export const leafOf = (
  { act }: World,
  name: string,
  options: { readonly takes?: string; readonly from?: number } = {}
) =>
  Agent.make(name, {
    task: Say,
    run: ({ text }, { attempt, idempotencyKey }) =>
      Effect.gen(function* () {
        if (options.takes !== undefined) yield* Effect.sleep(options.takes as "1 second")
        if (attempt < (options.from ?? 1)) return yield* new Refused({ what: `${name} ${attempt}` })
        act(idempotencyKey, `${name} ${text}`)
        return `${name}(${text})`
      })
  })

/** An agent of that agent, called twice. */
export const twice = <E, R>(name: string, part: Agent.Agent<{ readonly text: string }, string, E, R>) =>
  Agent.compose(name, {
    run: ({ text }: { readonly text: string }) =>
      Effect.map(Effect.all([part.run({ text: `${text}1` }), part.run({ text: `${text}2` })]), (answers) =>
        answers.join(" ")
      )
  })

/** How a call ended, in a word. */
export const told = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.match(effect, { onSuccess: (answer): A | string => answer, onFailure: (error): A | string => error._tag })
