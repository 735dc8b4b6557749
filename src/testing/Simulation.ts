/**
 * A deployment in a bottle: processes that live one after the other over the same stores, each stopped where it is told.
 *
 * Nothing in it depends on the real time or on the order in which the machine happens to run things: the scheduler may
 * be seeded, the clock is simulated, and a process that crashed is known to be gone.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Scheduler from "effect/Scheduler"
import type * as Scope from "effect/Scope"
import * as Memory from "../backends/Memory.ts"
import type { Engine } from "../durable/Engine.ts"
import * as JournalEngine from "../durable/JournalEngine.ts"
import * as EventStore from "../event-store/EventStore.ts"
import type { EventStoreDriver } from "../event-store/EventStoreDriver.ts"
import * as Lease from "../persistence/Lease.ts"
import type { Persistence } from "../persistence/Persistence.ts"
import * as FaultStore from "./FaultStore.ts"
import { type End, Incarnation } from "./Incarnation.ts"
import * as LogAudit from "./LogAudit.ts"
import * as SeededScheduler from "./SeededScheduler.ts"

/** What a program finds in every process, beside its own layer. */
export type Services = Engine | EventStore.EventStore | EventStoreDriver | Persistence

/** What a process is made of. */
export interface World<R, LE> {
  /** Built anew in each process: registers the orchestrations and provides what they need. */
  readonly layer: Layer.Layer<R, LE, Services>
}

export interface Options {
  /**
   * Makes the stores: the effect runs once, the layer it returns is built in each process over the same data. Default:
   * memory.
   */
  readonly stores?: Effect.Effect<Layer.Layer<EventStoreDriver | Persistence, unknown>, unknown, Scope.Scope>
  readonly engine?: JournalEngine.Options
  /** How long the machine is down after a crash. Default: not at all. */
  readonly downtime?: Duration.Input
  /** How much time may pass in a process before it counts as stalled. Default 10 years. */
  readonly patience?: Duration.Input
}

export interface Plan extends Options {
  /** Left out: the default scheduler. */
  readonly seed: number | undefined
  /** Where each process is stopped. One more than these lives, and finishes. */
  readonly crashes: ReadonlyArray<{ readonly mutation: number; readonly when: "before" | "after" }>
}

export interface Result {
  /** Of the last process. `undefined`: it stalled. */
  readonly exit: Exit.Exit<unknown, unknown> | undefined
  /** How much time passed in the last process. */
  readonly waited: Duration.Duration
  /** Processes that were stopped. */
  readonly died: number
  /** Names of the mutations of each process. */
  readonly lives: ReadonlyArray<ReadonlyArray<string>>
  /** What is wrong with the log in the end. */
  readonly problems: ReadonlyArray<string>
}

/** Runs the scenario in one process after the other, until one finishes. */
export const run = <A, E, R, LE>(
  world: World<R, LE>,
  scenario: Effect.Effect<A, E, R | Services>,
  plan: Plan
): Effect.Effect<Result> =>
  Effect.scoped(
    Effect.gen(function* () {
      const stores = Layer.fresh(yield* Effect.orDie(plan.stores ?? memory))
      const lives: Array<Array<string>> = []
      const gone = new Set<number>()
      let now = 0
      const context = yield* references(plan.seed)
      while (true) {
        const life = lives.length
        const names: Array<string> = []
        lives.push(names)
        const process = new Incarnation({
          scheduler: plan.seed === undefined ? new Scheduler.MixedScheduler() : SeededScheduler.make(plan.seed + life),
          startsAt: now,
          patience: Duration.fromInputUnsafe(plan.patience ?? "3650 days")
        })
        const fault = stopAt(process, names, plan.crashes[life])
        const deployed = deployment(world.layer, stores, fault, plan.engine)
        const liveness: Lease.Liveness = {
          instance: { life },
          isGone: ({ life }) => gone.has(life as number)
        }
        const program = Effect.provide(scenario, deployed, { local: true })
        const end: End<A, E | unknown> = yield* process.live(
          program,
          Context.add(context, Lease.CurrentLiveness, liveness)
        )
        gone.add(life)
        const died = lives.length - 1
        now = process.clock.currentTimeMillisUnsafe() + Duration.toMillis(Duration.fromInputUnsafe(plan.downtime ?? 0))
        if (end._tag === "Died") continue
        const log = yield* Effect.orDie(Effect.provide(LogAudit.readAll, stores, { local: true }))
        return {
          exit: end._tag === "Finished" ? end.exit : undefined,
          waited: end._tag === "Stalled" ? end.waited : Duration.zero,
          died,
          lives,
          problems: LogAudit.problems(log)
        }
      }
    })
  )

const memory = Effect.sync(() => Memory.storesOf(Memory.makeState()))

/** The crash is in the store: the fiber that writes never hears of it, and no other fiber goes on. */
const stopAt = (
  process: Incarnation,
  names: Array<string>,
  crash: Plan["crashes"][number] | undefined
): FaultStore.Fault => {
  const crashNow = Effect.suspend(() => {
    process.kill()
    return Effect.never
  })
  return (name) => (mutation) =>
    Effect.suspend(() => {
      names.push(name)
      if (crash === undefined || names.length !== crash.mutation) return mutation
      return crash.when === "before" ? crashNow : Effect.andThen(mutation, crashNow)
    })
}

const deployment = <R, LE>(
  layer: Layer.Layer<R, LE, Services>,
  stores: Layer.Layer<EventStoreDriver | Persistence, unknown>,
  fault: FaultStore.Fault,
  options: JournalEngine.Options = {}
) =>
  Layer.fresh(
    layer.pipe(
      // A lease that lasts: who crashed is known to be gone, so nobody waits for it to run out.
      Layer.provideMerge(JournalEngine.layer({ lease: "365 days", grace: 0, ...options })),
      Layer.provideMerge(EventStore.layer),
      Layer.provideMerge(FaultStore.layer(fault)),
      Layer.provide(stores)
    )
  )

/** What the processes have in common with the test: loggers and the like, but no layer that was built outside. */
const references = (seed: number | undefined): Effect.Effect<Context.Context<never>> =>
  Effect.gen(function* () {
    const context = yield* Effect.context<never>()
    const outside = Context.omit(Layer.CurrentMemoMap)(context) as Context.Context<never>
    const random = yield* Random.withSeed(
      Effect.withFiber((fiber) => Effect.succeed(fiber.getRef(Random.Random))),
      seed ?? 0
    )
    return Context.add(outside, Random.Random, random)
  })
