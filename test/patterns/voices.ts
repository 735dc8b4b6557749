/** Agents for the tests of the small patterns: they say who was asked what, and can be slow, fail, or be broken. */
import { type Duration, Effect, Schema } from "effect"
import * as Agent from "../../src/core/Agent.ts"

export class Lost extends Schema.TaggedError<Lost>()("Lost", { who: Schema.String }) {
  override get message(): string {
    return `${this.who} lost`
  }
}

export interface Behaviour {
  readonly takes?: Duration.Input
  readonly fails?: boolean
  readonly dies?: boolean
  /** How long it needs to stop when it is interrupted. */
  readonly stopsIn?: Duration.Input
}

/** `log` hears, in order: `alice 1` when alice is asked 1, `alice done`, `alice failed`, `alice stopped`. */
export const voices = () => {
  const log: Array<string> = []
  const say = (what: string) => Effect.sync(() => void log.push(what))
  const voice = (name: string, { dies, fails, stopsIn = 0, takes = 0 }: Behaviour = {}) =>
    Agent.compose(name, {
      run: (input: string): Effect.Effect<string, Lost> =>
        say(`${name} ${input}`).pipe(
          Effect.andThen(takes === 0 ? Effect.void : Effect.sleep(takes)),
          Effect.andThen(dies === true ? Effect.die(new Error(`${name} broke`)) : Effect.void),
          Effect.andThen(fails === true ? Effect.fail(new Lost({ who: name })) : Effect.succeed(`${name}(${input})`)),
          Effect.tap(say(`${name} done`)),
          Effect.tapError(() => say(`${name} failed`)),
          Effect.onInterrupt(() =>
            Effect.andThen(stopsIn === 0 ? Effect.void : Effect.sleep(stopsIn), say(`${name} stopped`))
          )
        )
    })
  return { log, voice }
}
