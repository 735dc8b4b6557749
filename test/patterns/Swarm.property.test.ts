/** Random members under random rules and limits: what comes of a swarm is what a reader of its invariants works out by hand. */
import { assert, describe, it } from "@effect/vitest"
import { Array as Arr, Effect, Exit, Fiber, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Agent from "../../src/core/Agent.ts"
import * as Task from "../../src/core/Task.ts"
import * as Consensus from "../../src/patterns/consensus/Consensus.ts"
import * as Swarm from "../../src/patterns/swarm/Swarm.ts"
import * as Budget from "../../src/policies/Budget.ts"

class Busy extends Schema.TaggedError<Busy>()("Busy", { member: Schema.Int }) {}
const Ask = Task.make("Ask", { input: { seen: Schema.String }, output: Schema.String, error: Busy })

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))
const listOf = <S extends Schema.Constraint>(item: S, [least, most]: readonly [number, number]) =>
  Schema.Array(item).check(Schema.isMinLength(least), Schema.isMaxLength(most))

/** `?`: it abstains; `!`: it fails. Few options, so that they agree now and then. */
const Says = Schema.Literals(["a", "a", "a", "b", "b", "c", "?", "!"])
type Says = typeof Says.Type
/** What each of up to six members says in each of up to four rounds; the last one is said for ever. */
const Script = listOf(listOf(Says, [6, 6]), [1, 4])
const Size = between(1, 6)
const Limits = Schema.Struct({
  rounds: between(1, 5),
  stall: Schema.UndefinedOr(between(1, 2)),
  divergence: Schema.UndefinedOr(Schema.Literals([0.1, 0.25, 0.5]))
})
type Limits = typeof Limits.Type

/** Rules whose outcome does not depend on who is heard first, and whether so many votes win, of all that were cast. */
const rules = {
  majority: { make: () => Consensus.majority(), wins: (votes: number, cast: number) => votes * 2 > cast },
  "two thirds": {
    make: () => Consensus.majority({ share: 2 / 3 }),
    wins: (votes: number, cast: number) => votes * 3 >= cast * 2
  },
  unanimous: { make: () => Consensus.unanimous(), wins: (votes: number, cast: number) => votes === cast },
  plurality: {
    make: () => Consensus.plurality(),
    wins: (votes: number, _: number, second: number) => votes > second
  }
}
const RuleName = Schema.Literals(["majority", "two thirds", "unanimous", "plurality"])
type RuleName = typeof RuleName.Type

const given = ({ divergence, rounds, stall }: Limits): Swarm.Limits => ({
  rounds,
  ...(stall === undefined ? {} : { stall }),
  ...(divergence === undefined ? {} : { divergence })
})

/** Votes by option, as text. */
const tallied = (says: ReadonlyArray<Says>) => {
  const options = ["a", "b", "c"].map((option) => [option, says.filter((said) => said === option).length] as const)
  const [[leader, most], [, second]] = options.toSorted((one, other) => other[1] - one[1]) as any
  const cast = options.reduce((sum, [, votes]) => sum + votes, 0)
  return { text: JSON.stringify(options), leader, most, second, cast } as {
    readonly [field in "most" | "second" | "cast"]: number
  } & { readonly leader: string; readonly text: string }
}

/** What W1, W5 and W6 say comes of it, if in each round everybody is heard. */
const model = (rule: RuleName, script: ReadonlyArray<ReadonlyArray<Says>>, limits: Limits) => {
  const { divergence = 1, rounds, stall = Infinity } = limits
  let best = 0
  let unchanged = 0
  let last = ""
  for (let round = 1; ; round++) {
    const { cast, leader, most, second, text } = tallied(script[Math.min(round, script.length) - 1]!)
    const agreement = cast === 0 ? 0 : most / cast
    if (cast > 0 && rules[rule].wins(most, cast, second)) return { option: leader, rounds: round }
    unchanged = text === last ? unchanged + 1 : 0
    last = text
    best = Math.max(best, agreement)
    if (round === rounds) return { ending: "RoundsSpent", rounds: round }
    if (agreement < best - divergence) return { ending: "Diverged", rounds: round }
    if (unchanged >= stall) return { ending: "Stalled", rounds: round }
  }
}

