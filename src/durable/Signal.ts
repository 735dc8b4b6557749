/**
 * A typed message from outside to a run: an approval, an answer, a correction.
 *
 * Stored before it is delivered, received in the order in which it was sent, each one once. A signal that comes before
 * the run waits for it is kept.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaParser from "effect/SchemaParser"
import * as Cause from "effect/Cause"
import * as Run from "../core/Run.ts"
import * as Task from "../core/Task.ts"

export interface Signal<in out A> {
  readonly name: string
  readonly encode: (value: A) => Exit.Exit<Schema.Json, SchemaIssue.Issue>
  readonly decode: (json: unknown) => Exit.Exit<A, SchemaIssue.Issue>
}

export interface SendOptions {
  /** Deduplication key, a UUID: sent twice, the signal counts once. */
  readonly id?: string
}

/** The value does not match the signal's schema; nothing was sent. */
export class InvalidSignal extends Schema.TaggedError<InvalidSignal>()("InvalidSignal", {
  signal: Schema.String,
  issue: Schema.String
}) {
  override get message(): string {
    return `Signal "${this.signal}" cannot be sent: ${this.issue}`
  }
}

/**
 * Makes a signal. The schema is that of its value, or the fields of a struct.
 *
 * @category constructors
 * @stability stable
 * @since 0.1.0
 */
export const make = <const S extends Task.SchemaOrFields>(
  name: string,
  schema: S
): Signal<Task.ToSchema<S>["Type"]> => {
  const codec = Schema.toCodecJson(Task.toSchema(schema))
  return {
    name,
    encode: SchemaParser.encodeUnknownExit(codec),
    decode: SchemaParser.decodeUnknownExit(codec)
  } as Signal<Task.ToSchema<S>["Type"]>
}

const await_ = <A>(signal: Signal<A>): Effect.Effect<A> =>
  Run.withCurrent(
    ({ run, scope }) => run.receive(scope, { signal: signal.name, decode: signal.decode }) as Effect.Effect<A>,
    unlessStepBody(signal.name, Effect.never)
  )

/** The body of a step is neither recorded nor replayed: no signal is delivered to it. */
const unlessStepBody = <A>(name: string, outside: Effect.Effect<A>): Effect.Effect<A> =>
  Effect.flatMap(Run.isStepBody, (isStepBody) =>
    isStepBody
      ? Effect.die(new Error(`signal "${name}" cannot be received in the body of a step: ${elsewhere}`))
      : outside
  )

/** Where a program may wait for messages to its run. */
export const elsewhere = "wait for it in the program of the run, or in an agent made with Agent.compose"

export {
  /**
   * Waits for the next signal. Outside a run nobody can send one: it waits until it is interrupted.
   *
   * **Gotchas** Not in the body of a step (`run` of `Agent.make`, `Step.run`), which is a defect: no signal arrives there.
   *
   * @category running
   * @stability stable
   * @since 0.1.0
   */
  await_ as await
}

/**
 * Waits for the next signal, but no longer than until a deadline fixed when this is first reached.
 *
 * **Details** The deadline survives restarts. A signal that arrived wins over a deadline that passed at the same moment.
 * Outside a run nobody can send one: it waits until the deadline.
 *
 * **Gotchas** Not in the body of a step, which is a defect: as with `await`.
 *
 * @category running
 * @stability stable
 * @since 0.1.0
 */
export const awaitFor = <A>(signal: Signal<A>, timeout: Duration.Input): Effect.Effect<Option.Option<A>> => {
  const limit = Duration.fromInputUnsafe(timeout)
  const { decode, name } = signal
  return Run.withCurrent(
    ({ run, scope }) =>
      Effect.map(
        run.receive<Option.Option<A>>(scope, {
          signal: name,
          decode: (json) => Exit.map(decode(json), Option.some),
          timeout: limit
        }),
        (received) => received ?? Option.none()
      ),
    unlessStepBody(name, Effect.as(Effect.sleep(limit), Option.none()))
  )
}

const formatIssue = SchemaIssue.makeFormatterDefault()

/** The signal's value as JSON. */
export const encode = <A>(signal: Signal<A>, value: A): Effect.Effect<Schema.Json, InvalidSignal> => {
  const exit = signal.encode(value)
  if (Exit.isSuccess(exit)) return Effect.succeed(exit.value)
  const issue = Cause.findErrorOption(exit.cause)
  return Effect.fail(
    new InvalidSignal({
      signal: signal.name,
      issue: issue._tag === "Some" ? formatIssue(issue.value) : "not encodable"
    })
  )
}
