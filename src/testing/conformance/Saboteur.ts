/**
 * Backends that break one invariant each, made of an honest one: whoever passes a conformance suite sees by them that
 * the suite would have noticed.
 *
 * **Example** (Has the suite teeth on my driver?)
 *
 * ```ts
 * for (const saboteur of EventStoreSaboteurs.all) {
 *   it.effect(`${saboteur.invariant} catches a driver that ${saboteur.name}`, () =>
 *     Saboteur.caught(saboteur, EventStoreConformance.cases, MyDriver.layer)
 *   )
 * }
 * ```
 */
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type { Case, ConformanceFailure } from "./Conformance.ts"

/**
 * Breaks one invariant of the backend it is given, and leaves all others alone.
 *
 * @category models
 * @since 0.1.0
 */
export interface Saboteur<Given, Broken = Given> {
  /** Number of the invariant, as in the header of its suite. */
  readonly invariant: string
  /** What the broken backend does: goes on after "a backend that". */
  readonly name: string
  /** What else the honest layer provides is passed on. */
  readonly sabotage: <E, R>(honest: Layer.Layer<Given, E, R>) => Layer.Layer<Broken, E, R>
}

/**
 * A suite has passed a backend that is broken on purpose.
 *
 * @category errors
 * @since 0.1.0
 */
export class SaboteurNotCaught extends Schema.TaggedError<SaboteurNotCaught>()("SaboteurNotCaught", {
  invariant: Schema.String,
  name: Schema.String
}) {
  override get message(): string {
    return `No check of ${this.invariant} notices a backend that ${this.name}.`
  }
}

/**
 * Runs the checks of the saboteur's invariant on the sabotaged backend, each on a build of its own, until one fails.
 * Answers with what that one says.
 *
 * **Errors** `SaboteurNotCaught`: all of them pass.
 *
 * @category testing
 * @since 0.1.0
 */
export const caught = <Given, Broken, Needed extends Broken, E, R>(
  { invariant, name, sabotage }: Saboteur<Given, Broken>,
  cases: ReadonlyArray<Case<Needed>>,
  honest: Layer.Layer<Given, E, R>
): Effect.Effect<ConformanceFailure, SaboteurNotCaught | E, R> =>
  Effect.gen(function* () {
    for (const { check, id } of cases) {
      if (id !== invariant) continue
      const failure = yield* check.pipe(
        Effect.as(undefined),
        Effect.catchTag("ConformanceFailure", (failure) => Effect.succeed(failure)),
        Effect.provide(sabotage(honest))
      )
      if (failure !== undefined) return failure
    }
    return yield* new SaboteurNotCaught({ invariant, name })
  })
