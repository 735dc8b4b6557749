/**
 * Tests of deciders that read as the rules do: given these events, when this command comes, then these events follow.
 *
 * **Example** (A rule and its exception)
 *
 * ```ts
 * yield* given(Order, [new Placed({ total: 12 })]).when(new Pay({ by: "ann" })).thenEvents([new Paid({ by: "ann" })])
 * yield* given(Order, [placed, paid]).when(new Pay({ by: "bob" })).thenFails(new AlreadyPaid({ by: "ann" }))
 * ```
 */
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import * as Formatter from "effect/Formatter"
import * as Schema from "effect/Schema"
import * as Cause from "effect/Cause"
import * as Decider from "../cqrs/Decider.ts"

/**
 * A decider decided otherwise. `message` shows what was expected and what came, line by line.
 *
 * @category errors
 * @stability experimental
 * @since 0.1.0
 */
export class DecidedOtherwise extends Schema.TaggedError<DecidedOtherwise>()("DecidedOtherwise", {
  /** Lines that agree begin with a space, expected ones with "-", actual ones with "+". */
  difference: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `The decider decided otherwise (- expected, + actual):\n${this.difference.join("\n")}`
  }
}

/**
 * What is to follow. Each fails with `DecidedOtherwise` if something else does.
 *
 * @category models
 * @stability experimental
 * @since 0.1.0
 */
export interface Then<Event, E, R> {
  /** Exactly these events, in this order. None: the command changes nothing. */
  readonly thenEvents: (events: ReadonlyArray<Event>) => Effect.Effect<void, DecidedOtherwise, R>
  /** This typed failure, with these fields. */
  readonly thenFails: (error: E) => Effect.Effect<void, DecidedOtherwise, R>
}

/**
 * Begins with the events so far.
 *
 * @category testing
 * @stability experimental
 * @since 0.1.0
 */
export const given = <Command, State, Event extends { readonly _tag: string }, E, R>(
  decider: Decider.Decider<Command, State, Event, E, R>,
  events: ReadonlyArray<Event>
): { readonly when: (command: Command) => Then<Event, E, R> } => ({
  when: (command) => {
    const outcome = Effect.map(
      Effect.exit(Effect.suspend(() => decider.decide(command, Decider.fold(decider, events)))),
      (exit) => (Exit.isSuccess(exit) ? exit.value : [new Failure(Cause.squash(exit.cause))])
    )
    const compare = (expected: ReadonlyArray<unknown>) =>
      Effect.flatMap(outcome, (actual) => {
        const difference = diff(expected, actual)
        return difference === undefined ? Effect.void : Effect.fail(new DecidedOtherwise({ difference }))
      })
    return { thenEvents: compare, thenFails: (error) => compare([new Failure(error)]) }
  }
})

/** Tells a failure from an event. */
class Failure {
  readonly error: unknown
  constructor(error: unknown) {
    this.error = error
  }
}

const diff = (expected: ReadonlyArray<unknown>, actual: ReadonlyArray<unknown>): ReadonlyArray<string> | undefined => {
  const lines: Array<string> = []
  for (let index = 0; index < Math.max(expected.length, actual.length); index++) {
    const same = index < expected.length && index < actual.length && isSame(expected[index], actual[index])
    if (same) lines.push(`  ${show(actual[index])}`)
    else {
      if (index < expected.length) lines.push(`- ${show(expected[index])}`)
      if (index < actual.length) lines.push(`+ ${show(actual[index])}`)
    }
  }
  return lines.every((line) => line.startsWith(" ")) ? undefined : lines
}

const isSame = (expected: unknown, actual: unknown): boolean =>
  expected instanceof Failure
    ? actual instanceof Failure && Equal.equals(expected.error, actual.error)
    : Equal.equals(expected, actual)

/** An error prints its fields, which its message may leave out. */
const show = (value: unknown): string => {
  if (!(value instanceof Failure)) return Formatter.format(value)
  const { error } = value
  if (!(error instanceof Error)) return `fails with ${Formatter.format(error)}`
  const { _tag: _, ...fields } = { _tag: error.name, ...error }
  return `fails with ${error.name} ${Formatter.format(fields)}`
}