/** Members that follow the script, each after so many seconds, and what they were seen to do. */
const troupe = (script: ReadonlyArray<ReadonlyArray<Says>>, delays: ReadonlyArray<number>) => {
  const asked: Array<string> = []
  const watch = { running: 0, most: 0, left: NaN }
  const members = Arr.makeBy(script[0]!.length, (index) => {
    let round = 0
    return Agent.make(`m${index}`, {
      task: Ask,
      run: ({ seen }) =>
        Effect.suspend((): Effect.Effect<string, Busy> => {
          const said = script[Math.min(round++, script.length - 1)]![index]!
          asked.push(`m${index} ${seen}`)
          watch.most = Math.max(watch.most, ++watch.running)
          const answer = said === "!" ? Effect.fail(new Busy({ member: index })) : Effect.succeed(said)
          const delay = delays[index] ?? 0
          return delay === 0 ? answer : Effect.andThen(Effect.sleep(`${delay} seconds`), answer)
        }).pipe(Effect.ensuring(Effect.sync(() => watch.running--)))
    })
  })
  return { asked, watch, members }
}

const vote = (answer: string) => (answer === "?" ? undefined : answer)
const question = (_: void, previous: Swarm.Round | undefined) => ({
  seen: previous === undefined ? "1" : `${previous.round + 1} after ${JSON.stringify(sorted(previous.tally))}`
})
const sorted = ({ votes }: Consensus.Tally) => votes.map(({ option, votes }) => `${option}${votes}`).toSorted()

const inTestTime = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(Effect.exit(effect), { startImmediately: true })
    yield* TestClock.adjust("1 hour")
    return yield* Fiber.join(fiber)
  })

type Heard = Pick<Swarm.Agreement<string, string, unknown>, "tally" | "abstentions"> & {
  readonly votes: ReadonlyArray<Swarm.CastBallot<string>>
}

/** The votes and abstentions tell what the tally counts, in the order of the members, and each member is one of them at most. */
const assertAccounts = ({ abstentions, tally, votes }: Heard, size: number, heavy = 1) => {
  const weightOf = (member: string) => (member === "m0" ? heavy : 1)
  assert.deepStrictEqual([votes.length, abstentions.length], [tally.cast, tally.abstained])
  assert.strictEqual(tally.cast + tally.abstained + tally.unheard, size)
  for (const names of [votes, abstentions].map((heard) => heard.map(({ member }) => member))) {
    assert.deepStrictEqual(names, names.toSorted())
  }
  assert.strictEqual(new Set([...votes, ...abstentions].map(({ member }) => member)).size, tally.cast + tally.abstained)
  for (const { option, votes: count } of tally.votes) {
    const weights = votes.flatMap(({ ballot, member }) => (ballot === option ? [weightOf(member)] : []))
    assert.strictEqual(
      Arr.reduce(weights, 0, (sum, weight) => sum + weight),
      count
    )
  }
}

const heardOf = (
  exit: Exit.Exit<Swarm.Agreement<string, string, unknown>, unknown>
): Heard & { readonly rounds: number } =>
  Exit.isSuccess(exit) ? exit.value : (failureOf(exit) as Swarm.NoConsensus<string>)

const failureOf = (exit: Exit.Exit<unknown, unknown>): unknown => {
  if (Exit.isSuccess(exit)) return undefined
  const [reason] = exit.cause.reasons
  return reason?._tag === "Fail" ? reason.error : assert.fail(String(exit.cause))
}

const endOf = (exit: Exit.Exit<Swarm.Agreement<string, string, unknown>, unknown>) => {
  if (Exit.isSuccess(exit)) return { option: exit.value.option as string, rounds: exit.value.rounds }
  const { ending, rounds } = failureOf(exit) as Swarm.NoConsensus
  return { ending, rounds }
}

const cut = (script: ReadonlyArray<ReadonlyArray<Says>>, size: number) => script.map((line) => line.slice(0, size))

