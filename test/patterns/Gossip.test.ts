import { assert, describe, it } from "@effect/vitest"
import { Array as Arr, Effect, Random, Schema } from "effect"
import * as Agent from "../../src/core/Agent.ts"
import * as Task from "../../src/core/Task.ts"
import * as Gossip from "../../src/patterns/swarm/Gossip.ts"

class Offline extends Schema.TaggedError<Offline>()("Offline", {}) {}

const State = Schema.Array(Schema.Number)
const Talk = Task.make("Talk", {
  input: { member: Schema.String, round: Schema.Int, own: Schema.Array(State), heard: Schema.Array(State) },
  output: State,
  error: Offline
})
type Input = typeof Talk.input.Type
type State = typeof State.Type

/** Peers that make up their minds by a function, in order of their numbers. */
const peers = (size: number, f: (input: Input, index: number) => State | Offline) =>
  Arr.makeBy(size, (index) =>
    Agent.make(`p${index}`, {
      task: Talk,
      run: (input) =>
        Effect.suspend(() => {
          const state = f(input, index)
          return state instanceof Offline ? state : Effect.succeed(state)
        })
    })
  )

const base = {
  state: (state: State) => state,
  question: (_: void, { heard, member, own, round }: Gossip.Talk<State>) => ({
    member,
    round,
    own: own === undefined ? [] : [own],
    heard
  })
}

const sum = (numbers: Iterable<number>) => [...numbers].reduce((total, number) => total + number, 0)

/** A rumour that the first one knows; who has heard it knows it, too. */
const rumour = (size: number, options: { readonly mode: Gossip.Mode; readonly fanOut?: number }) =>
  Gossip.make("rumour", {
    ...base,
    ...options,
    members: peers(size, ({ heard, own }, index) => [
      own[0]?.[0] === 1 || index === 0 || heard.some(([knows]) => knows === 1) ? 1 : 0
    ]),
    settled: (states) => states.every(([knows]) => knows === 1)
  })

/** Push-sum: half of a sum and of a weight stay, the other half goes to one peer. Their ratio tends to the average. */
const pushSum = (size: number, precision: number) =>
  Gossip.make("average", {
    ...base,
    mode: "push",
    members: peers(size, ({ heard, own, round }, index) => {
      if (round === 1) return [index, 1]
      const halves = [...own, ...heard].map(([total = 0, weight = 0]) => [total / 2, weight / 2] as const)
      return [sum(halves.map(([total]) => total)), sum(halves.map(([, weight]) => weight))]
    }),
    settled: (states) => {
      const ratios = states.map(([total = 0, weight = 0]) => total / weight)
      return Math.max(...ratios) - Math.min(...ratios) < precision
    },
    rounds: 200
  })

