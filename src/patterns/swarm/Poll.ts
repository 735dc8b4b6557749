/**
 * Asks many agents at once, and stops listening as soon as enough is known: what swarms, auctions, blackboards and gossip
 * are made of.
 *
 * Invariants (checked by `test/patterns/Poll.test.ts` and, inside a run, by the durable tests of its patterns):
 *
 *   P1. Each member is asked once at most, in a scope of its own, and no more of them at a time than `concurrency` allows.
 *   P2. When the poll closes, who has not answered is interrupted, and waited for.
 *   P3. What a poll answers depends on who was heard, never on the order in which they were.
 *   P4. In a run, who was heard is one recorded decision: a replay hears the same members, whoever is faster then.
 */
import type * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Agent from "../../core/Agent.ts"
import * as Run from "../../core/Run.ts"
import * as Step from "../../durable/Step.ts"
import * as Timer from "../../durable/Timer.ts"
import * as Decision from "../../policies/Decision.ts"

/** Agents that are asked together. */
export type Members = Arr.NonEmptyReadonlyArray<Agent.Any>

/** What every agent of a union takes: the intersection of their inputs. */
export type CommonInput<A> = [A] extends [Agent.Agent<infer In, any, any, any>] ? In : never

/** How members are asked. */
export interface AskingOptions {
  /** How many members are at work at once. Default: all. */
  readonly concurrency?: number | "unbounded"
  /** Who has not answered by then is not heard in this round. */
  readonly timeout?: Duration.Input
}

export interface Asking {
  readonly concurrency: number | "unbounded"
  readonly timeout: Duration.Duration | undefined
}

export const asking = ({ concurrency = "unbounded", timeout }: AskingOptions): Asking => ({
  concurrency: concurrency === "unbounded" ? concurrency : natural("concurrency", concurrency),
  timeout: timeout === undefined ? undefined : Duration.fromInputUnsafe(timeout)
})

export const natural = (option: string, value: number): number => {
  if (Number.isInteger(value) && value >= 1) return value
  throw new RangeError(`${option} must be an integer from 1, got ${value}`)
}

export interface Options<A, E, R> extends Asking {
  /** Names that differ, at least one: of the scopes in a run. */
  readonly members: ReadonlyArray<string>
  readonly ask: (member: number) => Effect.Effect<A, E, R>
  /** Called for each answer as it comes. True: that is enough. It must not depend on the order of the answers. */
  readonly isEnough: (member: number, answer: Exit.Exit<A, E>) => boolean
}

/** By member. `undefined`: not heard. */
export type Answers<A, E> = ReadonlyArray<Exit.Exit<A, E> | undefined>

export interface Poll<A, E> {
  readonly answers: Answers<A, E>
  readonly timedOut: boolean
}

const Closing = Schema.Struct({ heard: Schema.Uint8ArrayFromBase64, timedOut: Schema.Boolean })

/** One bit for each member: 10,000 of them fit into two kilobytes of the journal. */
const closing = Decision.make<typeof Closing.Type>("close", Closing)

const hasBit = (bits: Uint8Array, index: number): boolean => ((bits[index >> 3]! >> (index & 7)) & 1) === 1

/** What is known while the poll is open. */
class Hearing<A, E> {
  readonly answers: Array<Exit.Exit<A, E> | undefined>
  readonly closed = Deferred.makeUnsafe<void>()
  private readonly heard: Uint8Array
  private left: number
  private closing: typeof Closing.Type | undefined
  private readonly isEnough: Options<A, E, never>["isEnough"]
  isDecided = false

  constructor(members: number, isEnough: Options<A, E, never>["isEnough"]) {
    this.answers = Array.from({ length: members })
    this.heard = new Uint8Array(Math.ceil(members / 8))
    this.left = members
    this.isEnough = isEnough
  }

  get isClosed(): boolean {
    return this.closing !== undefined
  }

  hear(member: number, answer: Exit.Exit<A, E>): void {
    this.answers[member] = answer
    if (this.isClosed) return
    this.heard[member >> 3]! |= 1 << (member & 7)
    this.left--
    if (this.isEnough(member, answer) || this.left === 0) this.close(false)
  }

