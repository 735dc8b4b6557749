/** How the members of a hierarchy keep their places in a run, whatever goes on beside them. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Schema from "effect/Schema"
import * as Run from "../../core/Run.ts"
import * as StepPath from "../../core/StepPath.ts"

const busy = new WeakMap<StepPath.StepScope, Set<string>>()

/**
 * Gives the effect a scope of its own. In a run, two of one name that go on at once in one scope are a mistake: which of
 * them is the first would be decided by chance, and otherwise on replay.
 */
export const inOwnScope = (name: string): (<A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>) => {
  const scoped = Run.scoped(name)
  return (self) =>
    Run.withCurrent(({ scope }) => {
      const names = busy.get(scope) ?? new Set()
      busy.set(scope, names)
      if (names.has(name)) return Effect.die(new Error(ambiguous(name, scope.path)))
      return Effect.suspend(() => {
        names.add(name)
        return Effect.ensuring(
          scoped(self),
          Effect.sync(() => names.delete(name))
        )
      })
    }, self)
}

const ambiguous = (name: string, path: string) =>
  `two of "${name}" go on at once in "${path}": give each delegation a key, or each branch a scope (Step.keyed)`

/** Something that changes what this process holds, and that a run records. */
export interface Change<A> {
  /** Calls `changed` with the answer, in the same breath as it makes the change. */
  readonly live: (changed: (answer: A) => A) => Effect.Effect<A>
  /** Makes the change that the journal tells of. */
  readonly replayed: (answer: A) => void
  /** Takes the change back: an interruption was faster than the answer. */
  readonly dropped?: (answer: A) => void
}

/** Makes a change and records the answer. On replay the answer comes from the journal, and the change with it. */
export const recorded = <A extends Schema.Json>(name: string, change: Change<A>): Effect.Effect<A> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.contextWith((context: Context.Context<never>) => {
      let made: { readonly answer: A } | undefined
      const live = change.live((answer) => {
        made = { answer }
        return answer
      })
      const current = Context.get(context, Run.CurrentRun)
      const open = Context.get(context, Run.InterruptibleBody) ?? restore
      const asked =
        current === undefined
          ? open(live)
          : Effect.provideService(current.run.step(current.scope, spec(name, live)), Run.InterruptibleBody, open)
      return Effect.onExit(asked, (exit) =>
        Effect.sync(() => {
          if (Exit.isFailure(exit)) return made && change.dropped?.(made.answer)
          if (made === undefined) change.replayed(exit.value)
        })
      )
    })
  )

const spec = <A extends Schema.Json>(name: string, live: Effect.Effect<A>): Run.StepSpec<A, never, never> => ({
  name,
  segment: StepPath.segment(name),
  input: null,
  codec: json as Run.OutcomeCodec<A, never>,
  attempt: () => live,
  idempotent: true,
  // Others in this run end the wait: an engine that stops must not wait for it.
  waits: true,
  onUnencodable: never
})

const never = (): never => {
  throw new Error("what the members of a hierarchy record cannot have failed")
}

/** What is recorded here is JSON already. */
const json: Run.OutcomeCodec<unknown, never> = {
  encodeSuccess: (value) => Exit.succeed(value as Schema.Json),
  decodeSuccess: Exit.succeed,
  encodeError: never,
  decodeError: never
}
