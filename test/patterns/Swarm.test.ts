import { assert, describe, it } from "@effect/vitest"
import { Array as Arr, Cause, Effect, Exit, Fiber, Random, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Agent from "../../src/core/Agent.ts"
import * as Task from "../../src/core/Task.ts"
import * as Consensus from "../../src/patterns/consensus/Consensus.ts"
import * as Swarm from "../../src/patterns/swarm/Swarm.ts"
import * as Budget from "../../src/policies/Budget.ts"
import * as Seeds from "../../src/testing/Seeds.ts"

class Busy extends Schema.TaggedError<Busy>()("Busy", { by: Schema.String }) {
  // Errors are compared by their messages.
  override get message(): string {
    return `${this.by} is busy`
  }
}

/** With all its fields, by which errors are not compared. */
const plain = (error: Swarm.NoConsensus): unknown => JSON.parse(JSON.stringify(error))

const Answer = Schema.Literals(["yes", "no", "perhaps", "?"])
type Answer = typeof Answer.Type
const Ask = Task.make("Ask", { input: { text: Schema.String }, output: Answer, error: Busy })

/** What members did, and who is at work. */
const makeWatch = () => ({ asked: [] as Array<string>, ended: [] as Array<string>, running: 0, most: 0 })
type Watch = ReturnType<typeof makeWatch>

type Says = Answer | Busy | "bug"

/** Answers after so many seconds. */
const member = (watch: Watch, name: string, says: Says | ((text: string) => Says), seconds = 0) =>
  Agent.make(name, {
    task: Ask,
    run: ({ text }) =>
      Effect.gen(function* () {
        watch.asked.push(name)
        watch.most = Math.max(watch.most, ++watch.running)
        if (seconds > 0) yield* Effect.sleep(`${seconds} seconds`)
        const answer = typeof says === "function" ? says(text) : says
        if (answer === "bug") return yield* Effect.die(new Error("a bug"))
        return typeof answer === "string" ? answer : yield* answer
      }).pipe(
        Effect.onExit(() =>
          Effect.sync(() => {
            watch.running--
            watch.ended.push(name)
          })
        )
      )
  })

const vote = (answer: Answer) => (answer === "?" ? undefined : answer)
const input = { text: "?" }

/** One member for each answer, all of them in no time. */
const swarmOf = (says: ReadonlyArray<Says>, rule: Consensus.Rule<string> = Consensus.majority()) => {
  const watch = makeWatch()
  const members = says.map((answer, index) => member(watch, `m${index}`, answer)) as unknown as Arr.NonEmptyArray<
    ReturnType<typeof member>
  >
  return { watch, swarm: Swarm.make("swarm", { members, vote, rule }) }
}

const later = <A, E>(effect: Effect.Effect<A, E>, seconds = 100) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(effect, { startImmediately: true })
    yield* TestClock.adjust(`${seconds} seconds`)
    return yield* Fiber.join(fiber)
  })

const optionsOf = (tally: { readonly votes: ReadonlyArray<{ readonly option: string; readonly votes: number }> }) =>
  Object.fromEntries(tally.votes.map(({ option, votes }) => [option, votes]))