describe("Gossip", () => {
  for (const mode of ["push", "pull", "pushPull"] as const) {
    it.effect(`O2: a rumour spreads by ${mode}, in rounds that grow as the logarithm of the members`, () =>
      Effect.gen(function* () {
        for (const [size, most] of [
          [10, 20],
          [100, 28],
          [1000, 36]
        ] as const) {
          const { rounds, states } = yield* rumour(size, { mode }).run().pipe(Random.withSeed(size))
          assert.strictEqual(states.length, size)
          assert.isAtMost(rounds, most)
        }
      })
    )
  }

  it.effect("O2: push-sum finds the average, and loses nothing on the way", () =>
    Effect.gen(function* () {
      const { states } = yield* pushSum(100, 1e-6).run().pipe(Random.withSeed("average"))
      for (const [total = 0, weight = 0] of states) assert.closeTo(total / weight, 49.5, 1e-5)
      assert.closeTo(sum(states.map(([total = 0]) => total)), 4950, 1e-6)
      assert.closeTo(sum(states.map(([, weight = 0]) => weight)), 100, 1e-9)
    })
  )

  /** Who heard whom in the second round, if the state of each is its number. */
  const conversations = (size: number, options: { readonly mode: Gossip.Mode; readonly fanOut: number }) =>
    Effect.gen(function* () {
      const heardBy: Array<ReadonlyArray<number>> = []
      const gossip = Gossip.make("names", {
        ...base,
        ...options,
        members: peers(size, ({ heard, round }, index) => {
          if (round === 2) heardBy[index] = heard.map(([number]) => number!)
          return [index]
        }),
        settled: () => heardBy.length > 0
      })
      yield* gossip.run()
      return heardBy
    })

  it.effect("O1: each contacts as many different peers as it shall, and never itself", () =>
    Effect.gen(function* () {
      for (const [size, fanOut] of [
        [1, 1],
        [2, 1],
        [2, 5],
        [7, 3],
        [7, 6],
        [50, 2]
      ] as const) {
        const contacts = Math.min(fanOut, size - 1)
        const pulled = yield* conversations(size, { mode: "pull", fanOut })
        for (const [member, heard] of pulled.entries()) {
          assert.strictEqual(heard.length, contacts)
          assert.strictEqual(new Set(heard).size, contacts)
          assert.notInclude(heard, member)
        }
        const pushed = (yield* conversations(size, { mode: "push", fanOut })).flat()
        for (let member = 0; member < size; member++) {
          assert.strictEqual(pushed.filter((from) => from === member).length, contacts)
        }
      }
    })
  )

  it.effect("O1: any peer is as likely as any other", () =>
    Effect.gen(function* () {
      const counts = Array.from({ length: 5 }, () => 0)
      for (let seed = 0; seed < 600; seed++) {
        const heard = yield* conversations(5, { mode: "pull", fanOut: 2 }).pipe(Random.withSeed(seed))
        for (const peer of heard[2]!) counts[peer]!++
      }
      assert.strictEqual(counts[2], 0)
      // 300 each are expected, with a standard deviation of 12.
      for (const peer of [0, 1, 3, 4]) assert.closeTo(counts[peer]!, 300, 60)
    })
  )

  it.effect("O5: the same seed, the same conversations; another one, others", () =>
    Effect.gen(function* () {
      const talk = (seed: number) => conversations(20, { mode: "pushPull", fanOut: 2 }).pipe(Random.withSeed(seed))
      assert.deepStrictEqual(yield* talk(1), yield* talk(1))
      assert.notDeepEqual(yield* talk(1), yield* talk(2))
    })
  )

  it.effect("O3: who is offline keeps its state; who has none is not heard", () =>
    Effect.gen(function* () {
      const heard: Array<number> = []
      const gossip = Gossip.make("offline", {
        ...base,
        fanOut: 2,
        members: peers(3, (input, index) => {
          heard.push(...input.heard.map(([number]) => number!))
          if (index === 0 || (index === 1 && input.round > 1)) return new Offline()
          return [index * 10 + input.round]
        }),
        settled: () => false,
        rounds: 3
      })
      const unsettled = yield* Effect.flip(gossip.run())
      assert.deepStrictEqual(
        heard.toSorted((a, b) => a - b),
        [11, 11, 11, 11, 11, 11, 11, 11, 21, 21, 21, 21, 22, 22, 22, 22].toSorted((a, b) => a - b)
      )
      assert.strictEqual(unsettled.undecided, 1)
    })
  )

  it.effect("O4: unsettled after the last round", () =>
    Effect.gen(function* () {
      const unsettled = yield* Effect.flip(
        Gossip.make("stubborn", {
          ...base,
          members: peers(3, (_, index) => [index]),
          settled: () => false,
          rounds: 4
        }).run()
      )
      assert.deepStrictEqual([unsettled.rounds, unsettled.members, unsettled.undecided], [4, 3, 0])
      assert.strictEqual(unsettled.message, 'Gossip "stubborn" among 3 members did not settle in 4 rounds.')
    })
  )

  it("mistakes are named where they are made", () => {
    const options = { ...base, settled: () => true }
    assert.throws(() => Gossip.make("g", { ...options, members: [] as never }), 'gossip "g" needs a member')
    assert.throws(
      () => Gossip.make("g", { ...options, members: peers(2, () => [0]), fanOut: 0 }),
      "fanOut must be an integer from 1, got 0"
    )
  })
})
