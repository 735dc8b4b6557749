/** Rules for ballots that name one option. Each vote costs O(1). */
import { decided, type Line, open, type Scoring, type Standing, undecided } from "./ConsensusCount.ts"

/** Votes by option, and who leads. Votes only grow, so the leader is known without a look at the others. */
class Votes {
  private readonly byOption = new Map<string, number>()
  leader = ""
  most = 0
  /** The most that any other option than the leader has. */
  second = 0
  total = 0

  add(option: string, weight: number): void {
    const votes = (this.byOption.get(option) ?? 0) + weight
    this.byOption.set(option, votes)
    this.total += weight
    if (option === this.leader) this.most = votes
    else if (votes > this.most) {
      this.second = this.most
      this.most = votes
      this.leader = option
    } else if (votes > this.second) this.second = votes
  }

  get lines(): ReadonlyArray<Line> {
    return Array.from(this.byOption, ([option, votes]) => ({ option, votes }))
  }

  /** Why nobody won: the first place is shared, or not good enough. */
  missed(needed: number): Standing {
    if (this.most === 0 || this.most !== this.second) return undecided({ _tag: "Split", votes: this.most, needed })
    const options = this.lines.filter(({ votes }) => votes === this.most).map(({ option }) => option)
    return undecided({ _tag: "Tie", options })
  }
}

const scoring = (
  votes: Votes,
  weightOf: (member: number) => number,
  rest: Pick<Scoring, "abstain" | "standing">
): Scoring<string> => ({
  ...rest,
  add: (member, option) => {
    votes.add(option, weightOf(member))
    return true
  },
  lines: () => votes.lines,
  agreement: () => (votes.total === 0 ? 0 : votes.most / votes.total)
})

const one = () => 1
const nothing = () => {}

/** The first option with so many votes. */
export const reaching = (needed: number): Scoring<string> => {
  const votes = new Votes()
  let winner: string | undefined
  const counting = scoring(votes, one, {
    abstain: nothing,
    standing: (left) => {
      if (winner !== undefined) return decided(winner)
      return votes.most + left < needed ? votes.missed(needed) : open
    }
  })
  return {
    ...counting,
    add: (member, option) => {
      counting.add(member, option)
      // Who was there first stays the winner: more than one option may come to have so many.
      if (votes.most >= needed) winner ??= votes.leader
      return true
    }
  }
}

/** The option with more votes than any other. */
export const mostVotes = (): Scoring<string> => {
  const votes = new Votes()
  return scoring(votes, one, {
    abstain: nothing,
    standing: (left) => {
      if (votes.most > votes.second + left) return decided(votes.leader)
      return left === 0 ? votes.missed(votes.most + 1) : open
    }
  })
}

export interface Weights {
  readonly total: number
  readonly of: (member: number) => number
}

export const equalWeights = (members: number): Weights => ({ total: members, of: one })

/** The option with a share of what is cast: at least `share`, or more than half if there is none. */
export const withShare = (weights: Weights, share: number | undefined): Scoring<string> => {
  const votes = new Votes()
  const suffices = (most: number, cast: number) => most > 0 && most >= needed(cast, share)
  let abstained = 0
  return scoring(votes, weights.of, {
    abstain: (member) => {
      abstained += weights.of(member)
    },
    standing: (members) => {
      const left = members === 0 ? 0 : weights.total - votes.total - abstained
      // At worst all others vote against the leader, at best all vote for it.
      if (suffices(votes.most, votes.total + left)) return decided(votes.leader)
      return suffices(votes.most + left, votes.total + left) ? open : votes.missed(needed(votes.total, share))
    }
  })
}

/** Two thirds of nine are six, whatever the binary fraction says. */
const rounding = 1e-6

/** Weights are whole, so what is needed can be, too. */
const needed = (cast: number, share: number | undefined): number =>
  share === undefined ? Math.floor(cast / 2) + 1 : Math.ceil(cast * share - rounding)
