/** Runs a random program in a bottle, and says what is wrong with what became of it. */
import { Cause, Effect, Exit, Stream } from "effect"
import type { StoredEvent } from "../../../src/index.ts"
import { Refused } from "../program.ts"
import { CrashSweep, Simulation } from "../../../src/testing/index.ts"
import { isDue, type Ledger, Ping, program } from "./Program.ts"
import { type Draw, isCertain, type Tree } from "./Tree.ts"

export interface Circumstances {
  /** `undefined`: the default scheduler. */
  readonly seed: number | undefined
  readonly crashes: Simulation.Plan["crashes"]
  readonly alwaysReplay: boolean
  /** After so many events of the run it is cancelled. */
  readonly cancelAfter: number | undefined
}

export interface Report {
  /** `undefined`: nothing. */
  readonly wrong: string | undefined
  readonly outcome: string
  readonly died: number
  readonly mutations: number
}

export const calm: Circumstances = { seed: undefined, crashes: [], alwaysReplay: false, cancelAfter: undefined }

const scenarioOf = (made: ReturnType<typeof program>, cancelAfter: number | undefined) =>
  Effect.gen(function* () {
    const handle = yield* made.orchestration.start({})
    const cancel =
      cancelAfter === undefined
        ? Effect.void
        : handle.events.pipe(Stream.take(cancelAfter), Stream.runDrain, Effect.andThen(handle.cancel("for the test")))
    const pings = CrashSweep.sends(Ping, { by: "ann" }, { by: "bob" })(handle)
    const driven = Effect.andThen(pings, Effect.andThen(Effect.exit(cancel), Effect.never))
    const exit = yield* Effect.exit(Effect.raceFirst(handle.await, driven))
    return { exit, events: yield* Stream.runCollect(untilStuck(handle.events)) }
  })

/** A run that is blocked has no end. */
const untilStuck = <E>(events: Stream.Stream<StoredEvent, E>) =>
  Stream.takeUntil(events, (event) => event.type === "RunBlocked")

export const run = (tree: Tree, { alwaysReplay, cancelAfter, crashes, seed }: Circumstances): Effect.Effect<Report> =>
  Effect.gen(function* () {
    const made = program(tree)
    const result = yield* Simulation.run({ layer: made.orchestration.layer }, scenarioOf(made, cancelAfter), {
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
            ...unexpected(ended.exit, cancelAfter !== undefined),
            ...unpaid(made.ledger(), ended.events),
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
  readonly events: ReadonlyArray<StoredEvent>
}

const endOf = ({ exit, waited }: Simulation.Result): Ended | string => {
  if (exit === undefined) return `it stalled after ${String(waited)}`
  return Exit.isSuccess(exit) ? (exit.value as Ended) : `the process failed: ${Cause.pretty(exit.cause)}`
}

const outcomeOf = (exit: Exit.Exit<string, unknown>): string =>
  Exit.isSuccess(exit) ? exit.value : String(Cause.squash(exit.cause))

/** Of a run there are three ends: its answer, its typed failure, and, if asked for, its cancellation. */
const unexpected = (exit: Exit.Exit<string, unknown>, cancelled: boolean): ReadonlyArray<string> => {
  if (Exit.isSuccess(exit)) return []
  const error = Cause.squash(exit.cause)
  if (error instanceof Refused && error.what !== "CompensationFailed") return []
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
    cancelAfter: kind === 1 || (kind === 0 && draw(3) === 0) ? 1 + draw(mutations) : undefined
  }
}

/** Whether the outcome must be that of a calm world. */
export const mustAgree = (tree: Tree, { cancelAfter }: Circumstances): boolean =>
  cancelAfter === undefined && isCertain(tree)
