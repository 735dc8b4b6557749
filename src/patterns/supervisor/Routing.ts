/**
 * Which worker takes the next input.
 *
 * A routing is a recipe; each supervisor makes its own router of it, which is told when the load or the availability of
 * a worker changes. So a choice costs O(log n) at most, not a walk over all workers.
 *
 * Invariants (checked by `test/patterns/Routing.test.ts`, T7 by `test/policies/HealthRouting.test.ts`):
 *
 *   T1. The choice is available and not excluded. No such worker: no choice.
 *   T2. `roundRobin`: among workers always available, numbers of turns differ by at most one.
 *   T3. `leastLoaded`: nobody available has fewer calls in flight; ties go to the one declared first.
 *   T4. `weighted`: in each cycle of as many turns as the weights add up to, each worker has as many as its weight.
 *   T5. `byCapability`: the choice has every capability asked for.
 *   T6. Confidence is in [0, 1].
 *   T7. `healthy`: the choice is not down by the last results; who has recovered is chosen again.
 */
import type { HealthBoard } from "../../policies/HealthBoard.ts"
import { WorkerHeap } from "./WorkerHeap.ts"

/** What a router may know about the workers: by number, in the order of their declaration. */
export interface Roster {
  readonly names: ReadonlyArray<string>
  readonly capabilities: (worker: number) => ReadonlyArray<string>
  readonly inFlight: (worker: number) => number
  /** Neither stopped nor behind an open circuit. */
  readonly isAvailable: (worker: number) => boolean
}

/** A choice and how sure the rule is of it: 1 is best. */
export interface Choice {
  readonly worker: number
  readonly confidence: number
}

/** The routing of one supervisor. Called from one place at a time, never during an effect. */
export interface Router<in In> {
  readonly choose: (input: In, excluded: ReadonlySet<number>) => Choice | undefined
  /** The load or the availability of the worker changed. */
  readonly changed: (worker: number) => void
}

/**
 * A rule to choose a worker.
 *
 * @category models
 * @since 0.1.0
 */
export interface Routing<in In = unknown> {
  readonly name: string
  /** `members`: the workers it may choose from. */
  readonly makeRouter: (roster: Roster, members: ReadonlyArray<number>) => Router<In>
}

/** Keeps the available members in a heap by `key`. A member is numbered by its place in `members`. */
const rankBy = (roster: Roster, members: ReadonlyArray<number>, key: (member: number) => number) => {
  // All workers are their own members; a group has a table, so that it costs what it holds.
  const table = members.length === roster.names.length ? undefined : new Map(members.map((worker, i) => [worker, i]))
  const memberOf = (worker: number): number | undefined => (table === undefined ? worker : table.get(worker))
  const heap = new WorkerHeap(members.length)
  const changed = (worker: number): void => {
    const member = memberOf(worker)
    if (member === undefined) return
    if (roster.isAvailable(worker)) heap.set(member, key(member))
    else heap.remove(member)
  }
  for (const worker of members) changed(worker)
  const excludedMembers = (excluded: ReadonlySet<number>): ReadonlySet<number> =>
    table === undefined || excluded.size === 0
      ? excluded
      : new Set([...excluded].map((worker) => table.get(worker) ?? -1))
  return {
    changed,
    /** How many are available. */
    size: () => heap.size,
    first: (excluded: ReadonlySet<number>): number | undefined => heap.first(excludedMembers(excluded))
  }
}

/**
 * The worker with the fewest calls in flight; ties go to the one declared first.
 *
 * **Details** Confidence: 1 for an idle worker, 1/2 if it has one call in flight, 1/3 for two, …
 *
 * @category routings
 * @stability stable
 * @since 0.1.0
 */
export const leastLoaded: Routing = {
  name: "leastLoaded",
  makeRouter: (roster, members) => {
    const ranking = rankBy(roster, members, (member) => roster.inFlight(members[member]!))
    return {
      changed: ranking.changed,
      choose: (_input, excluded) => {
        const member = ranking.first(excluded)
        if (member === undefined) return undefined
        const worker = members[member]!
        return { worker, confidence: 1 / (1 + roster.inFlight(worker)) }
      }
    }
  }
}

