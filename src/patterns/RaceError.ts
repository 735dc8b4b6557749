/** How a race fails: everybody lost. */
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import type * as Task from "../core/Task.ts"

/** How one agent failed. */
export interface Failure<out E> {
  readonly agent: string
  readonly error: E
}

const fields = <S extends Schema.Constraint>(error: S) => ({
  race: Schema.String,
  /** In the order of the agents. */
  failures: Schema.Array(Schema.Struct({ agent: Schema.String, error }))
})

/**
 * Every agent of a race failed.
 *
 * **Details** The class is a schema that keeps of each error what any error has: name and message. `AllFailed.schema(errors)` is
 * the one that brings them back as they were.
 *
 * @category errors
 * @stability experimental
 * @since 0.1.0
 */
export class AllFailed<out E = unknown> extends Schema.TaggedError<AllFailed<any>>()(
  "AllFailed",
  fields(Schema.Defect())
) {
  declare readonly failures: ReadonlyArray<Failure<E>>

  override get message(): string {
    return `All agents of race "${this.race}" failed: ${this.failures.map(({ agent, error }) => `"${agent}" (${reason(error)})`).join(", ")}.`
  }

  /** The schema of `AllFailed` for agents that fail with `errors`. */
  static schema<S extends Task.ErrorSchema>(errors: S): Schema.Codec<AllFailed<S["Type"]>, unknown> {
    return Schema.Struct({ _tag: Schema.tag("AllFailed"), ...fields(errors) }).pipe(
      Schema.decodeTo(
        Schema.instanceOf(AllFailed),
        SchemaTransformation.transform({
          decode: (fields: any) => new AllFailed(fields),
          encode: ({ failures, race }: AllFailed) => ({ _tag: "AllFailed" as const, race, failures })
        }) as any
      )
    ) as any
  }
}

const reason = (error: unknown): string =>
  error instanceof Error && error.message !== "" ? error.message : tagOf(error)

const tagOf = (error: unknown): string => String((error as { readonly _tag?: unknown } | null)?._tag ?? error)
