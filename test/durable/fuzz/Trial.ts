/** Runs a random program in a bottle, and says what is wrong with what became of it. */
import { Cause, Effect, Exit, Stream } from "effect"
import type { StoredEvent } from "../../../src/index.ts"
import { Refused } from "../program.ts"
import { CrashSweep, Simulation } from "../../../src/testing/index.ts"
import { isDue, type Ledger } from "./Ledger.ts"
import { Ping, program } from "./Program.ts"
import { type Draw, isCertain, type Tree } from "./Tree.ts"

export interface Circumstances {
  /** `undefined`: the default scheduler. */
  readonly seed: number | undefined
  readonly crashes: Simulation.Plan["crashes"]
  readonly alwaysReplay: boolean
  /** After so many events of the run it is cancelled. */
  readonly cancelAfter: number | undefined
  /** After so many events of the run it is paused, and resumed ten minutes later. */
  readonly pauseAfter: number | undefined
}

export interface Report {
  /** `undefined`: nothing. */
  readonly wrong: string | undefined
  readonly outcome: string
  readonly died: number
  readonly mutations: number
}

export const calm: Circumstances = {
  seed: undefined,
  crashes: [],
  alwaysReplay: false,
  cancelAfter: undefined,
  pauseAfter: undefined
}

const scenarioOf = (made: ReturnType<typeof program>, { cancelAfter, pauseAfter }: Circumstances) =>
  Effect.gen(function* () {
    const handle = yield* made.orchestration.start({})
    const after = <E>(count: number | undefined, command: Effect.Effect<void, E>) =>
      count === undefined
        ? Effect.void
        : Effect.exit(handle.events.pipe(Stream.take(count), Stream.runDrain, Effect.andThen(command)))
    const pings = CrashSweep.sends(Ping, { by: "ann" }, { by: "bob" })(handle)
    const pausing = Effect.andThen(handle.pause, Effect.delay(handle.resume, "10 minutes"))
    const driving = [
      Effect.andThen(pings, after(cancelAfter, handle.cancel("for the test"))),
      after(pauseAfter, pausing),
      Effect.never
    ]
    const driven = Effect.andThen(Effect.all(driving, { concurrency: "unbounded" }), Effect.never)
    const exit = yield* Effect.exit(Effect.raceFirst(handle.await, driven))
    const runs = new Map<string, ReadonlyArray<StoredEvent>>()
    for (const runId of made.ledgers.keys()) {
      const { events } = yield* made.orchestration.handle(runId)
      runs.set(runId, yield* Stream.runCollect(untilStuck(events)))
    }
    return { exit, runs }
  })

/** A run that is blocked has no end. */
const untilStuck = <E>(events: Stream.Stream<StoredEvent, E>) =>
  Stream.takeUntil(events, (event) => event.type === "RunBlocked")

export const run = (tree: Tree, world: Circumstances): Effect.Effect<Report> =>
  Effect.gen(function* () {
    const { alwaysReplay, cancelAfter, crashes, seed } = world
    const made = program(tree)
    const result = yield* Simulation.run({ layer: made.layer }, scenarioOf(made, world), {
      seed,
      crashes,
      ...(alwaysReplay ? { engine: { alwaysReplay } } : {})
    })
    const ended = endOf(result)
    const wrong = [
      ...result.problems,
      ...(typeof ended === "string"
        ? [ended]
        : [
            ...unexpected(ended.exit, cancelAfter !== undefined, [...made.ledgers.values()]),
            ...[...made.ledgers].flatMap(([runId, ledger]) => [
              ...ledger.broken,
              ...unpaid(ledger, ended.runs.get(runId) ?? [])
            ]),
            ...orphans(ended.runs),
            ...repeated(made.outside.calls)
          ])
    ]
    return {
      wrong: wrong.length === 0 ? undefined : wrong.join("; "),
      outcome: typeof ended === "string" ? ended : outcomeOf(ended.exit),
      died: result.died,
      mutations: result.lives[0]!.length
    }
  })

interface Ended {
  readonly exit: Exit.Exit<string, unknown>
  readonly runs: ReadonlyMap<string, ReadonlyArray<StoredEvent>>
}

const endOf = ({ exit, waited }: Simulation.Result): Ended | string => {
  if (exit === undefined) return `it stalled after ${String(waited)}`
  return Exit.isSuccess(exit) ? (exit.value as Ended) : `the process failed: ${Cause.pretty(exit.cause)}`
}

