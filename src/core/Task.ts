/**
 * A task is a contract: what goes in, what comes out, how it may fail. An agent fulfils it.
 */
import * as Schema from "effect/Schema"

/** A schema that turns values into JSON and back without needing a service, so that a value survives a restart. */
export type DataSchema = Schema.ConstraintCodec<any, any, never, never>

/** A schema of errors with a `_tag`, so that a policy can name each of them. */
export type ErrorSchema = Schema.ConstraintCodec<{ readonly _tag: string }, any, never, never>

export interface Task<
  out Name extends string = string,
  out Input extends DataSchema = DataSchema,
  out Output extends DataSchema = DataSchema,
  out Error extends ErrorSchema = ErrorSchema
> {
  readonly name: Name
  readonly input: Input
  readonly output: Output
  readonly error: Error
}

export type Any = Task<string, DataSchema, DataSchema, ErrorSchema>
export type Input<T extends Any> = T["input"]["Type"]
export type Output<T extends Any> = T["output"]["Type"]
export type Error<T extends Any> = T["error"]["Type"]

/** A schema, or the fields of a struct. */
export type SchemaOrFields = DataSchema | { readonly [field: string]: DataSchema }
export type ToSchema<S extends SchemaOrFields> = S extends DataSchema
  ? S
  : S extends Schema.Struct.Fields
    ? Schema.Struct<S>
    : never

/** Reads `{ code: Schema.String }` as the struct it stands for. */
export const toSchema = <const S extends SchemaOrFields>(schema: S): ToSchema<S> =>
  (Schema.isSchema(schema) ? schema : Schema.Struct(schema as Schema.Struct.Fields)) as ToSchema<S>

/**
 * Makes a task.
 *
 * **Details** `input` and `output` are schemas, or the fields of a struct. `error` lists the failures that belong to
 * the task whoever performs it; an agent may add its own. All three must be free of services.
 *
 * @category constructors
 * @stability stable
 * @since 0.1.0
 */
export const make = <
  const Name extends string,
  const I extends SchemaOrFields,
  const O extends SchemaOrFields,
  E extends ErrorSchema = typeof Schema.Never
>(
  name: Name,
  options: { readonly input: I; readonly output: O; readonly error?: E }
): Task<Name, ToSchema<I>, ToSchema<O>, E> => ({
  name,
  input: toSchema(options.input),
  output: toSchema(options.output),
  error: (options.error ?? Schema.Never) as E
})
