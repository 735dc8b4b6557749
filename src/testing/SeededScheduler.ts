/**
 * A scheduler for simulation: the same seed gives the same interleaving, another seed another one.
 *
 * The default scheduler runs fibers in the order in which they became ready, so a race between them shows only when
 * the timing of the outside world helps. This one takes the next fiber by lot, and interrupts its work at random
 * places, so that many seeds see many of the possible orders.
 *
 * Invariants (checked by `test/testing/SeededScheduler.test.ts`):
 *
 *   C1. The same program under the same seed takes the same steps in the same order.
 *   C2. Every task that is scheduled runs once, however many there are, and whether or not another one throws.
 *   C3. A fiber that yields for ever does not keep the event loop, nor another fiber, from going on.
 *   C4. `flush` runs what its own dispatcher has scheduled, until nothing is left, before it returns.
 *
 * Source: FoundationDB's deterministic simulation (Zhou et al., SIGMOD 2021); random priorities as in Burckhardt et al.,
 * "A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs", ASPLOS 2010.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Scheduler from "effect/Scheduler"

/** Numbers in [0, 1), the same for the same seed. Source: mulberry32, Tommy Ettinger, 2017, public domain. */
const mulberry32 = (seed: number) => {
  let state = seed | 0
  return (): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

/** One operation in eight is preceded by a change of fibers: often enough to meet short windows, and still fast. */
const preemption = 1 / 8

/** One choice in sixteen disregards priorities, so that a loop of yields cannot starve what has a lower one. */
const disregard = 1 / 16

/** At most so many tasks between two looks at the event loop: promises and sockets go on meanwhile. */
const tasksPerTurn = 16

/** Priority of what runs when nothing else can. */
const whenIdle = Number.MAX_SAFE_INTEGER

interface Task {
  readonly run: () => void
  readonly priority: number
  readonly dispatcher: object
}

/**
 * Makes a scheduler. A scheduler remembers how far its lots are drawn: make one for each simulation.
 *
 * **Gotchas** Deterministic is what runs on fibers. Real sockets, files and timers answer when they like: simulate with
 * `TestClock` and memory.
 *
 * @category constructors
 * @stability stable
 * @since 0.1.0
 */
export const make = (seed: number): Scheduler.Scheduler => {
  const draw = mulberry32(seed)
  const below = (bound: number) => Math.floor(draw() * bound)
  const tasks: Array<Task> = []
  let armed = false
  let started = false

  const take = (candidates: ReadonlyArray<Task>): Task | undefined => {
    const first = Math.min(...candidates.map(({ priority }) => priority))
    const last = draw() < disregard && first < whenIdle ? whenIdle - 1 : first
    const eligible = candidates.filter(({ priority }) => priority <= last)
    const task = eligible[below(eligible.length)]
    if (task !== undefined) tasks.splice(tasks.indexOf(task), 1)
    return task
  }

  const isIdle = () => tasks.every(({ priority }) => priority >= whenIdle)

  const turn = () => {
    armed = false
    started = true
    try {
      // A promise may yet have work for a fiber: who waits for idleness waits for the next turn.
      if (isIdle()) take(tasks)?.run()
      for (let left = 1 + below(tasksPerTurn); left > 0 && !isIdle(); left--) take(tasks)?.run()
    } finally {
      // Also when a task threw: the others must still run (C2).
      arm()
    }
  }

  const arm = () => {
    if (armed || tasks.length === 0) return
    armed = true
    setImmediate(turn)
  }

  return {
    executionMode: "async",
    // The first fiber steps back once: what it did before it came here must not count (C1).
    shouldYield: () => !started || draw() < preemption,
    makeDispatcher() {
      const dispatcher: Scheduler.SchedulerDispatcher = {
        scheduleTask(run, priority) {
          tasks.push({ run, priority, dispatcher })
          arm()
        },
        flush() {
          const own = () => tasks.filter((task) => task.dispatcher === dispatcher)
          for (let pending = own(); pending.length > 0; pending = own()) take(pending)?.run()
        }
      }
      return dispatcher
    }
  }
}

const seededRandom = (seed: number): Effect.Effect<typeof Random.Random.Service> =>
  Random.withSeed(
    Effect.withFiber((fiber) => Effect.succeed(fiber.getRef(Random.Random))),
    seed
  )

/**
 * A scheduler with this seed for all that is built on it, and a `Random` that follows the same seed.
 *
 * **Gotchas** `TestClock` waits for the fibers it wakes only if its layer is built under this scheduler, as
 * `Seeds.forEach` does.
 *
 * @category layers
 * @stability stable
 * @since 0.1.0
 */
export const layer = (seed: number): Layer.Layer<never> =>
  Layer.mergeAll(
    Layer.sync(Scheduler.Scheduler, () => make(seed)),
    Layer.effect(Random.Random, seededRandom(seed))
  )

/**
 * Runs the effect under a scheduler with this seed; what it draws from `Random` follows the same seed.
 *
 * @category combinators
 * @stability stable
 * @since 0.1.0
 */
export const withSeed =
  (seed: number) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.suspend(() => self.pipe(Random.withSeed(seed), Effect.provideService(Scheduler.Scheduler, make(seed))))

/**
 * Waits until no other fiber can run: all have ended, or wait for something outside of fibers, or for time to pass.
 *
 * **Gotchas** A fiber that yields for ever keeps it waiting.
 *
 * @category combinators
 * @stability stable
 * @since 0.1.0
 */
export const idle: Effect.Effect<void> = Effect.yieldNowWith(whenIdle)
