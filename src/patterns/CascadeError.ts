/** How a cascade fails: nobody was sure. */
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import * as Task from "../core/Task.ts"

const fields = <S extends Schema.Constraint>(best: S) => ({
  cascade: Schema.String,
  /** What the last tier answered. */
  best
})

/**
 * No answer of a cascade was accepted.
 *
 * **Details** As a schema, the class keeps an answer that is JSON. `Unsure.schema(answer)` brings back any.
 *
 * @category errors
 * @stability experimental
 * @since 0.1.0
 */
export class Unsure<out A = unknown> extends Schema.TaggedError<Unsure<any>>()("Unsure", fields(Schema.Unknown)) {
  declare readonly best: A

  override get message(): string {
    return `Cascade "${this.cascade}" is not sure of any answer, not even of its last tier's.`
  }

  /** The schema of `Unsure` for tiers that answer so: a schema, or the fields of a struct. */
  static schema<const S extends Task.SchemaOrFields>(
    answer: S
  ): Schema.Codec<Unsure<Task.ToSchema<S>["Type"]>, unknown> {
    return Schema.Struct({ _tag: Schema.tag("Unsure"), ...fields(Task.toSchema(answer) as Schema.Constraint) }).pipe(
      Schema.decodeTo(
        Schema.instanceOf(Unsure),
        SchemaTransformation.transform({
          decode: (fields: any) => new Unsure(fields),
          encode: ({ best, cascade }: Unsure) => ({ _tag: "Unsure" as const, cascade, best })
        }) as any
      )
    ) as any
  }
}
