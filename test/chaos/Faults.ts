/**
 * Faults that strike, one after another, while something goes on.
 *
 * `CHAOS_ROUNDS` says how often each strikes; CI takes 1.
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

export const rounds = Number(process.env["CHAOS_ROUNDS"] ?? 6)

/** Something that goes wrong. Both effects fail if it did not happen. */
export interface Fault<R = never> {
  readonly name: string
  readonly strike: Effect.Effect<void, unknown, R>
  readonly heal: Effect.Effect<void, unknown, R>
  /** How long it lasts. Default half a second. */
  readonly lasts?: `${number} ${"millis" | "seconds"}`
  /** Nobody can write while it lasts, so nothing may be acknowledged. */
  readonly stopsWrites: boolean
}

/** Answers that are on their way when a fault strikes still arrive. */
const settle = "300 millis"

/** What goes on meanwhile. */
export interface Load<R> {
  /** Goes on until `stop`, and a little longer: what it has begun it ends. */
  readonly load: Effect.Effect<void, unknown, R>
  readonly stop: Effect.Effect<void>
  /** Succeeds once so much more was acknowledged. */
  readonly progress: (acknowledgements: number) => Effect.Effect<void, unknown>
  readonly acknowledged: () => number
}

/** Lets each fault strike under load, `rounds` times in turn; then the load goes on once more, and ends. */
export const strikeAll = Effect.fnUntraced(function* <R, R2>(work: Load<R>, faults: ReadonlyArray<Fault<R2>>) {
  const strike = Effect.fnUntraced(function* ({ heal, lasts = "500 millis", name, strike, stopsWrites }: Fault<R2>) {
    yield* work.progress(40)
    yield* strike
    yield* Effect.sleep(settle)
    const before = work.acknowledged()
    yield* Effect.sleep(lasts)
    if (stopsWrites) assert.strictEqual(work.acknowledged(), before, `acknowledged while ${name}`)
    yield* heal
  })
  const all = Effect.forEach(
    Array.from({ length: rounds }).flatMap(() => faults),
    strike,
    { discard: true }
  )
  const load = yield* Effect.forkScoped(work.load)
  yield* Effect.raceFirst(Effect.andThen(all, work.progress(40)), Effect.andThen(Fiber.join(load), Effect.never))
  yield* work.stop
  yield* Effect.timeout(Fiber.join(load), "60 seconds")
}, Effect.scoped)

/** Fails if there are problems, and names the first of them. */
export const report = (problems: ReadonlyArray<string>, seen: string): void => {
  if (problems.length > 0) assert.fail([`${problems.length} problems; ${seen}:`, ...problems.slice(0, 20)].join("\n  "))
}
