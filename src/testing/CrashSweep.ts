/**
 * Crashes a program at every durable mutation, before it and after it, and compares what becomes of it.
 *
 * The program runs once to learn its n mutations: commits of the log, puts of documents. Then for each of them the
 * process is stopped there, without a finalizer or an interruption, as in a real crash; a fresh one is built over what
 * was acknowledged, and finishes. Time passes by itself while everything waits.
 *
 * What must hold after every crash:
 *
 *   W1. The outcome is the one without a crash.
 *   W2. The log holds what every log must (`LogAudit`): no step with two outcomes, no gap, nothing after a run's end.
 *   W3. The user's `invariant` holds: of what the program did to the outside world.
 *
 * **Example** (A program that must survive)
 *
 * ```ts
 * const report = yield* CrashSweep.check({ orchestration: Booking, input: { seat: "12A" }, layer: Booking.layer })
 * report.crashes // => 24
 * ```
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import * as Formatter from "effect/Formatter"
import * as Schema from "effect/Schema"
import type { Engine } from "../durable/Engine.ts"
import type { Orchestration, Registered } from "../durable/Orchestration.ts"
import type { RunHandle } from "../durable/RunHandle.ts"
import type * as Signal from "../durable/Signal.ts"
import * as Simulation from "./Simulation.ts"

/** Where a process is stopped: its n-th durable mutation is not done, or done and never answered. */
export const CrashPoint = Schema.Struct({ mutation: Schema.Int, when: Schema.Literals(["before", "after"]) })
export type CrashPoint = typeof CrashPoint.Type

/**
 * The program does not survive a crash, or does not run without one.
 *
 * @category errors
 * @stability experimental
 * @since 0.1.0
 */
export class CrashSweepFailed extends Schema.TaggedError<CrashSweepFailed>()("CrashSweepFailed", {
  /** Left out: the default scheduler. */
  seed: Schema.optionalKey(Schema.Int),
  /** One for each process that was stopped, in order. Empty: the program fails without a crash. */
  crashes: Schema.Array(CrashPoint),
  /** Mutations of the first process, without a crash. */
  of: Schema.Int,
  /** What the stopped processes were about to write, or had written. */
  operations: Schema.Array(Schema.String),
  problem: Schema.String,
  expected: Schema.String,
  actual: Schema.String
}) {
  /** The last crash. */
  get mutation(): number {
    return this.crashes.at(-1)?.mutation ?? 0
  }
  get when(): "before" | "after" {
    return this.crashes.at(-1)?.when ?? "before"
  }
  get operation(): string {
    return this.operations.at(-1) ?? "no mutation"
  }
  override get message(): string {
    const seed = this.seed === undefined ? "" : `seed: ${this.seed}, `
    const places = this.crashes.map(
      ({ mutation, when }, index) =>
        `${when} mutation ${mutation}${index === 0 ? ` of ${this.of}` : ""} (${this.operations[index] ?? "unknown"})`
    )
    const only = this.crashes.map(({ mutation, when }) => `{ mutation: ${mutation}, when: "${when}" }`)
    return [
      places.length === 0
        ? "The program fails without a crash"
        : `The program does not survive a crash ${places.join(", then ")}`,
      `: ${this.problem}.\n  expected: ${this.expected}\n  actual:   ${this.actual}`,
      places.length === 0 && seed === "" ? "" : `\n  reproduce with { ${seed}only: [${only.join(", ")}] }`
    ].join("")
  }
}

/** What is swept: a program that starts, or finds, its work and awaits the outcome. It runs again after each crash. */
export interface Scenario<A, E, R, LE> extends Simulation.World<R, LE> {
  readonly scenario: Effect.Effect<A, E, R | Simulation.Services>
  /** Holds for the outside world after every recovery. A failure is a failure of the sweep. */
  readonly invariant?: Effect.Effect<unknown, unknown>
}

/** A run of an orchestration that is swept. */
export interface Trial<Name extends string, In, Out, E, LE> extends Simulation.World<Registered<Name>, LE> {
  readonly orchestration: Orchestration<Name, In, Out, E, any>
  readonly input: In
  /** Default: the orchestration's own, or else one that is the same in every process. */
  readonly key?: string
  /**
   * What the outside does to the run: signals, approvals, cancellation. It runs again in every process, so what it
   * sends must have an id (`sends` gives them one).
   */
  readonly drive?: (handle: RunHandle<Out, E>) => Effect.Effect<unknown, unknown, Engine | Registered<Name>>
  /** Holds for the outside world after every recovery. A failure is a failure of the sweep. */
  readonly invariant?: Effect.Effect<unknown, unknown>
}

