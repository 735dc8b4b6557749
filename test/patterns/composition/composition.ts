/** A nest of patterns, one around the other, around an agent at the centre; and how it is performed. */
import { type Duration, Effect, type Exit, Fiber, Layer, Schema, Stream } from "effect"
import type { RunHandle } from "../../../src/index.ts"
import { EphemeralEngine, Orchestration, Saga } from "../../../src/index.ts"
import { Simulation } from "../../../src/testing/index.ts"
import { plainExit, Refused } from "../../durable/program.ts"
import type { Entry } from "./patterns.ts"
import { type Counts, Stage } from "./stage.ts"

/** Does it need a run, or is a program without one enough? */
export const needsRun = (nest: Nest): boolean => nest.some(({ needsRun }) => needsRun === true)

/** From the outside in. */
export type Nest = ReadonlyArray<Entry>

export const nameOf = (nest: Nest): string => nest.map(({ name }) => name).join(" of ")

/** Answers whatever the run asks a person. */
const answering = (stage: Stage) => (handle: RunHandle<any, any>) =>
  handle.events.pipe(
    Stream.filter(({ type }) => type === "ApprovalRequested"),
    Stream.runForEach(({ data, meta }) => {
      const { approval, key } = data as { readonly approval: string; readonly key: string }
      const answer = { by: "me", decision: "ok", id: idOf(`${approval} ${key} ${meta.path}`) }
      const said = stage.approvals.get(approval)!.answer(handle, key, answer)
      // The request of a former life has its answer already, or nobody waits for it any more.
      return Effect.catchTag(said, "ApprovalClosed", () => Effect.void)
    })
  )

/** The same answer has the same id in every process. */
const idOf = (what: string): string => {
  const digits = [...what].reduce((hash, character) => (Math.imul(hash, 31) + character.codePointAt(0)!) >>> 0, 7)
  return `00000000-0000-7000-8000-0000${digits.toString(16).padStart(8, "0")}`
}

/** Every nest has its own stage, and each performance of it another one. */
export const perform = (nest: Nest) => {
  const stage = new Stage()
  const player = nest.reduceRight(
    (inner, { name, wrap }, depth) => wrap(`${name}${depth}`, inner, stage),
    stage.leaf("leaf")
  )
  const plain = player.run({ text: "x" }).pipe(Saga.transaction("whole"), stage.counting)
  const orchestration = Orchestration.make("Composition", {
    input: {},
    output: Schema.String,
    error: Schema.Union([Refused, Saga.CompensationFailed]),
    run: () => plain
  })
  return { seed: nameOf(nest).length, stage, plain, orchestration, layer: orchestration.layer, drive: answering(stage) }
}

export type Performance = ReturnType<typeof perform>

/** What became of it, and of the world. */
export const outcomeOf = ({ stage }: Performance, { exit, problems }: Simulation.Result) => ({
  outcome: exit === undefined ? "it waits for something that never comes" : plainExit(exit),
  done: stage.done.toSorted(),
  undone: stage.undone.toSorted(),
  alive: stage.alive,
  problems
})

const inRun = ({ drive, orchestration }: Performance) =>
  Effect.flatMap(orchestration.start({}, { key: "one" }), (handle) => driven(handle, drive))

const driven = (handle: RunHandle<string, unknown>, drive: Performance["drive"]) =>
  Effect.raceFirst(handle.await, Effect.andThen(drive(handle), Effect.never))

const calm = { seed: undefined, crashes: [] }

/** The ways to perform a nest that must all come to the same. */
export const modes = {
  plain: (performance: Performance) => Simulation.run({ layer: Layer.empty }, performance.plain, calm),
  ephemeral: (performance: Performance) => {
    const engine = EphemeralEngine.layer({ lease: "365 days" })
    return Simulation.run({ layer: performance.layer.pipe(Layer.provideMerge(engine)) }, inRun(performance), calm)
  },
  journal: (performance: Performance) => Simulation.run(performance, inRun(performance), calm),
  "always replaying": (performance: Performance) =>
    Simulation.run(performance, inRun(performance), { ...calm, engine: { alwaysReplay: true } }),
  // Whoever begins first, begins last in the next replay: what is not keyed shows.
  "always replaying in any order": (performance: Performance) =>
    Simulation.run(performance, inRun(performance), {
      seed: performance.seed,
      crashes: [],
      engine: { alwaysReplay: true }
    })
} satisfies Record<string, (performance: Performance) => Effect.Effect<Simulation.Result>>

/** Long after everything that could still go on would have ended. */
const later = Effect.sleep("1000 days")

/** Cancels what was begun, waits for its end, and looks again long afterwards. */
const cancelling = ({ stage }: Performance, begun: Effect.Effect<Begun, unknown, any>, after: Duration.Input) =>
  Effect.gen(function* (): Effect.fn.Return<Cancelled, unknown, any> {
    const { cancel, ended } = yield* begun
    yield* Effect.sleep(after)
    yield* cancel
    const exit = yield* Effect.exit(ended)
    const atEnd = stage.counts
    yield* later
    return { exit, atEnd, afterwards: stage.counts }
  })

/** How a cancelled nest ended; what was under way and had begun then, and long afterwards. */
export interface Cancelled {
  readonly exit: Exit.Exit<unknown, unknown>
  readonly atEnd: Counts
  readonly afterwards: Counts
}

interface Begun {
  readonly cancel: Effect.Effect<void, unknown>
  readonly ended: Effect.Effect<unknown, unknown, any>
}

/** The ways to cancel a nest after a time. */
export const cancelled = {
  plain: (performance: Performance, after: Duration.Input) => {
    const begun = Effect.map(Effect.forkChild(performance.plain), (fiber) => ({
      cancel: Fiber.interrupt(fiber),
      ended: Fiber.join(fiber)
    }))
    return Simulation.run({ layer: Layer.empty }, cancelling(performance, begun, after), calm)
  },
  journal: (performance: Performance, after: Duration.Input) => {
    const begun = Effect.map(performance.orchestration.start({}, { key: "one" }), (handle) => ({
      cancel: handle.cancel(),
      ended: driven(handle, performance.drive)
    }))
    return Simulation.run(performance, cancelling(performance, begun, after), calm)
  }
} satisfies Record<string, (performance: Performance, after: Duration.Input) => Effect.Effect<Simulation.Result>>

/** Numbers below a bound, the same for the same seed. Source: mulberry32, Tommy Ettinger, 2017, public domain. */
export const lots = (seed: number) => {
  let state = (seed + 1) * 0x9e3779b1
  return (bound: number): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound
  }
}