describe("one round", () => {
  it.effect("W1: the rule decides, over the votes heard", () =>
    Effect.gen(function* () {
      const { swarm } = swarmOf(["yes", "no", "yes", "?", "yes"])
      const agreed = yield* swarm.run(input)
      assert.strictEqual(agreed.option, "yes")
      assert.deepStrictEqual(optionsOf(agreed.tally), { yes: 3, no: 1 })
      assert.deepStrictEqual(agreed.abstentions, [{ _tag: "Abstained", member: "m3" }])
      assert.deepStrictEqual(agreed.votes[1], { member: "m1", answer: "no", ballot: "no" })
      assert.strictEqual(agreed.rounds, 1)
    })
  )

  it.effect("W1, W2: nobody is waited for who could not change it; they are interrupted, and have ended", () =>
    Effect.gen(function* () {
      const watch = makeWatch()
      const swarm = Swarm.make("swarm", {
        members: [
          member(watch, "ann", "yes", 1),
          member(watch, "bob", "no", 2),
          member(watch, "cid", "yes", 3),
          member(watch, "dan", "yes", 4),
          member(watch, "eve", "no", 5)
        ],
        vote,
        rule: Consensus.majority()
      })
      const fiber = yield* Effect.forkChild(swarm.run(input), { startImmediately: true })
      yield* TestClock.adjust("3 seconds")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 seconds")
      const { option, tally } = yield* Fiber.join(fiber)
      assert.deepStrictEqual([option, tally.cast, tally.unheard], ["yes", 4, 1])
      assert.deepStrictEqual(watch.ended, ["ann", "bob", "cid", "dan", "eve"])
      assert.strictEqual(watch.running, 0)
    })
  )

  it.effect("W1: nor is anybody asked any more, outside of a run", () =>
    Effect.gen(function* () {
      const { swarm, watch } = swarmOf(["yes", "yes", "yes", "no", "no"])
      yield* swarm.run(input)
      assert.deepStrictEqual(watch.asked, ["m0", "m1", "m2"])
    })
  )

  it.effect("W3: no more members at a time than the limit, and each once", () =>
    Effect.gen(function* () {
      const watch = makeWatch()
      const members = Arr.makeBy(20, (index) => member(watch, `m${index}`, "yes", 1 + (index % 3)))
      const swarm = Swarm.make("swarm", { members, vote, rule: Consensus.unanimous(), concurrency: 4 })
      const { tally } = yield* later(swarm.run(input))
      assert.deepStrictEqual([tally.cast, watch.most], [20, 4])
      assert.strictEqual(new Set(watch.asked).size, 20)
      assert.strictEqual(watch.asked.length, 20)
    })
  )

  it.effect("W4: who fails abstains, with its typed error", () =>
    Effect.gen(function* () {
      const { swarm } = swarmOf([new Busy({ by: "m0" }), "yes", "yes"], Consensus.unanimous())
      const { abstentions, option } = yield* swarm.run(input)
      assert.strictEqual(option, "yes")
      assert.deepStrictEqual(abstentions, [{ _tag: "Failed", member: "m0", error: new Busy({ by: "m0" }) }])
    })
  )

  it.effect("W4: or the swarm fails with it, if it says so", () =>
    Effect.gen(function* () {
      const watch = makeWatch()
      const swarm = Swarm.make("swarm", {
        members: [member(watch, "ann", new Busy({ by: "ann" }), 2), member(watch, "bob", "yes", 5)],
        vote,
        rule: Consensus.unanimous(),
        onFailure: "fail"
      })
      assert.deepStrictEqual(yield* Effect.flip(later(swarm.run(input))), new Busy({ by: "ann" }))
      assert.strictEqual(watch.running, 0)
    })
  )

  it.effect("W4: a defect is no abstention", () =>
    Effect.gen(function* () {
      const { swarm } = swarmOf(["yes", "bug", "yes"], Consensus.unanimous())
      const exit = yield* Effect.exit(swarm.run(input))
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
    })
  )

  it.effect("a ballot that does not fit the rule is spoilt", () =>
    Effect.gen(function* () {
      const Rank = Task.make("Rank", { input: {}, output: Schema.Array(Schema.Literals(["a", "b", "c"])) })
      const ranks = (name: string, ranking: ReadonlyArray<"a" | "b" | "c">) =>
        Agent.make(name, { task: Rank, run: () => Effect.succeed(ranking) })
      const swarm = Swarm.make("swarm", {
        members: [ranks("ann", ["b", "a"]), ranks("bob", ["b", "b"]), ranks("cid", ["a", "b", "c"])],
        vote: (ranking) => ranking,
        rule: Consensus.borda(["a", "b", "c"])
      })
      const { abstentions, reason, votes } = yield* Effect.flip(swarm.run({}))
      assert.deepStrictEqual(reason, { _tag: "Tie", options: ["a", "b"] })
      assert.deepStrictEqual(votes, [
        { member: "ann", ballot: ["b", "a"] },
        { member: "cid", ballot: ["a", "b", "c"] }
      ])
      assert.deepStrictEqual(abstentions, [{ _tag: "Spoilt", member: "bob" }])
    })
  )
})

