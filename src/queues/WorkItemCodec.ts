/** Between the typed items of a queue and what its driver sees. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SchemaParser from "effect/SchemaParser"
import type { Death, Outcome, Settlement } from "./WorkQueueDriver.ts"
import { type DeathReason, WorkQueueError } from "./WorkQueueError.ts"

/** A schema that turns values into JSON and back without needing a service. */
export type DataSchema = Schema.ConstraintCodec<any, any, never, never>

/** The schemas of a queue. */
export interface Schemas {
  readonly item: DataSchema
  readonly output: DataSchema
  readonly error: DataSchema
}

/** Encodes and decodes what travels through one queue. */
export interface WorkItemCodec<Item, Output, Error> {
  readonly encodeItem: (item: Item) => Effect.Effect<Schema.Json>
  readonly decodeItem: (body: Schema.Json) => Exit.Exit<Item, unknown>
  readonly decodeError: (death: Death) => Option.Option<Error>
  /** Success, or a failure that is an answer. */
  readonly settlementOf: (exit: Exit.Exit<Output, Error>) => Extract<Settlement, Outcome>
  /** The typed outcome of an item that is done. */
  readonly outcomeOf: (outcome: Exclude<Outcome, Death>) => Effect.Effect<Output, Error | WorkQueueError>
  /** Why an item is given up. */
  readonly deathOf: (cause: Cause.Cause<Error>) => Death
}

/** What people read of a failure is kept short: it is stored with the item. */
const detailLength = 4000

/** A death without a typed failure. */
export const death = (reason: DeathReason, detail: string): Death => ({
  _tag: "Died",
  reason,
  detail: detail.slice(0, detailLength)
})

/** Builds the codecs once. */
export const make = <Item, Output, Error>(schemas: Schemas): WorkItemCodec<Item, Output, Error> => {
  const item = Schema.toCodecJson(schemas.item)
  const output = Schema.toCodecJson(schemas.output)
  const error = Schema.toCodecJson(schemas.error)
  const encodeItem = SchemaParser.encodeUnknownEffect(item)
  const encodeOutput = SchemaParser.encodeUnknownExit(output)
  const encodeError = SchemaParser.encodeUnknownExit(error)
  const decodeOutput = SchemaParser.decodeUnknownEffect(output)
  const decodeError = SchemaParser.decodeUnknownEffect(error)
  const decodeErrorExit = SchemaParser.decodeUnknownExit(error)

  const deathOf = (cause: Cause.Cause<Error>): Death => {
    const failure = Cause.findErrorOption(cause)
    if (Option.isNone(failure)) return death("Died", Cause.pretty(cause))
    const encoded = encodeError(failure.value)
    if (Exit.isFailure(encoded)) return death("Failed", Cause.pretty(cause))
    return { ...death("Failed", Cause.pretty(cause)), error: encoded.value as Schema.Json }
  }

  return {
    deathOf,
    encodeItem: (value) => Effect.orDie(encodeItem(value)) as Effect.Effect<Schema.Json>,
    decodeItem: SchemaParser.decodeUnknownExit(item) as (body: Schema.Json) => Exit.Exit<Item, unknown>,
    decodeError: (death) =>
      death.error === undefined
        ? Option.none()
        : (Exit.getSuccess(decodeErrorExit(death.error)) as Option.Option<Error>),
    settlementOf: (exit) => {
      if (Exit.isSuccess(exit)) {
        const encoded = encodeOutput(exit.value)
        if (Exit.isFailure(encoded)) return death("Died", `its output is not valid: ${Cause.pretty(encoded.cause)}`)
        return { _tag: "Succeeded", value: encoded.value as Schema.Json }
      }
      const dead = deathOf(exit.cause)
      return dead.error === undefined ? dead : { _tag: "Failed", error: dead.error }
    },
    outcomeOf: (outcome) =>
      outcome._tag === "Succeeded"
        ? (Effect.mapError(decodeOutput(outcome.value), undecodable) as Effect.Effect<Output, WorkQueueError>)
        : Effect.flatMap(Effect.mapError(decodeError(outcome.error), undecodable), (error) =>
            Effect.fail(error as Error)
          )
  }
}

const undecodable = (cause: unknown): WorkQueueError =>
  new WorkQueueError({ operation: "read an outcome", retryable: false, detail: "it does not match its schema", cause })