export interface Options extends Simulation.Options {
  /** Sweep under the seeds 1 to n, each one another interleaving. Default: once, under the default scheduler. */
  readonly seeds?: number
  /** Sweep under this seed only. */
  readonly seed?: number
  /** Stop so many processes one after the other: 2 sweeps the recovery, too. Default 1. */
  readonly depth?: number
  /** Crash here only: to reproduce a failure. */
  readonly only?: ReadonlyArray<CrashPoint>
  /** Are these outcomes the same? Default: by structure. */
  readonly equals?: (expected: Exit.Exit<unknown, unknown>, actual: Exit.Exit<unknown, unknown>) => boolean
}

export interface Report {
  /** Mutations without a crash, under the first seed. */
  readonly mutations: number
  /** What these are. */
  readonly names: ReadonlyArray<string>
  /** Crashes that happened and were recovered from. */
  readonly crashes: number
  /** Crashes that never happened, because the process wrote less than without a crash: tested nothing. */
  readonly unfired: ReadonlyArray<{ readonly seed: number | undefined; readonly crashes: ReadonlyArray<CrashPoint> }>
}

/**
 * Sweeps one run of an orchestration.
 *
 * **Details** Given as a function, the trial is made anew for each crash: for an outside world that counts what is done
 * to it. `layer` registers the orchestration and those it starts, and provides their services.
 *
 * **Gotchas** Steps should answer from memory. Time passes whenever no fiber can run, and a step that waits for a real
 * socket looks like one.
 *
 * @category testing
 * @stability experimental
 * @since 0.1.0
 */
export const check = <const Name extends string, In, Out, E, LE>(
  trial: Trial<Name, In, Out, E, LE> | (() => Trial<Name, In, Out, E, LE>),
  options: Options = {}
): Effect.Effect<Report, CrashSweepFailed> => {
  return run(scenarioOf(trial), options)
}

/**
 * Runs an orchestration once as it is, and once forgetting all memory at every answer, so that each one is replayed.
 *
 * **When to use** Instead of `check` for a quick test that a program is deterministic.
 *
 * **Details** Every answer of the journal begins the program anew: a program of n answers is executed n times. A step
 * that is under way in another branch is begun again, as after a crash.
 *
 * @category testing
 * @stability experimental
 * @since 0.1.0
 */
export const replays = <const Name extends string, In, Out, E, LE>(
  trial: Trial<Name, In, Out, E, LE> | (() => Trial<Name, In, Out, E, LE>),
  options: Options = {}
): Effect.Effect<void, CrashSweepFailed> =>
  Effect.gen(function* () {
    const make = scenarioOf(trial)
    for (const seed of seedsOf(options)) {
      const plan = { ...options, crashes: [], seed }
      const clean = yield* simulate(make, plan)
      const judge = judgeOf(options, seed, clean)
      yield* judge(clean, [])
      const replayed = yield* simulate(make, { ...plan, engine: { ...options.engine, alwaysReplay: true } })
      yield* judge(replayed, [], "the outcome is another one when it is replayed")
    }
  })

/** The scenario of a trial: start, or find, the run; drive it; await it. The key of the first run is that of all. */
const scenarioOf = <const Name extends string, In, Out, E, LE>(
  trial: Trial<Name, In, Out, E, LE> | (() => Trial<Name, In, Out, E, LE>)
) => {
  let key: string | undefined
  return () => {
    const { drive, input, orchestration, ...world } = typeof trial === "function" ? trial() : trial
    const prefix = orchestration.runId("").length
    const scenario = Effect.gen(function* () {
      const chosen = world.key ?? key
      const handle = yield* orchestration.start(input, chosen === undefined ? {} : { key: chosen })
      key = handle.id.slice(prefix)
      if (drive === undefined) return yield* handle.await
      return yield* Effect.raceFirst(handle.await, Effect.andThen(drive(handle), Effect.never))
    })
    return { ...world, scenario }
  }
}

/**
 * Sweeps any program.
 *
 * @category testing
 * @stability experimental
 * @since 0.1.0
 */
export const run = <A, E, R, LE>(
  scenario: Scenario<A, E, R, LE> | (() => Scenario<A, E, R, LE>),
  options: Options = {}
): Effect.Effect<Report, CrashSweepFailed> =>
  Effect.gen(function* () {
    const make = typeof scenario === "function" ? scenario : () => scenario
    let report: Report = { mutations: 0, names: [], crashes: 0, unfired: [] }
    for (const seed of seedsOf(options)) {
      const swept = yield* sweepOne(make, options, seed)
      report = {
        mutations: report.mutations || swept.mutations,
        names: report.names.length > 0 ? report.names : swept.names,
        crashes: report.crashes + swept.crashes,
        unfired: [...report.unfired, ...swept.unfired]
      }
    }
    return report
  })

/**
 * A `drive` that sends values of a signal, one after the other, each with an id that is the same in every process.
 *
 * @category testing
 * @stability experimental
 * @since 0.1.0
 */
export const sends =
  <A>(signal: Signal.Signal<A>, ...values: ReadonlyArray<A>) =>
  (handle: Pick<RunHandle<unknown, unknown>, "signal">) =>
    Effect.forEach(values, (value, index) => handle.signal(signal, value, { id: idOf(signal.name, index) }), {
      discard: true
    })