describe("limits", () => {
  it.effect("W6: time: who has not answered by then abstains", () =>
    Effect.gen(function* () {
      const watch = makeWatch()
      const members = [member(watch, "ann", "yes", 1), member(watch, "bob", "no", 60), member(watch, "cid", "no", 60)]
      const options = { members: members as never as Arr.NonEmptyArray<(typeof members)[0]>, vote }
      const quick = Swarm.make("quick", { ...options, rule: Consensus.majority(), timeout: "10 seconds" })
      const { option, tally } = yield* later(quick.run(input), 10)
      assert.deepStrictEqual([option, tally.unheard], ["yes", 2])
      assert.strictEqual(watch.running, 0)
      const sure = Swarm.make("sure", { ...options, rule: Consensus.majority({ quorum: 2 }), timeout: "10 seconds" })
      const missed = yield* Effect.flip(later(sure.run(input), 10))
      assert.deepStrictEqual(missed.reason, { _tag: "QuorumMissed", cast: 1, needed: 2 })
      assert.strictEqual(missed.ending, "RoundsSpent")
    })
  )

  it.effect("W6: rounds", () =>
    Effect.gen(function* () {
      const { swarm } = swarmOf(["yes", "no", "?", new Busy({ by: "m3" })])
      const missed = yield* Effect.flip(swarm.run(input))
      assert.instanceOf(missed, Swarm.NoConsensus)
      assert.deepStrictEqual(
        plain(missed),
        plain(
          new Swarm.NoConsensus({
            swarm: "swarm",
            ending: "RoundsSpent",
            reason: { _tag: "Tie", options: ["yes", "no"] },
            rounds: 1,
            tally: {
              votes: [
                { option: "yes", votes: 1 },
                { option: "no", votes: 1 }
              ],
              cast: 2,
              abstained: 2,
              unheard: 0,
              agreement: 0.5
            },
            others: 0,
            votes: [
              { member: "m0", ballot: "yes" },
              { member: "m1", ballot: "no" }
            ],
            abstentions: [
              { _tag: "Abstained", member: "m2" },
              { _tag: "Failed", member: "m3", error: new Busy({ by: "m3" }) }
            ],
            failed: 1
          })
        )
      )
      assert.strictEqual(
        missed.message,
        'Swarm "swarm" came to no consensus in 1 round (all rounds were held), because "yes", "no" are tied.'
      )
    })
  )

  it.effect("W1: in the last round nobody is waited for either once there can be no decision", () =>
    Effect.gen(function* () {
      const { swarm, watch } = swarmOf(["yes", "no", "yes", "yes"], Consensus.unanimous())
      const { reason, tally } = yield* Effect.flip(swarm.run(input))
      assert.strictEqual(reason._tag, "Tie")
      assert.deepStrictEqual([watch.asked.length, tally.unheard], [2, 2])
    })
  )

  const Opinion = Task.make("Opinion", { input: { last: Schema.Array(Schema.String) }, output: Schema.String })
  /** Each line is what the members say in a round. The last one is said for ever. */
  const deliberating = (script: ReadonlyArray<ReadonlyArray<string>>, limits: Swarm.Limits) => {
    const seen: Array<ReadonlyArray<string>> = []
    const members = Arr.makeBy(script[0]!.length, (index) => {
      let round = 0
      return Agent.make(`m${index}`, {
        task: Opinion,
        run: ({ last }) =>
          Effect.sync(() => {
            if (index === 0) seen.push(last)
            return script[Math.min(round++, script.length - 1)]![index]!
          })
      })
    })
    const swarm = Swarm.make("swarm", {
      members,
      vote: (opinion) => opinion,
      rule: Consensus.unanimous(),
      question: (_: void, previous) => ({
        last: previous?.tally.votes.map(({ option, votes }) => `${previous.round} ${option} ${votes}`) ?? []
      }),
      limits
    })
    return { seen, run: swarm.run(undefined) }
  }

  it.effect("W5: members are asked again in view of the last round, all of which was heard", () =>
    Effect.gen(function* () {
      const { run, seen } = deliberating(
        ["abca", "abba", "bbbb"].map((line) => [...line]),
        { rounds: 5 }
      )
      const { option, rounds } = yield* run
      assert.deepStrictEqual([option, rounds], ["b", 3])
      assert.deepStrictEqual(seen, [[], ["1 a 2", "1 b 1", "1 c 1"], ["2 a 2", "2 b 2"]])
    })
  )

  it.effect("W6: a stall: so many rounds that change nothing, whoever votes for what", () =>
    Effect.gen(function* () {
      const script = ["abcd", "aabb", "bbaa", "abab", "aaaa"].map((line) => [...line])
      const stalled = yield* Effect.flip(deliberating(script, { rounds: 9, stall: 2 }).run)
      assert.deepStrictEqual([stalled.ending, stalled.rounds], ["Stalled", 4])
      assert.strictEqual((yield* deliberating(script, { rounds: 9, stall: 3 }).run).rounds, 5)
    })
  )

  it.effect("W6: divergence: agreement too far below its best", () =>
    Effect.gen(function* () {
      const script = ["aabc", "aaab", "aabb", "abcd"].map((line) => [...line])
      const far = yield* Effect.flip(deliberating(script, { rounds: 9, divergence: 0.3 }).run)
      assert.deepStrictEqual([far.ending, far.rounds], ["Diverged", 4])
      const near = yield* Effect.flip(deliberating(script, { rounds: 9, divergence: 0.2 }).run)
      assert.deepStrictEqual([near.ending, near.rounds], ["Diverged", 3])
      const any = yield* Effect.flip(deliberating(script, { rounds: 9 }).run)
      assert.deepStrictEqual([any.ending, any.rounds], ["RoundsSpent", 9])
    })
  )

  it.effect("W6: a budget: its end is the swarm's, with the decision of the votes heard if they lead to one", () =>
    Effect.gen(function* () {
      const watch = makeWatch()
      const paying = (name: string, says: Answer) =>
        member(watch, name, says).pipe(Agent.transform(Budget.charge({ reserve: { turns: 1 } })))
      const swarmOf = (says: ReadonlyArray<Answer>, quorum: number) =>
        Swarm.make("swarm", {
          members: Arr.makeBy(says.length, (index) => paying(`m${index}`, says[index]!)),
          vote,
          rule: Consensus.majority({ quorum }),
          limits: { rounds: 3 }
        }).pipe(Budget.within("turns", { turns: 3 }))
      const agreed = yield* swarmOf(["yes", "no", "yes", "no", "no"], 3).run(input)
      assert.deepStrictEqual([agreed.option, agreed.tally.cast], ["yes", 3])
      const missed = yield* Effect.flip(swarmOf(["yes", "no", "yes", "no", "no"], 4).run(input))
      assert.strictEqual(missed._tag === "NoConsensus" && missed.ending, "BudgetExceeded")
      assert.strictEqual(missed._tag === "NoConsensus" && missed.rounds, 1)
    })
  )
})

