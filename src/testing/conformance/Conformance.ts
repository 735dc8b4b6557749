/**
 * What conformance suites are made of: numbered, named checks that need no test framework.
 *
 * **Example** (Running a suite with `@effect/vitest`)
 *
 * ```ts
 * for (const { check, id, name } of EventStoreConformance.cases) {
 *   it.effect(`${id}: ${name}`, () => check.pipe(Effect.provide(MyBackend.layer)))
 * }
 * ```
 */
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"

/**
 * A backend broke an invariant.
 *
 * @category errors
 * @since 0.1.0
 */
export class ConformanceFailure extends Schema.TaggedError<ConformanceFailure>()("ConformanceFailure", {
  invariant: Schema.String,
  what: Schema.String,
  expected: Schema.String,
  actual: Schema.String
}) {
  override get message(): string {
    return `${this.invariant}: ${this.what}: expected ${this.expected}, got ${this.actual}`
  }
}

/**
 * One check of one invariant, against the backend in its context.
 *
 * @category models
 * @since 0.1.0
 */
export interface Case<R> {
  readonly id: string
  readonly name: string
  readonly check: Effect.Effect<void, ConformanceFailure, R>
}

/**
 * What a check asserts with. Any other failure of the check is a failure of the invariant, too.
 *
 * @category models
 * @since 0.1.0
 */
export interface Expect {
  readonly equal: (what: string, actual: unknown, expected: unknown) => Effect.Effect<void, ConformanceFailure>
  /** The `_tag` of the failure of an effect; of its `reason`, if it has one. */
  readonly failure: <A, E, R>(
    what: string,
    effect: Effect.Effect<A, E, R>,
    tag: string
  ) => Effect.Effect<void, ConformanceFailure, R>
}

/**
 * Makes a case.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <E, R>(
  id: string,
  name: string,
  body: (expect: Expect) => Effect.Effect<void, E | ConformanceFailure, R>
): Case<R> => {
  const fail = (what: string, expected: unknown, actual: unknown) =>
    Effect.fail(new ConformanceFailure({ invariant: id, what, expected: show(expected), actual: show(actual) }))
  const expect: Expect = {
    equal: (what, actual, expected) => (Equal.equals(actual, expected) ? Effect.void : fail(what, expected, actual)),
    failure: (what, effect, tag) =>
      Effect.matchEffect(effect, {
        onFailure: (error) => (tagOf(error) === tag ? Effect.void : fail(what, tag, tagOf(error))),
        onSuccess: (value) => fail(what, tag, value)
      })
  }
  const check = body(expect).pipe(
    Effect.catch((error) =>
      error instanceof ConformanceFailure
        ? Effect.fail(new ConformanceFailure({ ...error, invariant: id }))
        : fail("the check could not finish", "no failure", String(error))
    )
  )
  return { id, name, check }
}

/**
 * A name no other check uses, so that a suite can run against a store that is not empty.
 *
 * @category constructors
 * @since 0.1.0
 */
export const uniqueName = (prefix: string): Effect.Effect<string> =>
  Effect.map(Random.nextInt, (number) => `${prefix}-${Math.abs(number).toString(36)}`)

const tagOf = (error: unknown): unknown => {
  if (typeof error !== "object" || error === null) return error
  if ("reason" in error) return tagOf(error.reason)
  return "_tag" in error ? error._tag : error
}

const show = (value: unknown): string => {
  const text = JSON.stringify(value) ?? String(value)
  return text.length > 300 ? `${text.slice(0, 300)}…` : text
}