/** A UUID of its own for each signal name and place. */
const idOf = (name: string, index: number): string => {
  const digits = [...name].reduce((hash, character) => (Math.imul(hash, 31) + character.codePointAt(0)!) >>> 0, 7)
  return `00000000-0000-7000-8000-${digits.toString(16).padStart(8, "0")}${index.toString(16).padStart(4, "0")}`
}

const seedsOf = ({ seed, seeds }: Options): ReadonlyArray<number | undefined> => {
  if (seed !== undefined) return [seed]
  return seeds === undefined ? [undefined] : Array.from({ length: seeds }, (_, index) => index + 1)
}

interface Judged extends Simulation.Result {
  readonly invariant: Effect.Effect<unknown, unknown> | undefined
}

const simulate = <A, E, R, LE>(make: () => Scenario<A, E, R, LE>, plan: Simulation.Plan): Effect.Effect<Judged> =>
  Effect.suspend(() => {
    const { invariant, scenario, ...world } = make()
    return Effect.map(Simulation.run(world, scenario, plan), (result) => ({ ...result, invariant }))
  })

const sweepOne = <A, E, R, LE>(make: () => Scenario<A, E, R, LE>, options: Options, seed: number | undefined) =>
  Effect.gen(function* () {
    const clean = yield* simulate(make, { ...options, crashes: [], seed })
    const judge = judgeOf(options, seed, clean)
    yield* judge(clean, [])
    const unfired: Array<Report["unfired"][number]> = []
    let fired = 0
    const crashed = (crashes: ReadonlyArray<CrashPoint>) =>
      Effect.gen(function* () {
        const result = yield* simulate(make, { ...options, crashes, seed })
        if (result.died < crashes.length) unfired.push({ seed, crashes })
        else fired++
        yield* judge(result, crashes, "the outcome is another one")
        return result.lives.at(-1)!.length
      })
    const deepen = (crashes: ReadonlyArray<CrashPoint>, mutations: number): Effect.Effect<void, CrashSweepFailed> =>
      Effect.forEach(
        pointsOf(mutations),
        (point) =>
          Effect.flatMap(crashed([...crashes, point]), (next) =>
            crashes.length + 1 < (options.depth ?? 1) ? deepen([...crashes, point], next) : Effect.void
          ),
        { discard: true }
      )
    if (options.only === undefined) yield* deepen([], clean.lives[0]!.length)
    else if (options.only.length > 0) yield* crashed(options.only)
    return { mutations: clean.lives[0]!.length, names: clean.lives[0]!, crashes: fired, unfired }
  })

const pointsOf = (mutations: number): ReadonlyArray<CrashPoint> =>
  Array.from({ length: mutations }, (_, index) => index + 1).flatMap((mutation) => [
    { mutation, when: "before" },
    { mutation, when: "after" }
  ])

/** W1 to W3. `otherwise`: what it means if the outcome is not that of the run without a crash. */
const judgeOf = (options: Options, seed: number | undefined, clean: Judged) =>
  Effect.fnUntraced(function* (result: Judged, crashes: ReadonlyArray<CrashPoint>, otherwise?: string) {
    const actual = result.exit
    const failed = (problem: string, shown = show(actual)) =>
      new CrashSweepFailed({
        ...(seed === undefined ? {} : { seed }),
        crashes,
        of: clean.lives[0]!.length,
        operations: crashes.map(({ mutation }, life) => result.lives[life]?.[mutation - 1] ?? "never reached"),
        problem,
        expected: show(clean.exit),
        actual: shown
      })
    if (actual === undefined) {
      return yield* failed(
        `it waits for something that never comes, for ${Duration.format(result.waited)}`,
        "no outcome"
      )
    }
    const equals = options.equals ?? ((left, right) => Equal.equals(plain(left), plain(right)))
    if (otherwise !== undefined && !equals(clean.exit!, actual)) return yield* failed(otherwise)
    if (result.problems.length > 0) return yield* failed("the log cannot be right", result.problems.join("; "))
    const invariant = yield* Effect.exit(result.invariant ?? Effect.void)
    if (Exit.isFailure(invariant)) return yield* failed("the invariant does not hold", show(invariant))
  })

/** An outcome without what tells two equal ones apart: stack traces, spans, ids of fibers. */
const plain = (exit: Exit.Exit<unknown, unknown>): unknown => {
  if (Exit.isSuccess(exit)) return { success: exit.value }
  return exit.cause.reasons.map((reason) => {
    if (reason._tag === "Fail") return { fail: reason.error }
    return reason._tag === "Die" ? { die: String(reason.defect) } : { interrupt: true }
  })
}

const show = (exit: Exit.Exit<unknown, unknown> | undefined): string =>
  exit === undefined ? "no outcome" : Formatter.format(plain(exit))