describe("interruption", () => {
  it.live("W2: at random moments, under many seeds: no member stays behind", () =>
    Seeds.forEach(50, () =>
      Effect.gen(function* () {
        const watch = makeWatch()
        const members = yield* Effect.forEach(Arr.range(1, 12), (index) =>
          Effect.map(Random.nextIntBetween(0, 6), (seconds) =>
            member(watch, `m${index}`, index % 2 === 0 ? "yes" : "no", seconds)
          )
        )
        const swarm = Swarm.make("swarm", {
          members: members as never as Arr.NonEmptyArray<(typeof members)[0]>,
          vote,
          rule: Consensus.majority(),
          concurrency: 5,
          timeout: "9 seconds",
          limits: { rounds: 3 }
        })
        const fiber = yield* Effect.forkChild(swarm.run(input))
        yield* TestClock.adjust(`${yield* Random.nextIntBetween(0, 20)} seconds`)
        yield* Fiber.interrupt(fiber)
        assert.strictEqual(watch.running, 0)
        assert.strictEqual(watch.asked.length, watch.ended.length)
      })
    )
  )
})

describe("many members", () => {
  it.effect("peers of one kind are told apart by numbers", () =>
    Effect.gen(function* () {
      const watch = makeWatch()
      const voter = member(watch, "voter", "yes")
      const swarm = Swarm.make("swarm", {
        members: [voter, voter, member(watch, "voter-2", "no"), voter],
        vote,
        rule: Consensus.weighted({ "voter-2": 5, "voter-4": 2 }, { quorum: 4 })
      })
      const { option, votes } = yield* swarm.run(input)
      assert.strictEqual(option, "no")
      assert.deepStrictEqual(
        votes.map(({ member }) => member),
        ["voter", "voter-3", "voter-2", "voter-4"]
      )
    })
  )

  /** Half of them fail, each other one has an option of its own, and all are waited for. */
  const allDifferent = (members: number) => {
    const Count = Task.make("Count", { input: {}, output: Schema.Int, error: Busy })
    let calls = 0
    const voter = Agent.make("voter", {
      task: Count,
      run: () =>
        Effect.suspend(() => (calls++ % 2 === 0 ? Effect.succeed(calls) : Effect.fail(new Busy({ by: `${calls}` }))))
    })
    return Swarm.make("swarm", {
      members: Arr.replicate(voter, members),
      vote: (number) => `option ${number}`,
      rule: Consensus.plurality({ quorum: members / 2 })
    })
  }

  it.effect("2,000 of them: an error holds every vote and every failure", () =>
    Effect.gen(function* () {
      const { abstentions, failed, others, tally, votes } = yield* Effect.flip(allDifferent(2000).run({}))
      assert.deepStrictEqual(
        [votes.length, abstentions.length, failed, others, tally.votes.length],
        [1000, 1000, 1000, 0, 1000]
      )
      assert.deepStrictEqual(votes.at(-1), { member: "voter-1999", ballot: "option 1999" })
      assert.deepStrictEqual(abstentions.at(-1), {
        _tag: "Failed",
        member: "voter-2000",
        error: new Busy({ by: "2000" })
      })
    })
  )

  it.effect("10,000 of them: an error stays small", () =>
    Effect.gen(function* () {
      const missed = yield* Effect.flip(allDifferent(10_000).run({}))
      const { abstentions, others, reason, tally, votes } = missed
      assert.deepStrictEqual([votes.length, abstentions.length, tally.votes.length, others], [1000, 1000, 1000, 4000])
      assert.deepStrictEqual([tally.cast, tally.abstained, missed.failed], [5000, 5000, 5000])
      assert.isTrue(reason._tag === "Tie" && reason.options.length === 1000)
      const json = yield* Schema.encodeEffect(Schema.toCodecJson(Swarm.NoConsensus.schema(Schema.String, Busy)))(
        missed as Swarm.NoConsensus<string, Busy>
      )
      assert.isBelow(JSON.stringify(json).length, 200_000)
    })
  )

  it.effect("10,000 of them: those who could not change it are not asked", () =>
    Effect.gen(function* () {
      const Count = Task.make("Count", { input: {}, output: Schema.Int })
      let calls = 0
      const voter = Agent.make("voter", { task: Count, run: () => Effect.sync(() => calls++) })
      const swarm = Swarm.make("swarm", {
        members: Arr.replicate(voter, 10_000),
        vote: (number) => `option ${number % 50}`,
        rule: Consensus.majority()
      })
      const missed = yield* Effect.flip(swarm.run({}))
      assert.deepStrictEqual([missed.votes.length, missed.tally.votes.length, missed.others], [1000, 50, 0])
      assert.isBelow(calls, 10_000)
    })
  )
})

