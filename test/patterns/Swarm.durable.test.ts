/** W7: in a run, a replay counts the same votes, whoever is faster then. */
import { assert, describe, it } from "@effect/vitest"
import { Array as Arr, Effect, Exit, Layer, Schema } from "effect"
import * as Memory from "../../src/backends/Memory.ts"
import { Agent, Budget, Consensus, Orchestration, Swarm, Task, Timer } from "../../src/index.ts"
import { EventStore } from "../../src/event-store/EventStore.ts"
import { CrashSweep } from "../../src/testing/index.ts"
import { everywhere } from "../durable/everywhere.ts"
import { define, Refused, Say, type World, world } from "../durable/program.ts"

type Members = Arr.NonEmptyReadonlyArray<ReturnType<World["agent"]>>

const members = (here: World, delays: ReadonlyArray<string>): Members =>
  delays.map((takes, index) => here.agent(`m${index}`, { takes })) as unknown as Members

/** The step's input is part of its digest: a replay with another tally would stop the run. */
const recordTally = (here: World, tally: Consensus.Tally) => here.agent("clerk").run({ text: JSON.stringify(tally) })

const vote = (answer: string) => (answer.includes("no") ? "no" : "yes")

describe("Swarm in a run", () => {
  everywhere(
    define(
      "many answers at one moment",
      (here) =>
        Effect.gen(function* () {
          const swarm = Swarm.make("swarm", {
            members: members(
              here,
              Array.from({ length: 7 }, () => "1 second")
            ),
            vote,
            rule: Consensus.majority()
          })
          const { option, tally } = yield* swarm.run({ text: "?" })
          yield* recordTally(here, tally)
          return { option, cast: tally.cast }
        }),
      { expected: Exit.succeed({ option: "yes", cast: 4 }), effects: [] }
    )
  )

  // One answer decides, and another one, at the same moment, lets the next member begin. In which order they are heard
  // may differ from the order in which they are recorded, and is another one on replay.
  const hesitate = (turns: number): Effect.Effect<void> =>
    turns === 0 ? Effect.void : Effect.andThen(Effect.yieldNow, hesitate(turns - 1))
  const beside = (name: string, turns: number, timing: { readonly takes?: string } = {}) =>
    define(
      name,
      (here) =>
        Effect.gen(function* () {
          const swarm = Swarm.make("swarm", {
            members: [
              Agent.transform(
                here.agent("m0"),
                Effect.tap(() => hesitate(turns))
              ),
              here.agent("m1", timing),
              here.agent("m2"),
              here.agent("m3"),
              here.agent("m4")
            ],
            vote: (answer) => (answer.startsWith("m0") ? "yes" : undefined),
            rule: Consensus.firstValid(),
            concurrency: 2
          })
          const { option, tally } = yield* swarm.run({ text: "?" })
          yield* recordTally(here, tally)
          return option
        }),
      { expected: Exit.succeed("yes"), effects: [] }
    )
  everywhere(beside("a vote that decides beside an abstention", 0))
  everywhere(beside("a vote that decides, heard later than recorded", 2))

  it.effect(
    "W7: whom a run has asked, its replay asks, too",
    () =>
      CrashSweep.check(
        () => {
          const made = beside("beside", 0, { takes: "1 second" }).make()
          return { ...made, input: {}, key: "one" }
        },
        { seeds: 40 }
      ),
    60_000
  )

  everywhere(
    define(
      "members of several steps",
      (here) =>
        Effect.gen(function* () {
          const thinker = (name: string, takes: string) =>
            Agent.compose(name, {
              run: ({ text }: { readonly text: string }) =>
                Effect.gen(function* () {
                  const first = yield* here.agent("think", { takes }).run({ text })
                  return yield* here.agent("answer").run({ text: first })
                }).pipe(Effect.raceFirst(Effect.andThen(Timer.sleep("1 day"), Effect.never)))
            })
          const swarm = Swarm.make("swarm", {
            members: [
              thinker("ann", "2 seconds"),
              here.agent("bob", { takes: "2 seconds" }),
              thinker("cid", "1 second"),
              here.agent("dan", { takes: "1 second" }),
              thinker("eve", "2 seconds"),
              here.agent("fay", { takes: "1 hour" })
            ],
            vote,
            rule: Consensus.majority(),
            concurrency: 4
          })
          const { option, tally } = yield* swarm.run({ text: "?" })
          yield* recordTally(here, tally)
          return option
        }),
      { expected: Exit.succeed("yes"), effects: [] }
    )
  )

  everywhere(
    define(
      "losers are interrupted",
      (here) =>
        Effect.gen(function* () {
          const swarm = Swarm.make("swarm", {
            members: members(here, ["1 hour", "1 second", "2 hours", "2 seconds", "3 hours"]),
            vote,
            rule: Consensus.quorum(2)
          })
          const { option, tally } = yield* swarm.run({ text: "?" })
          return { option, cast: tally.cast, unheard: tally.unheard }
        }),
      { expected: Exit.succeed({ option: "yes", cast: 2, unheard: 3 }), effects: ["m1 ?", "m3 ?"] }
    )
  )

  everywhere(
    define(
      "rounds in view of the last one",
      (here) =>
        Effect.gen(function* () {
          const swarm = Swarm.make("swarm", {
            members: members(here, ["3 seconds", "1 second", "2 seconds"]),
            vote: (answer) => answer,
            rule: Consensus.unanimous(),
            question: (_: {}, previous) => ({
              text: previous === undefined ? "?" : previous.tally.votes.map(({ option }) => option).join()
            }),
            limits: { rounds: 2 }
          })
          const { ending, rounds } = yield* Effect.flip(swarm.run({}))
          return { ending, rounds }
        }),
      {
        expected: Exit.succeed({ ending: "RoundsSpent", rounds: 2 }),
        // The second question names the options in the order of the members, not of their answers. Two different
        // answers of the last round decide that there is no consensus, so the slowest is not waited for.
        effects: ["m0 ?", "m1 ?", "m1 m0(?),m1(?),m2(?)", "m2 ?", "m2 m0(?),m1(?),m2(?)"]
      }
    )
  )

  everywhere(
    define(
      "late members, failing members",
      (here) =>
        Effect.gen(function* () {
          const swarm = Swarm.make("swarm", {
            members: [
              here.agent("bad", { fails: true }),
              here.agent("slow", { takes: "1 day" }),
              here.agent("good", { takes: "1 second" })
            ],
            vote,
            rule: Consensus.majority({ quorum: 2 }),
            timeout: "1 minute"
          })
          return yield* swarm.run({ text: "?" })
        }),
      {
        error: Swarm.NoConsensus.schema(Schema.String, Refused),
        expected: Exit.fail(
          new Swarm.NoConsensus({
            swarm: "swarm",
            ending: "RoundsSpent",
            reason: { _tag: "QuorumMissed", cast: 1, needed: 2 },
            rounds: 1,
            tally: { votes: [{ option: "yes", votes: 1 }], cast: 1, abstained: 1, unheard: 1, agreement: 1 },
            others: 0,
            votes: [{ member: "good", ballot: "yes" }],
            abstentions: [{ _tag: "Failed", member: "bad", error: new Refused({ what: "bad" }) }],
            failed: 1
          })
        ),
        effects: ["good ?"]
      }
    )
  )

  everywhere(
    define(
      "a swarm as one step: its error is recorded whole, and comes back with its types",
      (here) =>
        Effect.gen(function* () {
          const swarm = Swarm.make("swarm", {
            members: [here.agent("good"), here.agent("bad", { takes: "1 second", fails: true })],
            vote,
            rule: Consensus.majority({ quorum: 2 })
          })
          const Decide = Task.make("Decide", {
            ...Say,
            error: Swarm.NoConsensus.schema(Schema.Literals(["yes", "no"]), Refused)
          })
          const panel = Agent.make("panel", {
            task: Decide,
            run: (input) => Effect.map(swarm.run(input), ({ option }) => option)
          })
          const missed = yield* Effect.flip(panel.run({ text: "?" }))
          if (missed._tag !== "NoConsensus") return missed._tag
          const { abstentions, reason, votes } = missed
          const why = abstentions.map((one) =>
            one._tag === "Failed" && one.error instanceof Refused ? `${one.member} ${one.error.what}` : one._tag
          )
          return { reason, votes, why }
        }),
      {
        expected: Exit.succeed({
          reason: { _tag: "QuorumMissed", cast: 1, needed: 2 },
          votes: [{ member: "good", ballot: "yes" }],
          why: ["bad bad"]
        }),
        effects: []
      }
    )
  )

  everywhere(
    define(
      "a swarm in a swarm, within a budget",
      (here) =>
        Effect.gen(function* () {
          const jury = (name: string, delays: ReadonlyArray<string>) =>
            Swarm.make(name, {
              members: members(here, delays).map((member) =>
                Agent.transform(member, Budget.charge({ reserve: { turns: 1 } }))
              ) as unknown as Members,
              vote,
              rule: Consensus.majority()
            })
          const juries = Swarm.make("juries", {
            members: [
              jury("first", ["1 second", "1 second", "1 second"]),
              jury("second", ["2 seconds", "1 second", "3 seconds"]),
              jury("third", ["1 minute", "1 minute", "1 minute"])
            ],
            vote: ({ option }) => option,
            rule: Consensus.majority()
          }).pipe(Budget.within("turns", { turns: 9 }))
          const { option, tally } = yield* juries.run({ text: "?" })
          yield* recordTally(here, tally)
          return option
        }),
      { expected: Exit.succeed("yes"), effects: [] }
    )
  )

  it.effect("W7: the log reads like the deliberation: one event a round, however many members", () =>
    Effect.gen(function* () {
      const here = world()
      const swarm = Swarm.make("swarm", {
        members: Arr.replicate(here.agent("voter"), 20),
        vote: (answer) => answer,
        rule: Consensus.unanimous(),
        question: (input: { readonly text: string }, previous) => ({ text: `${input.text}${previous?.round ?? 0}` }),
        limits: { rounds: 2 }
      })
      const Vote = Orchestration.make("Vote", {
        input: Say.input,
        output: Say.output,
        key: () => "one",
        run: (input) =>
          swarm.run(input).pipe(
            Effect.map(({ option }) => option),
            Effect.orDie
          )
      })
      const events = yield* Effect.gen(function* () {
        yield* Vote.run({ text: "?" })
        const { readArray } = yield* EventStore
        return yield* readArray("run/Vote/one" as never)
      }).pipe(Effect.provide(Layer.provideMerge(Vote.layer, Memory.layer)))
      const notes = events.filter(({ type }) => /^(Votes|Consensus)/.test(type))
      assert.deepStrictEqual(
        notes.map(({ meta, type }) => `${type} ${meta.path}`),
        ["VotesCounted swarm/~VotesCounted", "ConsensusReached swarm/~ConsensusReached"]
      )
      const steps = events.filter(({ type }) => type === "StepCompleted").map(({ meta }) => meta.path)
      assert.strictEqual(steps.length, 21)
      assert.includeMembers(steps, ["swarm/round/[voter]/voter", "swarm/round/[voter-20]/voter", "swarm/round/close"])
    })
  )
})
