/**
 * A common set-up with holes: parameters in, the data of an instance out.
 *
 * A template is to data what a pattern is to agents, so it stands wherever an instance may stand: `{ template: Pool, name:
 * reviewers, parameters: { agents: [alice, bob] } }`. It may use other templates.
 *
 * Invariants (checked by `test/patterns/PatternTemplate.test.ts`):
 *
 *   J1. Parameters are read by their schemas, with defaults; what does not match is reported, each with its path.
 *   J2. What a template makes is checked as data written by hand is.
 *   J3. A template that leads back to itself is reported, never followed.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Body } from "./Instance.ts"
import type * as Pattern from "../pattern/Pattern.ts"
import * as PatternCheck from "../pattern/PatternCheck.ts"
import type { Issue } from "../pattern/PatternInvalid.ts"

const TypeId = "~tutti/patterns/PatternTemplate"

/**
 * A named way to write the data of an instance.
 *
 * @category models
 * @since 0.1.0
 */
export interface PatternTemplate<out Name extends string, F extends Pattern.Fields> {
  readonly [TypeId]: typeof TypeId
  readonly name: Name
  readonly description: string
  readonly parameters: Schema.Struct<F>
  /** The data that these parameters lead to. Its instance gets the name of whoever uses the template. */
  readonly produce: (parameters: Pattern.Options<F>) => Body
  /** As `produce`, for parameters as JSON, defaults left out. */
  readonly expand: (parameters: { readonly [parameter: string]: unknown }) => Result.Result<Body, ReadonlyArray<Issue>>
}

/** Any template, for constraints. */
export type Any = PatternTemplate<string, any>

/**
 * A parameter that takes an agent by its name, or the data of an instance.
 *
 * @category schemas
 * @stability experimental
 * @since 0.1.0
 */
export const Member = Schema.Union([Schema.NonEmptyString, Schema.Record(Schema.String, Schema.Json)])
export type Member = typeof Member.Type

/**
 * Makes a template.
 *
 * **Details** `produce` must be pure. What it throws is an issue of the data that uses the template.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const make = <const Name extends string, const F extends Pattern.Fields>(
  name: Name,
  definition: {
    /** One sentence for whoever chooses a template. */
    readonly description?: string
    /** Fields; `Pattern.optional` gives one a default, `PatternTemplate.Member` is a hole for an agent. */
    readonly parameters: F
    readonly produce: (parameters: Pattern.Options<F>) => Body
  }
): PatternTemplate<Name, F> => {
  const parameters = Schema.Struct(definition.parameters)
  const decode = PatternCheck.decode(parameters, "parameter")
  return {
    [TypeId]: TypeId,
    name,
    description: definition.description ?? "",
    parameters,
    produce: definition.produce,
    expand: (given) =>
      Result.flatMap(decode(given), (read) =>
        Result.try({
          try: () => definition.produce(read as Pattern.Options<F>),
          catch: (cause) => [{ path: [], message: cause instanceof Error ? cause.message : String(cause) }]
        })
      )
  }
}