describe("NoConsensus.schema", () => {
  const fields = { swarm: "swarm", ending: "RoundsSpent", rounds: 1, others: 0, failed: 1 } as const
  const tally = { cast: 1, abstained: 1, unheard: 0, agreement: 1, votes: [{ option: "a", votes: 1 }] }
  const abstentions = [{ _tag: "Failed", member: "bob", error: new Busy({ by: "bob" }) }] as const
  const stored = (schema: Schema.Codec<any, any>, error: unknown) =>
    Schema.encodeEffect(Schema.toCodecJson(schema))(error).pipe(
      Effect.map((json) => JSON.parse(JSON.stringify(json))),
      Effect.flatMap(Schema.decodeUnknownEffect(Schema.toCodecJson(schema)))
    )

  it.effect("brings votes, rankings and typed errors back from JSON; the class itself keeps the errors' messages", () =>
    Effect.gen(function* () {
      const Option = Schema.Literals(["a", "b"])
      const reason = { _tag: "Tie", options: ["a"] } as const
      const one = new Swarm.NoConsensus({
        ...fields,
        reason,
        tally,
        abstentions,
        votes: [{ member: "ann", ballot: "a" }]
      })
      const many = new Swarm.NoConsensus({ ...one, votes: [{ member: "ann", ballot: ["a", "b"] }] })
      const back = yield* stored(Swarm.NoConsensus.schema(Option, Busy), one)
      assert.instanceOf(back, Swarm.NoConsensus)
      assert.deepStrictEqual(plain(back), plain(one))
      assert.isTrue(
        back.abstentions.every((abstention) => abstention._tag === "Failed" && abstention.error instanceof Busy)
      )
      const ranked = yield* stored(Swarm.NoConsensus.schema(Schema.Array(Option), Busy), many)
      assert.deepStrictEqual(plain(ranked), plain(many))
      const lossy = yield* stored(Swarm.NoConsensus, many)
      assert.deepStrictEqual([lossy.votes, lossy.message], [many.votes, many.message])
      const [failed] = lossy.abstentions
      assert.isTrue(failed?._tag === "Failed" && failed.error instanceof Error && failed.error.name === "Busy")
    })
  )

  it.effect("takes no option, ballot or error that is not of it", () =>
    Effect.gen(function* () {
      const reason = { _tag: "Split", votes: 1, needed: 2 } as const
      const spoil = (change: object) =>
        Effect.flip(
          stored(
            Swarm.NoConsensus.schema(Schema.Literals(["a", "b"]), Busy),
            new Swarm.NoConsensus({ ...fields, reason, tally, abstentions, votes: [], ...change })
          )
        )
      yield* spoil({ reason: { _tag: "Tie", options: ["c"] } })
      yield* spoil({ tally: { ...tally, votes: [{ option: "c", votes: 1 }] } })
      yield* spoil({ votes: [{ member: "ann", ballot: "c" }] })
      yield* spoil({ votes: [{ member: "ann", ballot: ["a"] }] })
      yield* spoil({ abstentions: [{ _tag: "Failed", member: "bob", error: new Error("another") }] })
    })
  )
})

describe("mistakes are named where they are made", () => {
  const voter = member(makeWatch(), "ann", "yes")
  const rule = Consensus.majority()
  it("options", () => {
    const make = (options: object) => () => Swarm.make("swarm", { members: [voter], vote, rule, ...options })
    assert.throws(make({ members: [] }), 'swarm "swarm" needs a member')
    assert.throws(make({ rule: Consensus.quorum(2) }), "a quorum of 2 cannot be met by 1 members")
    assert.throws(make({ concurrency: 0 }), "concurrency must be an integer from 1, got 0")
    assert.throws(make({ limits: { rounds: 1.5 } }), "rounds must be an integer from 1, got 1.5")
    assert.throws(make({ limits: { stall: 0 } }), "stall must be an integer from 1, got 0")
    assert.throws(make({ limits: { divergence: 0 } }), "divergence must be in (0, 1], got 0")
  })
})
