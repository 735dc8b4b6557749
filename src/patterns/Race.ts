/**
 * Agents that do the same at once, or one after the other when the first is slow. The first answer wins.
 *
 * Invariants (checked by `test/patterns/Race.test.ts` and `test/patterns/SmallPatterns.durable.test.ts`):
 *
 *   A1. `"success"`: the first success is the answer; a failure only leaves one contender fewer. When all have failed, the
 *       race fails with `AllFailed`, which holds the failure of each, in the order of the agents.
 *   A2. `"settled"`: the first to end decides, whether it succeeds or fails.
 *   A3. The race ends when its losers have: they are interrupted and waited for.
 *   A4. With a `stagger`, an agent starts that long after the one before it, or as soon as that one has failed.
 *   A5. A defect is a bug, not a failure: it ends the race at once.
 *   A6. In a run, what was recorded first wins, on each replay; an interrupted loser leaves no outcome.
 *
 * Source: of the stagger, Schinazi & Pauly, "Happy Eyeballs Version 2", RFC 8305, 2017.
 */
import type * as Arr from "effect/Array"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Agent from "../core/Agent.ts"
import * as PatternEvent from "../core/PatternEvent.ts"
import * as Step from "../durable/Step.ts"
import * as Timer from "../durable/Timer.ts"
import { AllFailed, type Failure } from "./RaceError.ts"
import type { CommonInput } from "./supervisor/Supervisor.ts"

export { AllFailed, type Failure } from "./RaceError.ts"

/** What decides a race. */
export type First = "success" | "settled"

type Agents = Arr.NonEmptyReadonlyArray<Agent.Any>

/**
 * What a race is made of.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<A extends Agents, F extends First> {
  /** Each with a name of its own. */
  readonly agents: A
  /** Default `"success"`. */
  readonly first?: F
  /** How long each agent waits for the one before it. Default: all start at once. */
  readonly stagger?: Duration.Input
  readonly capabilities?: ReadonlyArray<string>
}

/**
 * Makes a race.
 *
 * **Details** Takes what all agents take, gives what any of them gives. In a run it states `RaceWon`, and the stagger is a
 * durable timer: after a crash the next agent starts when it would have.
 *
 * **Gotchas**
 *
 * - An agent that is interrupted may have had its effect already. One that is not idempotent is then in the same doubt as
 *   after a crash.
 * - What a loser registered with `Saga.undo` before it lost is undone when the transaction around the race is. To undo it at
 *   once, give the agent a transaction of its own: the race waits for its compensations.
 *
 * **Errors** `AllFailed` — no agent succeeded. Not with `first: "settled"`, where the failure that decides leaves as it is.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const make = <const A extends Agents, const F extends First = "success">(
  name: string,
  options: Options<A, F>
): Agent.Agent<
  CommonInput<A[number]>,
  Agent.Output<A[number]>,
  F extends "settled" ? Agent.Error<A[number]> : AllFailed<Agent.Error<A[number]>>,
  Agent.Services<A[number]>
> => {
  const names = options.agents.map((agent) => agent.name)
  const twice = names.find((agent, place) => names.indexOf(agent) !== place)
  if (names.length === 0) throw new RangeError(`race "${name}" needs an agent`)
  if (twice !== undefined) throw new RangeError(`race "${name}" has two agents named "${twice}"`)
  const course: Course = {
    name,
    agents: options.agents,
    settles: options.first === "settled",
    stagger: options.stagger === undefined ? undefined : Duration.fromInputUnsafe(options.stagger)
  }
  return Agent.compose<any, any, any, any>(name, {
    pattern: "Race",
    capabilities: options.capabilities ?? [],
    run: (input) => Effect.suspend(() => race(course, input))
  })
}

/** What all races of one agent have in common. */
interface Course {
  readonly name: string
  readonly agents: ReadonlyArray<Agent.Any>
  readonly settles: boolean
  readonly stagger: Duration.Duration | undefined
}

const race = ({ agents, name, settles, stagger }: Course, input: unknown) => {
  const started = agents.map(() => Deferred.makeUnsafe<void>())
  const failed = agents.map(() => Deferred.makeUnsafe<Failure<unknown>>())

  /** A4 */
  const turnOf = (place: number): Effect.Effect<unknown> => {
    if (stagger === undefined || place === 0) return Effect.void
    return Effect.andThen(
      Deferred.await(started[place - 1]!),
      Effect.raceFirst(Timer.sleep(stagger), Deferred.await(failed[place - 1]!))
    )
  }

  /** A1: who has failed waits for the others to fail. */
  const lose = (place: number, error: unknown) =>
    Deferred.succeed(failed[place]!, { agent: agents[place]!.name, error }).pipe(
      Effect.andThen(Effect.all(failed.map(Deferred.await))),
      Effect.flatMap((failures) => Effect.fail(new AllFailed({ race: name, failures })))
    )

  const contend = (agent: Agent.Any, place: number) => {
    const call: Effect.Effect<any, any, any> = Effect.suspend(() => agent.run(input))
    return turnOf(place).pipe(
      Effect.andThen(Deferred.succeed(started[place]!, undefined)),
      Effect.andThen(settles ? call : Effect.catch(call, (error) => lose(place, error))),
      Effect.map((answer) => ({ answer, winner: agent.name })),
      Step.keyed(agent.name)
    )
  }

  return Effect.flatMap(Effect.raceAllFirst(agents.map(contend)), ({ answer, winner }) =>
    Effect.as(PatternEvent.state({ _tag: "RaceWon", winner }), answer)
  )
}
