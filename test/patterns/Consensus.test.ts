/** Rules are tried on every sequence of a few votes, beside rules that are written down as their definition says. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import * as Consensus from "../../src/patterns/consensus/Consensus.ts"

type Ballot = Consensus.Ballot
type Votes = ReadonlyArray<Ballot | undefined>
/** The option that wins, if one does. */
type Model = (votes: Votes) => string | undefined

const choices: Votes = ["a", "b", "c", undefined]
const three = ["a", "b", "c"] as const
const rankings: Votes = [...["abc", "acb", "bac", "bca", "cab", "cba", "c"].map((order) => [...order]), undefined]

const cast = (votes: Votes) => votes.filter((vote) => vote !== undefined)
const tallied = (votes: Votes) => {
  const counts = new Map<string, number>()
  for (const vote of cast(votes) as ReadonlyArray<string>) counts.set(vote, (counts.get(vote) ?? 0) + 1)
  return [...counts].toSorted((x, y) => y[1] - x[1])
}

const reaching =
  (needed: number): Model =>
  (votes) => {
    for (let length = 1; length <= votes.length; length++) {
      const leader = tallied(votes.slice(0, length)).find(([, count]) => count >= needed)
      if (leader !== undefined) return leader[0]
    }
    return undefined
  }

const withShare =
  (isEnough: (votes: number, cast: number) => boolean): Model =>
  (votes) =>
    tallied(votes).find(([, count]) => isEnough(count, cast(votes).length))?.[0]

const unique = (scores: ReadonlyArray<number>): string | undefined => {
  const best = Math.max(...scores)
  return scores.filter((score) => score === best).length === 1 ? three[scores.indexOf(best)] : undefined
}

const placeOf = (ballot: Ballot, option: string) => (ballot.includes(option) ? ballot.indexOf(option) : Infinity)

const points: Model = (votes) =>
  cast(votes).length === 0
    ? undefined
    : unique(three.map((option) => cast(votes).reduce((sum, vote) => sum + Math.max(0, 2 - placeOf(vote, option)), 0)))

const duels: Model = (votes) =>
  three.find((option) =>
    three.every((other) => {
      const ahead = cast(votes).filter((vote) => placeOf(vote, option) < placeOf(vote, other)).length
      const behind = cast(votes).filter((vote) => placeOf(vote, other) < placeOf(vote, option)).length
      return option === other || ahead > behind
    })
  )

const turnout =
  (quorum: number, model: Model): Model =>
  (votes) =>
    cast(votes).length >= quorum ? model(votes) : undefined

interface Case {
  readonly name: string
  readonly rule: Consensus.Rule<any>
  readonly ballots: Votes
  readonly model: Model
  readonly size?: number
  /** Depends on who is heard first, or on who votes. */
  readonly ordered?: boolean
}

const half = withShare((votes, cast) => votes * 2 > cast)
const weights = { "0": 3, "1": 0, "2": 1, "3": 1, "4": 1 }
const heavy: Model = (votes) => half(votes.flatMap((vote, member) => Array(weights[`${member}` as "0"]).fill(vote)))

const cases: ReadonlyArray<Case> = [
  { name: "firstValid", rule: Consensus.firstValid(), ballots: choices, model: reaching(1), ordered: true },
  { name: "quorum(2)", rule: Consensus.quorum(2), ballots: choices, model: reaching(2), ordered: true },
  { name: "quorum(3)", rule: Consensus.quorum(3), ballots: choices, model: reaching(3) },
  { name: "majority", rule: Consensus.majority(), ballots: choices, model: half },
  { name: "majority of 4", rule: Consensus.majority({ quorum: 4 }), ballots: choices, model: turnout(4, half) },
  {
    name: "two thirds",
    rule: Consensus.majority({ share: 2 / 3 }),
    ballots: choices,
    model: withShare((votes, cast) => votes * 3 >= cast * 2)
  },
  { name: "weighted", rule: Consensus.weighted(weights), ballots: choices, model: heavy, ordered: true },
  {
    name: "unanimous",
    rule: Consensus.unanimous(),
    ballots: choices,
    model: withShare((votes, cast) => votes === cast)
  },
  {
    name: "plurality",
    rule: Consensus.plurality(),
    ballots: choices,
    model: (votes) => {
      const [first, second] = tallied(votes)
      return first !== undefined && first[1] > (second?.[1] ?? 0) ? first[0] : undefined
    }
  },
  { name: "borda", rule: Consensus.borda(three), ballots: rankings, model: points, size: 4 },
  { name: "condorcet", rule: Consensus.condorcet(three), ballots: rankings, model: duels, size: 4 },
  {
    name: "condorcet of 3",
    rule: Consensus.condorcet(three, { quorum: 3 }),
    ballots: rankings,
    model: turnout(3, duels),
    size: 4
  }
]

const namesOf = (size: number) => Array.from({ length: size }, (_, member) => String(member))

const optionOf = (outcome: Consensus.Standing): string | undefined =>
  outcome._tag === "Decided" ? outcome.option : undefined

