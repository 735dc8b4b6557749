/**
 * What a program under test is: how it is made, what it leads to, and what the outside world then holds.
 *
 * A program is made anew for each run of it. Steps that matter to the outside world append to `outside`, once for each
 * idempotency key: `effects` is what the outside world then holds, in any order.
 */
import { Cause, Effect, Exit, Layer, Schedule, Schema } from "effect"
import * as AnyError from "../../src/core/AnyError.ts"
import type { Engine, RunHandle } from "../../src/index.ts"
import { Agent, Orchestration, Task } from "../../src/index.ts"

export class Refused extends Schema.TaggedError<Refused>()("Refused", { what: Schema.String }) {}

export interface Program {
  readonly name: string
  readonly make: () => Made
  /** Needs signals or children, which a program outside of every run has not. */
  readonly needsEngine?: boolean
}

export interface Made {
  readonly orchestration: Orchestration.Orchestration<string, {}, unknown, Refused, any>
  readonly layer: Layer.Layer<Orchestration.Registered<string>, any, Engine>
  readonly plain: Effect.Effect<unknown, unknown>
  readonly drive?: (handle: RunHandle<any, any>) => Effect.Effect<unknown, unknown>
  readonly outside: ReadonlyArray<string>
  readonly expected: Exit.Exit<unknown, unknown>
  /** What the outside world holds in the end, sorted. */
  readonly effects: ReadonlyArray<string>
}

export const Say = Task.make("Say", { input: { text: Schema.String }, output: Schema.String, error: Refused })

/** Agents that do something to the same outside world. */
export const world = () => {
  const outside: Array<string> = []
  const done = new Set<string>()
  const act = (key: string, what: string) => {
    if (key !== "" && done.has(key)) return
    done.add(key)
    outside.push(what)
  }
  const agent = (name: string, options: { takes?: string; failsUntil?: number; fails?: boolean } = {}) =>
    Agent.make(name, {
      task: Say,
      run: ({ text }, { attempt, idempotencyKey }) =>
        Effect.gen(function* () {
          if (options.takes !== undefined) yield* Effect.sleep(options.takes as "1 second")
          if (options.fails === true || attempt < (options.failsUntil ?? 1)) return yield* new Refused({ what: name })
          act(idempotencyKey, `${name} ${text}`)
          return `${name}(${text})`
        })
    }).pipe(Agent.transform(Effect.catchTag("ContractViolation", Effect.die)))
  /** One whose attempts are retried. */
  const flaky = (name: string, failsUntil: number) =>
    Agent.make(name, {
      task: Say,
      run: ({ text }, { attempt, idempotencyKey }) =>
        attempt < failsUntil
          ? Effect.fail(new Refused({ what: `${name} ${attempt}` }))
          : Effect.sync(() => {
              act(idempotencyKey, `${name} ${text}`)
              return `${name}(${text})`
            })
    }).pipe(Agent.retry(Schedule.exponential("1 minute").pipe(Schedule.upTo({ times: 4 }))))
  return { outside, act, agent, flaky }
}

export type World = ReturnType<typeof world>

/** A program and what must come of it. `error`: how it may fail, besides with `Refused`. */
export const define = (
  name: string,
  body: (world: World) => Effect.Effect<unknown, any, any>,
  options: {
    readonly expected: Exit.Exit<unknown, unknown>
    readonly effects: ReadonlyArray<string>
    readonly drive?: (handle: RunHandle<any, any>) => Effect.Effect<unknown, unknown>
    readonly needsEngine?: boolean
    readonly error?: Task.ErrorSchema
    readonly children?: (world: World) => ReadonlyArray<Orchestration.Orchestration<any, any, any, any, any>>
  }
): Program => ({
  name,
  needsEngine: options.needsEngine ?? (options.drive !== undefined || options.children !== undefined),
  make: () => {
    const here = world()
    const program = Effect.suspend(() => body(here))
    const orchestration = Orchestration.make(name, {
      input: {},
      output: Schema.Json,
      error: Schema.Union([
        Refused,
        ...(options.error === undefined ? [] : [options.error])
      ]) as unknown as typeof Refused,
      run: () => program as Effect.Effect<any, Refused>
    })
    const children = (options.children?.(here) ?? []).map(({ layer }) => layer)
    const layer: Layer.Layer<any, any, any> = orchestration.layer.pipe(
      Layer.provideMerge(
        children.reduce(
          (all, one) => Layer.provideMerge(all, one),
          Layer.empty as unknown as Layer.Layer<any, any, any>
        )
      )
    )
    return {
      orchestration: orchestration as Made["orchestration"],
      layer: layer as Made["layer"],
      plain: program as Effect.Effect<unknown, unknown>,
      outside: here.outside,
      expected: options.expected,
      effects: options.effects,
      ...(options.drive === undefined ? {} : { drive: options.drive })
    }
  }
})

/** An outcome without stack traces. */
export const plainExit = (exit: Exit.Exit<unknown, unknown>): unknown =>
  Exit.isSuccess(exit) ? { success: exit.value } : { failure: AnyError.encode(Cause.squash(exit.cause)) }
