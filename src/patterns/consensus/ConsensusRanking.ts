/** Rules for ballots that rank options. Each vote costs O(m) for m options, or O(m²) where pairs are compared. */
import { decided, open, type Scoring, type Standing, undecided } from "./ConsensusCount.ts"

const nothing = () => {}

/** Numbers of the options in the order of the ballot. `undefined`: it is spoilt. */
const reader = (options: ReadonlyArray<string>) => {
  const numbers = new Map(options.map((option, number) => [option, number]))
  return (ballot: ReadonlyArray<string>): ReadonlyArray<number> | undefined => {
    const ranking = ballot.map((option) => numbers.get(option) ?? -1)
    const isValid = ranking.length > 0 && !ranking.includes(-1) && new Set(ranking).size === ranking.length
    return isValid ? ranking : undefined
  }
}

/** Points by place: one less than there are options for the first, none for the last and for those not ranked. */
export const byPoints = (options: ReadonlyArray<string>): Scoring<ReadonlyArray<string>> => {
  const best = options.length - 1
  const points = options.map(() => 0)
  const read = reader(options)
  return {
    add: (_member, ballot) => {
      const ranking = read(ballot)
      for (const [place, option] of ranking?.entries() ?? []) points[option]! += best - place
      return ranking !== undefined
    },
    abstain: nothing,
    standing: (left) => {
      const most = Math.max(...points)
      const leader = points.indexOf(most)
      if (points.every((other, option) => option === leader || most - other > left * best)) {
        return decided(options[leader]!)
      }
      if (left > 0) return open
      return undecided({ _tag: "Tie", options: options.filter((_, option) => points[option] === most) })
    },
    lines: () => options.map((option, number) => ({ option, votes: points[number]! })),
    agreement: (cast) => Math.max(...points) / (cast * best)
  }
}

/** For each pair of options, by how many ballots the first is ahead of the second. */
class Duels {
  private readonly margins: ReadonlyArray<Array<number>>
  private readonly size: number
  constructor(size: number) {
    this.size = size
    this.margins = Array.from({ length: size }, () => Array.from({ length: size }, () => 0))
  }

  /** Who is not ranked is behind everybody who is. */
  add(ranking: ReadonlyArray<number>): void {
    const isBehind = this.margins.map(() => true)
    for (const winner of ranking) {
      isBehind[winner] = false
      for (let loser = 0; loser < this.size; loser++) {
        if (!isBehind[loser]) continue
        this.margins[winner]![loser]!++
        this.margins[loser]![winner]!--
      }
    }
  }

  margin(option: number, other: number): number {
    return this.margins[option]![other]!
  }

  /** Its smallest margin over another option. */
  worst(option: number): number {
    return Math.min(...this.margins[option]!.filter((_, other) => other !== option))
  }

  wins(option: number): number {
    return this.margins[option]!.filter((margin) => margin > 0).length
  }

  /** The fewest options of which each beats all others. Source: Smith, "Aggregation of Preferences with Variable Electorate", 1973. */
  get top(): ReadonlyArray<number> {
    const byWins = this.margins.map((_, option) => option).toSorted((a, b) => this.wins(b) - this.wins(a))
    const top = new Set([byWins[0]!])
    for (let size = 0; size !== top.size;) {
      size = top.size
      for (const option of byWins) {
        if ([...top].some((member) => this.margin(member, option) <= 0 && member !== option)) top.add(option)
      }
    }
    return this.margins.map((_, option) => option).filter((option) => top.has(option))
  }
}

/** The option that would win against each other one. */
export const byDuels = (options: ReadonlyArray<string>): Scoring<ReadonlyArray<string>> => {
  const duels = new Duels(options.length)
  const read = reader(options)
  const numbers = options.map((_, number) => number)
  const missed = (): Standing => {
    const { top } = duels
    const names = top.map((option) => options[option]!)
    const tied = top.every((option) => top.every((other) => duels.margin(option, other) === 0))
    return undecided({ _tag: tied ? "Tie" : "Cycle", options: names })
  }
  return {
    add: (_member, ballot) => {
      const ranking = read(ballot)
      if (ranking !== undefined) duels.add(ranking)
      return ranking !== undefined
    },
    abstain: nothing,
    standing: (left) => {
      const winner = numbers.find((option) => duels.worst(option) > left)
      if (winner !== undefined) return decided(options[winner]!)
      return numbers.some((option) => duels.worst(option) + left > 0) ? open : missed()
    },
    lines: () => numbers.map((option) => ({ option: options[option]!, votes: duels.wins(option) })),
    agreement: (cast) => (Math.max(...numbers.map((option) => duels.worst(option))) / cast + 1) / 2
  }
}