/**
 * Turn k of a worker of weight w is due at (k + ½) / w; the earliest is next. With whole weights a cycle of turns comes
 * out exactly, because the due times of a cycle are those of the Sainte-Laguë apportionment.
 */
const inTurns = (name: string, weightOf: (worker: string) => number): Routing => ({
  name,
  makeRouter: (roster, members) => {
    const eligible = members.filter((worker) => weightOf(roster.names[worker]!) > 0)
    const weights = Float64Array.from(eligible, (worker) => weightOf(roster.names[worker]!))
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    const turns = new Float64Array(eligible.length)
    let now = 0
    // Who comes back takes the next turn: those missed meanwhile are gone.
    const due = (member: number) => Math.max((turns[member]! + 0.5) / weights[member]!, now)
    const ranking = rankBy(roster, eligible, due)
    return {
      changed: ranking.changed,
      choose: (_input, excluded) => {
        const member = ranking.first(excluded)
        if (member === undefined) return undefined
        const weight = weights[member]!
        now = due(member)
        turns[member] = Math.floor(now * weight) + 1
        ranking.changed(eligible[member]!)
        return { worker: eligible[member]!, confidence: ranking.size() === 1 ? 1 : weight / total }
      }
    }
  }
})

/**
 * One after the other, in the order of declaration.
 *
 * **Details** Confidence: 1/n among n workers, since any would do as well.
 *
 * @category routings
 * @stability stable
 * @since 0.1.0
 */
export const roundRobin: Routing = inTurns("roundRobin", () => 1)

/**
 * Turns by weight, spread evenly: `{ alice: 3, bob: 1 }` gives alice three of four turns.
 *
 * **Details**
 *
 * - A worker without a weight has 1, as in nginx; 0 gets no turns. A name that no worker bears is a mistake, and `Supervisor.make` says so.
 * - Confidence: the worker's share of the weights.
 *
 * Source: the even spread is that of nginx's smooth weighted round robin (ngx_http_upstream_round_robin.c). Stride
 * scheduling (Waldspurger & Weihl 1995) gives it in O(log n) a turn where nginx walks over all n.
 *
 * @category routings
 * @stability stable
 * @since 0.1.0
 */
export const weighted = (weights: { readonly [worker: string]: number }): Routing => {
  for (const [worker, weight] of Object.entries(weights)) {
    if (!(weight >= 0 && weight < Infinity)) throw new RangeError(`weight of "${worker}" must be >= 0, got ${weight}`)
  }
  const routing = inTurns("weighted", (worker) => (Object.hasOwn(weights, worker) ? weights[worker]! : 1))
  return {
    name: routing.name,
    makeRouter: (roster, members) => {
      const names = new Set(roster.names)
      const stranger = Object.keys(weights).find((worker) => !names.has(worker))
      if (stranger !== undefined) throw new RangeError(`a weight is given for "${stranger}", which is no worker`)
      return routing.makeRouter(roster, members)
    }
  }
}

/** So many different sets of capabilities are remembered per router; the one made first is forgotten first. */
const maxGroups = 64

/**
 * A worker that has every capability the input needs; among those, the one `tieBreaker` chooses.
 *
 * **Details** `needs` must be pure. The tie-breaker has a router for each set of capabilities that was asked for, made
 * on first use by one walk over the workers. Confidence: the tie-breaker's.
 *
 * @category routings
 * @stability stable
 * @since 0.1.0
 */
export const byCapability = <In>(
  needs: (input: In) => ReadonlyArray<string>,
  tieBreaker: Routing<In> = leastLoaded
): Routing<In> => ({
  name: `byCapability(${tieBreaker.name})`,
  makeRouter: (roster, members) => {
    const holders = indexByCapability(roster, members)
    const groups = new Map<string, Router<In>>()
    const groupOf = (needed: ReadonlyArray<string>): Router<In> | undefined => {
      const key = JSON.stringify(needed.length < 2 ? needed : [...new Set(needed)].toSorted())
      const known = groups.get(key)
      if (known !== undefined) return known
      const group = intersect(needed, holders, members)
      // An unknown capability is not remembered: inputs could bring ever new ones.
      if (group.length === 0) return undefined
      const router = tieBreaker.makeRouter(roster, group)
      if (groups.size >= maxGroups) groups.delete(groups.keys().next().value!)
      groups.set(key, router)
      return router
    }
    return {
      choose: (input, excluded) => groupOf(needs(input))?.choose(input, excluded),
      changed: (worker) => {
        for (const group of groups.values()) group.changed(worker)
      }
    }
  }
})