const outcomeOf = (exit: Exit.Exit<string, unknown>): string =>
  Exit.isSuccess(exit) ? exit.value : String(Cause.squash(exit.cause))

/** Of a run there are three ends: its answer, its typed failure, and, if asked for, its cancellation. */
const unexpected = (
  exit: Exit.Exit<string, unknown>,
  cancelled: boolean,
  ledgers: ReadonlyArray<Ledger>
): ReadonlyArray<string> => {
  if (Exit.isSuccess(exit)) return []
  const error = Cause.squash(exit.cause)
  if (error instanceof Refused && !error.what.startsWith("Run")) {
    const isDue = error.what !== "CompensationFailed" || ledgers.some(({ staysBehind }) => staysBehind)
    return isDue ? [] : ["it could not undo everything"]
  }
  if (cancelled && (error as { readonly _tag?: string })._tag === "RunCancelled") return []
  return [`it ended with ${String(error)}`]
}

/** Every step that a failed transaction has completed is undone once; every completed step is known to the program. */
const unpaid = ({ debts }: Ledger, events: ReadonlyArray<StoredEvent>): ReadonlyArray<string> => {
  const completed = (name: string) =>
    events.filter(({ meta, type }) => type === "StepCompleted" && lastOf(meta.path) === name).length
  const names = [...new Set(debts.map(({ name }) => name))]
  return [
    ...debts.flatMap(({ frame, name, undone }) => {
      const due = isDue(frame) ? 1 : 0
      return undone === due ? [] : [`${name} is undone ${undone} times instead of ${due}`]
    }),
    ...names.flatMap((name) => {
      const own = debts.filter((debt) => debt.name === name)
      const [heard, undone] = [own.length, own.filter((debt) => debt.undone > 0).length]
      return [
        ...(completed(name) === heard ? [] : [`${name} is recorded ${completed(name)} times, heard ${heard} times`]),
        ...(completed(`undo-${name}`) === undone
          ? []
          : [`undo of ${name} is recorded ${completed(`undo-${name}`)} times`])
      ]
    })
  ]
}

const lastOf = (path: string | undefined): string | undefined => path?.split("/").at(-1)?.replace(/#\d+$/, "")

/** A child whose outcome nobody waits for any more is cancelled. */
const orphans = (runs: Ended["runs"]): ReadonlyArray<string> =>
  [...runs].flatMap(([runId, events]) => {
    const parentId = [...runs.keys()].findLast((other) => runId.startsWith(`${other}/`))
    if (parentId === undefined) return []
    const parent = runs.get(parentId)!
    const path = runId.slice(parentId.length + 1)
    const isHeard = parent.some(({ meta, type }) => meta.path === path && /^Step(Completed|Failed)$/.test(type))
    const isCancelled = events.some(({ type }) => type === "RunCancelRequested")
    const endsLater = events.at(-1)!.meta.timestamp > parent.at(-1)!.meta.timestamp
    return !isHeard && !isCancelled && endsLater ? [`${runId} goes on without its parent`] : []
  })

/** What is not idempotent has its effect once. */
const repeated = (calls: ReadonlyMap<string, number>): ReadonlyArray<string> =>
  [...calls].flatMap(([key, count]) => (key.startsWith("!") && count > 1 ? [`${key} ran ${count} times`] : []))

/** What happens to a program that writes so much. */
export const circumstances = (draw: Draw, mutations: number): Circumstances => {
  const seed = draw(4) === 0 ? undefined : draw(1_000_000)
  const crash = (among: number) => ({
    mutation: 1 + draw(among),
    when: draw(2) === 0 ? ("before" as const) : ("after" as const)
  })
  const crashes = Array.from({ length: draw(3) }, (_, life) => crash(life === 0 ? mutations : 8))
  // Replaying at every answer takes time by the square of the answers.
  const kind = mutations > 50 ? 1 + draw(3) : draw(4)
  return {
    seed,
    crashes: kind === 0 ? [] : crashes,
    alwaysReplay: kind === 0,
    cancelAfter: kind === 1 || (kind === 0 && draw(3) === 0) ? 1 + draw(mutations) : undefined,
    pauseAfter: draw(4) === 0 ? 1 + draw(mutations) : undefined
  }
}

/** Whether the outcome must be that of a calm world. */
export const mustAgree = (tree: Tree, { cancelAfter }: Circumstances): boolean =>
  cancelAfter === undefined && isCertain(tree)
