/**
 * A choice made from what the process knows at that moment (load, open circuits, the clock), and so one that replay
 * could not make again.
 *
 * Inside a run it is recorded as a step and answered from the journal ever after; outside it is just made.
 *
 * **Gotchas** One more recorded event per decision.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as SchemaParser from "effect/SchemaParser"
import * as Run from "../core/Run.ts"
import * as StepPath from "../core/StepPath.ts"

/** Makes a choice out of the facts it may legally depend on and an effect that makes it. */
export type Decision<A> = (facts: Schema.Json, decide: Effect.Effect<A>) => Effect.Effect<A>

/**
 * Names a kind of decision, and says what its answers look like.
 *
 * **Details** `facts` goes into the digest of the step: a replay with other facts stops the run instead of answering
 * with a choice that was made about something else. `waits`: making it may take as long as others make it wait, and an
 * engine that stops need not wait for it. A choice that was made but not recorded by then is made anew by whoever recovers
 * the run, so making one must change nothing but this process.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const make = <A>(
  name: string,
  schema: Schema.ConstraintCodec<A, any, never, never>,
  options: Pick<Run.StepSpec<A, never, never>, "waits"> = {}
): Decision<A> => {
  const segment = StepPath.segment(name)
  let codec: Run.OutcomeCodec<A, never> | undefined
  return (facts, decide) =>
    Run.withCurrent(
      ({ run, scope }) =>
        run.step<A, never, never>(scope, {
          name,
          segment,
          input: facts,
          codec: (codec ??= codecOf(name, schema)),
          attempt: () => decide,
          idempotent: true,
          ...options,
          onUnencodable: (issue) => {
            throw new Error(`decision "${name}" has an answer that its schema does not allow: ${String(issue)}`)
          }
        }),
      decide
    )
}

const codecOf = <A>(name: string, schema: Schema.ConstraintCodec<A, any, never, never>): Run.OutcomeCodec<A, never> => {
  const json = Schema.toCodecJson(schema)
  return {
    encodeSuccess: SchemaParser.encodeUnknownExit(json) as Run.OutcomeCodec<A, never>["encodeSuccess"],
    decodeSuccess: SchemaParser.decodeUnknownExit(json),
    encodeError: () => Exit.succeed(null),
    decodeError: () => Exit.die(new Error(`decision "${name}" cannot have failed`))
  }
}
