/** Runs of the programs whose histories are golden. */
import { Effect } from "effect"
import * as Memory from "../../src/backends/Memory.ts"
import type { StoredEvent } from "../../src/event-store/Envelope.ts"
import { Simulation } from "../../src/testing/index.ts"
import type { Program } from "../durable/program.ts"
import * as Golden from "./golden.ts"

type Made = ReturnType<Program["make"]>

/** Carries out a program over a memory, as one process. */
export const carryOut = (made: Made, state: Memory.MemoryState, drive: Effect.Effect<unknown, unknown> | undefined) =>
  Simulation.run(
    made,
    Effect.gen(function* () {
      const handle = yield* made.orchestration.start({}, { key: "one" })
      const driven = drive ?? made.drive?.(handle) ?? Effect.void
      return yield* Effect.raceFirst(handle.await, Effect.andThen(driven, Effect.never))
    }),
    { seed: undefined, crashes: [], stores: Effect.succeed(Memory.storesOf(state)) }
  )

/** The history that a program leaves. */
export const history = (program: Program): Effect.Effect<ReadonlyArray<StoredEvent>> =>
  Effect.gen(function* () {
    const state = Memory.makeState()
    yield* carryOut(program.make(), state, undefined)
    return yield* Golden.logOf(state)
  })