/** Every sequence of so many ballots. */
const sequences = (ballots: Votes, size: number): ReadonlyArray<Votes> =>
  size === 0 ? [[]] : sequences(ballots, size - 1).flatMap((votes) => ballots.map((ballot) => [...votes, ballot]))

const standingAfter = (rule: Consensus.Rule<any>, votes: Votes, size: number) => {
  const count = rule.open(namesOf(size))
  for (const [member, vote] of votes.entries()) count.add(member, vote)
  return count.standing()
}

for (const { ballots, model, name, ordered, rule, size = 5 } of cases) {
  describe(name, () => {
    it("C4: the winner is the one the definition names", () => {
      for (const votes of sequences(ballots, size)) {
        assert.strictEqual(optionOf(Consensus.count(rule, votes).outcome), model(votes), JSON.stringify(votes))
      }
    })

    it("C1: what a count says early is what all votes lead to, and it says so as soon as it is certain", () => {
      const outcomes = (votes: Votes): ReadonlySet<string | undefined> => {
        const possible =
          votes.length === size
            ? new Set([model(votes)])
            : new Set(ballots.flatMap((ballot) => [...outcomes([...votes, ballot])]))
        const standing = standingAfter(rule, votes, size)
        const context = `${JSON.stringify(votes)} can lead to ${[...possible].join()}`
        assert.strictEqual(standing._tag === "Open", possible.size > 1, context)
        if (standing._tag !== "Open") assert.strictEqual(optionOf(standing), [...possible][0], context)
        return possible
      }
      outcomes([])
    })

    it("C5: to close a count is to let everybody abstain who was not heard", () => {
      for (const votes of [1, 2, 3].flatMap((length) => sequences(ballots, length))) {
        const count = rule.open(namesOf(size))
        for (const [member, vote] of votes.entries()) count.add(member, vote)
        const silent = Array.from({ length: size - votes.length }, () => undefined)
        assert.strictEqual(optionOf(count.close()), optionOf(Consensus.count(rule, [...votes, ...silent]).outcome))
      }
    })

    it("C3: if the options change their names, so does the outcome", () => {
      const renamed = (option: string) => ({ a: "b", b: "c", c: "a" })[option]!
      const rename = (ballot: Ballot | undefined) =>
        typeof ballot === "string" ? renamed(ballot) : ballot?.map((option) => renamed(option))
      for (const votes of sequences(ballots, size)) {
        const before = Consensus.count(rule, votes).outcome
        const after = Consensus.count(rule, votes.map(rename)).outcome
        assert.strictEqual(optionOf(after), before._tag === "Decided" ? renamed(before.option) : undefined)
        if (before._tag === "Undecided" && after._tag === "Undecided") {
          assert.strictEqual(after.reason._tag, before.reason._tag)
        }
      }
    })

    if (ordered !== true) {
      it("C2: it does not matter who casts which vote, and when", () => {
        for (const votes of sequences(ballots, size)) {
          const sorted = votes.toSorted((x, y) => String(x).localeCompare(String(y)))
          const [one, other] = [votes, sorted].map((votes) => {
            const { outcome, tally } = Consensus.count(rule, votes)
            return { option: optionOf(outcome), tally: [...tally.votes].toSorted(byOption), cast: tally.cast }
          })
          assert.deepStrictEqual(one, other)
        }
      })
    }
  })
}

const byOption = (x: { readonly option: string }, y: { readonly option: string }) => x.option.localeCompare(y.option)

const reasonOf = (rule: Consensus.Rule<any>, votes: Votes) => {
  const { outcome } = Consensus.count(rule, votes)
  return outcome._tag === "Undecided" ? outcome.reason : assert.fail(`decided for ${outcome.option}`)
}