  close(timedOut: boolean): void {
    if (this.isClosed) return
    this.closing = { heard: this.heard, timedOut }
    Deferred.doneUnsafe(this.closed, Exit.void)
  }

  /** Who was heard when it closed. On replay, what was recorded then. */
  get decision(): Effect.Effect<Poll<A, E>> {
    const facts = { members: this.answers.length }
    const decide = Effect.sync(() => {
      this.isDecided = true
      return this.closing!
    })
    return Effect.map(closing(facts, decide), ({ heard, timedOut }) => ({
      answers: this.answers.map((answer, member) => (hasBit(heard, member) ? answer : undefined)),
      timedOut
    }))
  }
}

/** Asks, and hears. In a run the poll needs a scope of its own. */
export const poll = <A, E, R>(options: Options<A, E, R>): Effect.Effect<Poll<A, E>, never, R> =>
  Run.withCurrent(
    () => take(options, true),
    Effect.suspend(() => take(options, false))
  )

const take = <A, E, R>(options: Options<A, E, R>, isRecorded: boolean): Effect.Effect<Poll<A, E>, never, R> => {
  const { ask, concurrency, members, timeout } = options
  const hearing = new Hearing<A, E>(members.length, options.isEnough)
  const askOne = (name: string, member: number) => {
    // P4: whom a run has asked, its replay must ask, too. So what stops the asking there is the decision: not that it is
    // due, which a replay may find earlier, but that it is made, which happens once, and behind every recorded answer.
    if (isRecorded ? hearing.isDecided : hearing.isClosed) return Effect.void
    const asked = Effect.exit(Step.keyed(name)(Effect.suspend(() => ask(member))))
    return Effect.map(asked, (answer) => hearing.hear(member, answer))
  }
  const everyone = Effect.andThen(Effect.forEach(members, askOne, { concurrency, discard: true }), Effect.never)
  const closed = Effect.andThen(
    Deferred.await(hearing.closed),
    Effect.suspend(() => hearing.decision)
  )
  // Until the decision is answered all go on: on replay, it may be asked for before its turn.
  if (timeout === undefined) return Effect.raceFirst(everyone, closed)
  const timer = Effect.andThen(
    Timer.sleep(timeout),
    Effect.suspend(() => {
      hearing.close(true)
      return Effect.never
    })
  )
  return Effect.raceAllFirst([everyone, closed, timer])
}

/** Names that differ, in the order of the agents: `alice`, `voter`, `voter-2`, … */
export const namesOf = (agents: ReadonlyArray<{ readonly name: string }>): ReadonlyArray<string> => {
  const taken = new Set(agents.map(({ name }) => name))
  const seen = new Map<string, number>()
  return agents.map(({ name }) => {
    let count = (seen.get(name) ?? 0) + 1
    while (count > 1 && taken.has(`${name}-${count}`)) count++
    seen.set(name, count)
    return count === 1 ? name : `${name}-${count}`
  })
}

/** The typed failure, if the answer is one. */
export const failureOf = <A, E>(answer: Exit.Exit<A, E>): { readonly error: E } | undefined => {
  const error = Exit.isSuccess(answer) ? Option.none() : Cause.findErrorOption(answer.cause)
  return Option.isNone(error) ? undefined : { error: error.value }
}

/** Neither answer nor failure: a bug, or an interruption that the member brought upon itself. */
export const isUnexpected = (answer: Exit.Exit<unknown, unknown>): boolean =>
  Exit.isFailure(answer) && (Cause.hasDies(answer.cause) || failureOf(answer) === undefined)

/** Ends with what no pattern over the poll can handle: the first in the order of the members. */
const expected = <A, E>({ answers }: Poll<A, E>): Effect.Effect<Answers<A, E>> => {
  const unexpected = answers.find((answer) => answer !== undefined && isUnexpected(answer))
  return unexpected === undefined ? Effect.succeed(answers) : (unexpected as Exit.Exit<never>)
}

/** Hears all there is to hear, and lets out what nobody expects. */
export const everyAnswer = <A, E, R>(
  options: Omit<Options<A, E, R>, "isEnough">
): Effect.Effect<Answers<A, E>, never, R> => Effect.flatMap(poll({ ...options, isEnough: () => false }), expected)
