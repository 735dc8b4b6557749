/**
 * Durable work without an agent, and durable control flow. `Agent.run` is a step already: users rarely need `run`.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as SchemaParser from "effect/SchemaParser"
import * as Run from "../core/Run.ts"
import * as StepPath from "../core/StepPath.ts"
import type * as Task from "../core/Task.ts"
import * as EventId from "../event-store/EventId.ts"

/**
 * Runs an effect as a step: recorded once, with its typed failure, and answered from the journal after that.
 *
 * **Details** `output` and `error` are schemas without services. Outside a run the effect is run as it is.
 *
 * @category running
 * @stability stable
 * @since 0.1.0
 */
export const run = <O extends Task.DataSchema, R, E extends Task.ErrorSchema = typeof Schema.Never>(
  name: string,
  options: {
    readonly output: O
    readonly error?: E
    readonly retry?: Schedule.Schedule<unknown, E["Type"], never, R>
    readonly run: (info: Run.StepInfo) => Effect.Effect<O["Type"], E["Type"], R>
  }
): Effect.Effect<O["Type"], E["Type"], R> => {
  return Run.withCurrent(
    ({ run, scope }) =>
      run.step<O["Type"], E["Type"], R>(scope, {
        name,
        segment: StepPath.segment(name),
        input: null,
        codec: codecOf(options.output, options.error ?? Schema.Never),
        attempt: options.run,
        retry: options.retry,
        idempotent: true,
        onUnencodable: (issue) => {
          throw new Error(`step "${name}" returned a value that its schema does not allow: ${String(issue)}`)
        }
      }),
    Effect.suspend(() => {
      let attempt = 0
      const plain = Effect.suspend(() => options.run({ attempt: ++attempt, idempotencyKey: "" }))
      return options.retry === undefined ? plain : Effect.retry(plain, options.retry)
    })
  )
}

const codecs = new WeakMap<object, WeakMap<object, Run.OutcomeCodec<any, any>>>()

const codecOf = (output: Task.DataSchema, error: Task.ErrorSchema): Run.OutcomeCodec<any, any> => {
  const ofOutput = codecs.get(output) ?? new WeakMap<object, Run.OutcomeCodec<any, any>>()
  codecs.set(output, ofOutput)
  const known = ofOutput.get(error)
  if (known !== undefined) return known
  const success = Schema.toCodecJson(output)
  const failure = Schema.toCodecJson(error)
  const codec: Run.OutcomeCodec<any, any> = {
    encodeSuccess: SchemaParser.encodeUnknownExit(success),
    decodeSuccess: SchemaParser.decodeUnknownExit(success),
    encodeError: SchemaParser.encodeUnknownExit(failure),
    decodeError: SchemaParser.decodeUnknownExit(failure)
  }
  ofOutput.set(error, codec)
  return codec
}

/**
 * Gives the steps of an effect a scope of their own, named by a key. Concurrent branches that call the same agents need
 * one each, so that each call keeps its identity whichever branch is faster.
 *
 * @category combinators
 * @stability stable
 * @since 0.1.0
 */
export const keyed = (key: string): (<A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>) =>
  Run.scoped(`[${key}]`)

/**
 * `Effect.all` on a record, each branch in a scope named by its key. All run at once.
 *
 * @category running
 * @stability stable
 * @since 0.1.0
 */
export const all = <const Branches extends Record<string, Effect.Effect<any, any, any>>>(
  branches: Branches,
  options?: { readonly concurrency?: number | "unbounded" }
): Effect.Effect<
  { readonly [K in keyof Branches]: Effect.Success<Branches[K]> },
  Effect.Error<Branches[keyof Branches]>,
  Effect.Services<Branches[keyof Branches]>
> =>
  Effect.all(Object.fromEntries(Object.entries(branches).map(([key, branch]) => [key, keyed(key)(branch)])), {
    concurrency: options?.concurrency ?? "unbounded"
  }) as any

/**
 * `Effect.forEach`, each item in a scope named by its key. Default key: the index. Default concurrency: one at a time.
 *
 * @category running
 * @stability stable
 * @since 0.1.0
 */
export const forEach = <A, B, E, R>(
  items: Iterable<A>,
  f: (item: A, index: number) => Effect.Effect<B, E, R>,
  options?: { readonly concurrency?: number | "unbounded"; readonly key?: (item: A, index: number) => string }
): Effect.Effect<Array<B>, E, R> =>
  Effect.forEach(
    items,
    (item, index) => keyed(options?.key?.(item, index) ?? String(index))(Effect.suspend(() => f(item, index))),
    { concurrency: options?.concurrency ?? 1 }
  )

/**
 * The first branch that succeeds or fails decides; the others are interrupted. On replay the same one wins: answers are
 * given in the order in which they were recorded. A branch should end with a step, signal or timer.
 *
 * @category running
 * @stability stable
 * @since 0.1.0
 */
export const race = <const Branches extends Record<string, Effect.Effect<any, any, any>>>(
  branches: Branches
): Effect.Effect<
  Effect.Success<Branches[keyof Branches]>,
  Effect.Error<Branches[keyof Branches]>,
  Effect.Services<Branches[keyof Branches]>
> => Effect.raceAllFirst(Object.entries(branches).map(([key, branch]) => keyed(key)(branch))) as any

/** The time, read once and then remembered. Milliseconds since the Unix epoch. */
export const now: Effect.Effect<number> = run("now", { output: Schema.Number, run: () => Clock.currentTimeMillis })

/** A number in [0, 1), drawn once and then remembered. */
export const random: Effect.Effect<number> = run("random", { output: Schema.Number, run: () => Random.next })

const uuids = EventId.make()

/** A UUID (v7), made once and then remembered. Never use it as a secret. */
export const uuid: Effect.Effect<string> = run("uuid", {
  output: Schema.String,
  run: () => Effect.flatMap(Clock.currentTimeMillis, (now) => Effect.map(Random.Random, (random) => uuids(now, random)))
})
