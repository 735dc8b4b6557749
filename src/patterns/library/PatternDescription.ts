/** What a pattern or a template says of itself, as JSON: for forms, editors, and whoever writes instances as data. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaParser from "effect/SchemaParser"
import type * as Task from "../../core/Task.ts"
import type * as Pattern from "../pattern/Pattern.ts"
import * as PatternCheck from "../pattern/PatternCheck.ts"
import type * as PatternTemplate from "./PatternTemplate.ts"
import type * as Slot from "../pattern/Slot.ts"

/** A JSON Schema, draft 2020-12, of JSON as it is written. */
export type JsonSchema = { readonly [keyword: string]: Schema.Json }

export interface TaskDescription {
  readonly name: string
  readonly input: JsonSchema
  readonly output: JsonSchema
}

export interface SlotDescription {
  readonly arity: Slot.Arity
  readonly atLeast: number
  /** `null`: any number. */
  readonly atMost: number | null
  /** What an agent must perform to take the slot. `null`: anything. */
  readonly task: TaskDescription | null
}

/**
 * A pattern as data.
 *
 * @category models
 * @since 0.1.0
 */
export interface PatternDescription {
  readonly name: string
  readonly description: string
  /** Of an object. Options that may be left out are not required, and have their `default`. */
  readonly options: JsonSchema
  readonly slots: { readonly [slot: string]: SlotDescription }
  /** What an instance takes and gives. `null`: that depends on who takes its slots. */
  readonly task: TaskDescription | null
}

/**
 * A template as data.
 *
 * @category models
 * @since 0.1.0
 */
export interface TemplateDescription {
  readonly name: string
  readonly description: string
  /** Of an object, as `options` of a pattern. */
  readonly parameters: JsonSchema
}

/**
 * Describes a pattern.
 *
 * @category converting
 * @stability experimental
 * @since 0.1.0
 */
export const ofPattern = (pattern: Pattern.Any): PatternDescription => ({
  name: pattern.name,
  description: pattern.description,
  options: ofFields(pattern.options),
  slots: Object.fromEntries(Object.entries<Slot.Slot>(pattern.slots).map(([name, slot]) => [name, ofSlot(slot)])),
  task: pattern.task === undefined ? null : ofTask(pattern.task)
})

/**
 * Describes a template.
 *
 * @category converting
 * @stability experimental
 * @since 0.1.0
 */
export const ofTemplate = (template: PatternTemplate.Any): TemplateDescription => ({
  name: template.name,
  description: template.description,
  parameters: ofFields(template.parameters)
})

const ofSlot = ({ arity, atLeast, atMost, task }: Slot.Slot): SlotDescription => ({
  arity,
  atLeast,
  atMost: atMost === Infinity ? null : atMost,
  task: task === undefined ? null : ofTask(task)
})

const ofTask = ({ input, name, output }: Task.Any): TaskDescription => ({
  name,
  input: jsonSchema(input),
  output: jsonSchema(output)
})

const jsonSchema = (schema: Schema.Constraint): JsonSchema => {
  const { definitions, schema: body } = Schema.toJsonSchemaDocument(schema, { onExcessProperty: "error" })
  return (Object.keys(definitions).length === 0 ? body : { ...body, $defs: definitions }) as JsonSchema
}

/** JSON Schema knows the fields; their defaults are what reading an object without them gives. */
const ofFields = (schema: Schema.Struct<any>): JsonSchema => {
  // A struct without fields would allow anything.
  const described: JsonSchema =
    Object.keys(schema.fields).length > 0 ? jsonSchema(schema) : { type: "object", additionalProperties: false }
  const properties = Object.entries((described["properties"] ?? {}) as { readonly [field: string]: JsonSchema })
  return {
    ...described,
    properties: Object.fromEntries(
      properties.map(([name, field]) => {
        const value = defaultOf(name, schema.fields[name])
        return [name, value === undefined ? field : { ...field, default: value }]
      })
    )
  }
}

const defaultOf = (name: string, field: any): Schema.Json | undefined => {
  const alone = Schema.Struct({ [name]: field })
  const read = PatternCheck.decode(alone)({})
  if (Result.isFailure(read) || !Object.hasOwn(read.success, name)) return undefined
  const written = Effect.runSyncExit(
    SchemaParser.encodeUnknownEffect(Schema.toCodecJson(alone) as unknown as Task.DataSchema)(read.success)
  )
  return Exit.isSuccess(written) ? (written.value as { readonly [name: string]: Schema.Json })[name] : undefined
}