describe("Swarm, with any members", () => {
  it.effect.prop(
    "W1, W2, W3, W4, W5, W6: whoever is slow, it ends as its rule and limits say of all votes",
    [RuleName, Script, Size, Limits, listOf(between(0, 4), [6, 6]), Schema.UndefinedOr(between(1, 4))],
    ([ruleName, whole, size, limits, delays, concurrency]) =>
      Effect.gen(function* () {
        const script = cut(whole, size)
        const { asked, members, watch } = troupe(script, delays)
        const swarm = Swarm.make("swarm", {
          members,
          rule: rules[ruleName].make(),
          vote,
          question,
          limits: given(limits),
          ...(concurrency === undefined ? {} : { concurrency })
        })
        const leaving = Effect.sync(() => {
          watch.left = watch.running
        })
        const exit = yield* inTestTime(Effect.ensuring(swarm.run(), leaving))
        // W1, W6
        assert.deepStrictEqual(endOf(exit), model(ruleName, script, limits) as ReturnType<typeof endOf>)
        const heard = heardOf(exit)
        assertAccounts(heard, size)
        // W2, W3
        assert.strictEqual(watch.left, 0)
        assert.isAtMost(watch.most, concurrency ?? size)
        assert.strictEqual(new Set(asked).size, asked.length)
        // W4
        const failed = heard.abstentions.flatMap((one) => (one._tag === "Failed" ? [one.error as Busy] : []))
        for (const error of failed)
          assert.strictEqual(script[Math.min(heard.rounds, script.length) - 1]![error.member], "!")
        // W5: all were asked again after the tally of the whole last round.
        for (let round = 2; round <= heard.rounds; round++) {
          const last = script[Math.min(round - 1, script.length) - 1]!
          const options = ["a", "b", "c"].map((option) => `${option}${last.filter((said) => said === option).length}`)
          const tally = JSON.stringify(options.filter((line) => !line.endsWith("0")))
          const again = asked.filter((line) => line.includes(` ${round} after `))
          assert.isTrue(
            again.every((line) => line.endsWith(` ${round} after ${tally}`)),
            `${again.join()}: ${tally}`
          )
          if (round < heard.rounds) assert.strictEqual(again.length, size)
        }
      }),
    { arbitrary: { runs: 200 } }
  )

  const Order = Schema.Struct({
    rule: Schema.Literals(["majority", "two thirds", "unanimous", "plurality", "firstValid", "quorum", "weighted"]),
    least: between(1, 6),
    heavy: between(0, 3)
  })
  const ruleOf = ({ heavy, least, rule }: typeof Order.Type, size: number) => {
    const quorum = Math.min(least, size)
    if (rule === "firstValid") return Consensus.firstValid()
    if (rule === "quorum") return Consensus.quorum(quorum)
    return rule === "weighted" ? Consensus.weighted({ m0: heavy }, { quorum }) : rules[rule].make()
  }

  /** One member after the other, as long as there is a turn left for it, and as its vote could matter. */
  const oneByOne = (
    rule: Consensus.Rule<string>,
    script: ReadonlyArray<ReadonlyArray<Says>>,
    { rounds, turns }: { readonly rounds: number; readonly turns: number }
  ) => {
    const size = script[0]!.length
    const asked: Array<string> = []
    let left = turns
    for (let round = 1; ; round++) {
      const count = rule.open(Arr.makeBy(size, (index) => `m${index}`))
      let isSpent = false
      for (let member = 0, isDone = false; member < size && !isDone; member++) {
        isSpent = left === 0
        const said = script[Math.min(round, script.length) - 1]![member]!
        if (left-- > 0) asked.push(`m${member}`)
        count.add(member, isSpent || said === "?" || said === "!" ? undefined : said)
        const { _tag } = count.standing()
        isDone = isSpent || _tag === "Decided" || (round === rounds && _tag === "Undecided")
      }
      const outcome = count.close()
      const { abstained, cast, unheard } = count.tally()
      const end = { rounds: round, counts: [cast, abstained, unheard], asked }
      if (outcome._tag === "Decided") return { ...end, option: outcome.option }
      if (isSpent) return { ...end, ending: "BudgetExceeded", reason: outcome.reason }
      if (round === rounds) return { ...end, ending: "RoundsSpent", reason: outcome.reason }
    }
  }

  it.effect.prop(
    "W1, W6: one at a time, under any rule, it ends with the vote that decides, its rounds, or its budget",
    [Order, Script, Size, between(1, 3), between(0, 20)],
    ([order, whole, size, rounds, turns]) =>
      Effect.gen(function* () {
        const script = cut(whole, size)
        const { asked, members } = troupe(script, [])
        const paying = Arr.map(
          members,
          Agent.transform(Budget.charge({ reserve: { turns: 1 }, settleFailure: () => ({ turns: 1 }) }))
        )
        const swarm = Swarm.make("swarm", {
          members: paying,
          rule: ruleOf(order, size),
          vote,
          question,
          limits: { rounds },
          concurrency: 1
        }).pipe(Budget.within("turns", { turns }))
        const exit = yield* inTestTime(swarm.run())
        const { abstained, cast, unheard } = heardOf(exit).tally
        const missed = failureOf(exit) as Swarm.NoConsensus | undefined
        assert.deepStrictEqual(
          {
            ...endOf(exit),
            counts: [cast, abstained, unheard],
            asked: asked.map((line) => line.slice(0, 2)),
            ...(missed === undefined ? {} : { reason: missed.reason })
          } as unknown,
          oneByOne(ruleOf(order, size), script, { rounds, turns })
        )
        assertAccounts(heardOf(exit), size, order.rule === "weighted" ? order.heavy : 1)
        if (missed?.ending === "BudgetExceeded") {
          const last = missed.abstentions.at(-1)
          assert.isTrue(last?._tag === "Failed" && last.error instanceof Budget.BudgetExceeded)
        }
      }),
    { arbitrary: { runs: 200 } }
  )
})
