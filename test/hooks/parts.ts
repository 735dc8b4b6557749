/** What tests of hooks have in common: agents that write down what they were given, and hooks on memory stores. */
import { Effect, Layer, Schema } from "effect"
import * as Memory from "../../src/backends/Memory.ts"
import { Agent, Hook, Task } from "../../src/index.ts"

export class Declined extends Schema.TaggedError<Declined>()("Declined", { by: Schema.String }) {}

export const Say = Task.make("Say", { input: { text: Schema.String }, output: Schema.String, error: Declined })

/** An agent that answers with its name and what it was given. */
export const speaker = (name: string, log: Array<string> = [], capabilities: ReadonlyArray<string> = []) =>
  Agent.make(name, {
    task: Say,
    capabilities,
    run: ({ text }) =>
      Effect.suspend(() => {
        log.push(`${name} ${text}`)
        return text === "no" ? Effect.fail(new Declined({ by: name })) : Effect.succeed(`${name}(${text})`)
      })
  })

export const Text = Schema.Struct({ text: Schema.String })

/** Polls of no interest to a test. */
export const quiet = { pollInterval: "365 days", lease: "365 days" } as const

/** Hooks over stores of their own. */
export const layerOf = <const H extends ReadonlyArray<Hook.Hook<never>>>(
  hooks: H,
  options: Hook.LayerOptions = {},
  state = Memory.makeState()
) => Hook.layer(hooks, { ...quiet, ...options }).pipe(Layer.provideMerge(Memory.storesOf(state)))

/** As many times as are asked for: `hook phase outcome`, oldest first. */
export const executions = Effect.map(
  Hook.Hooks.use(({ executions }) => executions),
  (all) => all.toReversed().map(({ hook, outcome, subject }) => `${hook} ${subject} ${outcome}`)
)