describe("C5: no tie is broken, and no abstention is a vote", () => {
  const table: ReadonlyArray<readonly [string, Consensus.Rule<any>, Votes, Consensus.Reason]> = [
    ["a tie", Consensus.majority(), ["a", "b", "b", "a"], { _tag: "Tie", options: ["a", "b"] }],
    ["no majority", Consensus.majority(), ["a", "a", "b", "c"], { _tag: "Split", votes: 2, needed: 3 }],
    [
      "two of nine short",
      Consensus.majority({ share: 2 / 3 }),
      [..."aaaaabbbc"],
      { _tag: "Split", votes: 5, needed: 6 }
    ],
    ["nobody voted", Consensus.plurality(), [undefined, undefined], { _tag: "QuorumMissed", cast: 0, needed: 1 }],
    ["too few voted", Consensus.quorum(2), ["a", undefined, undefined], { _tag: "QuorumMissed", cast: 1, needed: 2 }],
    ["enough voted", Consensus.quorum(3), ["a", "a", "b", undefined], { _tag: "Split", votes: 2, needed: 3 }],
    ["equal points", Consensus.borda(["a", "b"]), [["a"], ["b"]], { _tag: "Tie", options: ["a", "b"] }],
    [
      "Condorcet's paradox",
      Consensus.condorcet(three),
      [
        ["a", "b", "c"],
        ["b", "c", "a"],
        ["c", "a", "b"]
      ],
      { _tag: "Cycle", options: ["a", "b", "c"] }
    ],
    [
      "a circle above the rest",
      Consensus.condorcet(["d", "a", "b", "c"]),
      [
        ["a", "b", "c", "d"],
        ["b", "c", "a", "d"],
        ["c", "a", "b", "d"]
      ],
      { _tag: "Cycle", options: ["a", "b", "c"] }
    ],
    [
      "two that nobody prefers to each other",
      Consensus.condorcet(three),
      [
        ["a", "b", "c"],
        ["b", "a", "c"]
      ],
      { _tag: "Tie", options: ["a", "b"] }
    ]
  ]
  for (const [name, rule, votes, reason] of table) {
    it(name, () => assert.deepStrictEqual(reasonOf(rule, votes), reason))
  }

  it("a ballot that does not fit is spoilt, and an abstention", () => {
    for (const rule of [Consensus.borda(three), Consensus.condorcet(three)]) {
      const count = rule.open(["x", "y", "z", "w", "v"])
      const spoilt: ReadonlyArray<ReadonlyArray<string>> = [[], ["a", "a"], ["d"], ["a", "d"]]
      assert.deepStrictEqual(
        spoilt.map((ballot, member) => count.add(member, ballot as ReadonlyArray<"a">)),
        [false, false, false, false]
      )
      assert.isTrue(count.add(4, undefined))
      const { abstained, cast, votes } = count.tally()
      assert.deepStrictEqual([abstained, cast], [5, 0])
      assert.isTrue(votes.every(({ votes }) => votes === 0))
    }
  })
})

const Ballots = Schema.Array(
  Schema.Array(Schema.Literals(["a", "b", "c", "d"])).check(Schema.isMinLength(1), Schema.isMaxLength(4))
).check(Schema.isMinLength(1), Schema.isMaxLength(30))

describe("many votes", () => {
  it.effect.prop("C4: a Condorcet winner beats every other option", [Ballots], ([ballots]) =>
    Effect.sync(() => {
      const { outcome } = Consensus.count(Consensus.condorcet(["a", "b", "c", "d"]), ballots)
      if (outcome._tag !== "Decided") return
      const valid = ballots.filter((ballot) => new Set(ballot).size === ballot.length)
      for (const other of ["a", "b", "c", "d"].filter((option) => option !== outcome.option)) {
        const margins = valid.map((ballot) =>
          Math.sign(Math.min(9, placeOf(ballot, other)) - Math.min(9, placeOf(ballot, outcome.option)))
        )
        assert.isAbove(
          margins.reduce((sum, margin) => sum + margin, 0),
          0
        )
      }
    })
  )

  it("C4: a third of a large electorate never has two thirds, whatever binary fractions say", () => {
    for (let third = 1; third <= 3000; third++) {
      const rule = Consensus.weighted({ "0": 2 * third, "1": third }, { share: 2 / 3 })
      assert.strictEqual(optionOf(Consensus.count(rule, ["a", "b"]).outcome), "a")
      const less = Consensus.weighted({ "0": 2 * third - 1, "1": third }, { share: 2 / 3 })
      assert.strictEqual(optionOf(Consensus.count(less, ["a", "b"]).outcome), undefined)
    }
  })

  it("the tally names the leading option first, and those with equal votes in the order in which they were named", () => {
    const { tally } = Consensus.count(Consensus.plurality(), ["c", "b", "a", "a", undefined])
    assert.deepStrictEqual(tally, {
      votes: [
        { option: "a", votes: 2 },
        { option: "c", votes: 1 },
        { option: "b", votes: 1 }
      ],
      cast: 4,
      abstained: 1,
      unheard: 0,
      agreement: 0.5
    })
  })

  it("agreement is 1 where all agree, and never outside of 0 and 1", () => {
    for (const { ballots, rule, size = 5 } of cases) {
      for (const votes of sequences(ballots, size)) {
        const { agreement } = Consensus.count(rule, votes).tally
        assert.isTrue(agreement >= 0 && agreement <= 1)
      }
      const all = Consensus.count(rule, Array(size).fill(ballots[0])).tally
      assert.strictEqual(all.agreement, 1)
    }
  })
})

describe("mistakes are named where they are made", () => {
  it("rules", () => {
    assert.throws(() => Consensus.quorum(0), "quorum must be an integer from 1, got 0")
    assert.throws(() => Consensus.majority({ share: 0.5 }), "share must be above 0.5 and at most 1, got 0.5")
    assert.throws(() => Consensus.weighted({ a: 0.5 }), 'weight of "a" must be an integer from 0, got 0.5')
    assert.throws(() => Consensus.borda(["a"]), "a ranking needs two options at least, got 1")
    assert.throws(() => Consensus.condorcet(["a", "a"]), "an option is given twice: a, a")
  })

  it("rules that do not fit the members", () => {
    assert.throws(() => Consensus.count(Consensus.quorum(3), ["a"]), "a quorum of 3 cannot be met by 1 members")
    assert.throws(
      () => Consensus.count(Consensus.weighted({ ada: 2 }), ["a"], ["bob"]),
      'a weight is given for "ada", which is no member'
    )
  })
})