const indexByCapability = (roster: Roster, members: ReadonlyArray<number>): Map<string, Array<number>> => {
  const holders = new Map<string, Array<number>>()
  for (const worker of members) {
    for (const capability of new Set(roster.capabilities(worker))) {
      const known = holders.get(capability)
      if (known === undefined) holders.set(capability, [worker])
      else known.push(worker)
    }
  }
  return holders
}

const intersect = (
  needed: ReadonlyArray<string>,
  holders: ReadonlyMap<string, ReadonlyArray<number>>,
  members: ReadonlyArray<number>
): ReadonlyArray<number> => {
  const lists = needed.map((capability) => holders.get(capability) ?? []).toSorted((a, b) => a.length - b.length)
  return lists.slice(1).reduce((left, list) => {
    const set = new Set(list)
    return left.filter((worker) => set.has(worker))
  }, lists[0] ?? members)
}

/**
 * Passes over workers that a health check has found `Unhealthy`; `routing` chooses among the others.
 *
 * **Details** The check of a worker is the one of its name. Who has none, or is `Degraded`, may be chosen. Costs nothing as
 * long as no check changes its status, and one walk over the workers then.
 *
 * **Gotchas** If all are down, nobody is chosen: `NoWorker`.
 *
 * @category routings
 * @stability experimental
 * @since 0.1.0
 */
export const healthy = <In = unknown>(
  health: { readonly board: HealthBoard },
  routing: Routing<In> = leastLoaded
): Routing<In> => ({
  name: `healthy(${routing.name})`,
  makeRouter: (roster, members) => {
    const { board } = health
    const isDown = (worker: number): boolean => board.isDown(roster.names[worker]!)
    const down = new Set(members.filter(isDown))
    let version = board.version
    const router = routing.makeRouter(
      { ...roster, isAvailable: (worker) => !down.has(worker) && roster.isAvailable(worker) },
      members
    )
    const catchUp = (): void => {
      version = board.version
      for (const worker of members) {
        if (isDown(worker) === down.has(worker)) continue
        if (!down.delete(worker)) down.add(worker)
        router.changed(worker)
      }
    }
    return {
      changed: router.changed,
      choose: (input, excluded) => {
        if (board.version !== version) catchUp()
        return router.choose(input, excluded)
      }
    }
  }
})

/**
 * A worker as a routing of your own sees it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Candidate {
  readonly name: string
  readonly capabilities: ReadonlyArray<string>
  readonly inFlight: number
}

/**
 * Makes a routing of your own out of a function of the input and the candidates: those available and not yet tried.
 *
 * **Details** Answer with the name of a candidate, and with a confidence if you have one (default 1); or `undefined`,
 * if none should take the input. In a run the answer is recorded, so the function may depend on anything.
 *
 * **Gotchas** Costs O(n) a call: the candidates are listed for it. A name that is no candidate's is a defect.
 *
 * @category constructors
 * @stability stable
 * @since 0.1.0
 */
export const make = <In>(
  name: string,
  f: (
    input: In,
    candidates: ReadonlyArray<Candidate>
  ) => string | { readonly worker: string; readonly confidence: number } | undefined
): Routing<In> => ({
  name,
  makeRouter: (roster, members) => ({
    changed: () => {},
    choose: (input, excluded) => {
      const open = members.filter((worker) => roster.isAvailable(worker) && !excluded.has(worker))
      const candidates = open.map((worker) => ({
        name: roster.names[worker]!,
        capabilities: roster.capabilities(worker),
        inFlight: roster.inFlight(worker)
      }))
      const answer = f(input, candidates)
      if (answer === undefined) return undefined
      const chosen = typeof answer === "string" ? { worker: answer, confidence: 1 } : answer
      const worker = open.find((candidate) => roster.names[candidate] === chosen.worker)
      if (worker === undefined) throw new Error(`routing "${name}" chose "${chosen.worker}", which is no candidate`)
      return { worker, confidence: Math.min(1, Math.max(0, chosen.confidence)) }
    }
  })
})
