/**
 * What a supervisor knows of its workers at this moment, in this process: load, circuits, restarts, who was stopped.
 *
 * Plain synchronous state. Whatever is read from it to decide something is decided through `Decision`, because a replay
 * finds another state here. An idle worker costs a few numbers in flat arrays: circuits share their initial state.
 */
import * as Deferred from "effect/Deferred"
import * as Exit from "effect/Exit"
import type * as Agent from "../../core/Agent.ts"
import * as Breaker from "../../policies/Breaker.ts"
import * as Circuit from "../../policies/Circuit.ts"
import * as Directive from "./Directive.ts"
import * as RestartIntensity from "./RestartIntensity.ts"
import * as Routing from "./Routing.ts"
import { WorkerHeap } from "./WorkerHeap.ts"

/** Whose calls are started again when a worker is restarted. */
export type Strategy = "OneForOne" | "OneForAll" | "RestForOne"

export interface Options {
  readonly agents: ReadonlyArray<Agent.Any>
  readonly route: Routing.Routing<any>
  readonly strategy: Strategy
  readonly intensity: RestartIntensity.Limit
  readonly breaker: Breaker.Options<any> | undefined
  readonly policy: Directive.Policy
}

/** Why the supervisor took a call away from its worker. */
export type Interruption =
  | { readonly _tag: "Restarted"; readonly error: string }
  | { readonly _tag: "GaveUp"; readonly worker: string; readonly cause: unknown }

/** A call under the supervisor: on a worker, or waiting for one. */
export interface Ticket {
  /** -1: it waits. */
  readonly worker: number
  readonly signal: Deferred.Deferred<Interruption>
}

/** A call takes a place at a worker, and with a breaker it belongs to a generation of the circuit. */
export interface Slot {
  readonly worker: number
  readonly generation: number | undefined
}

export type Reservation =
  | { readonly _tag: "Reserved"; readonly slot: Slot; readonly confidence: number }
  /** The circuit of the chosen worker is open. */
  | { readonly _tag: "Refused"; readonly worker: number; readonly retryAfter: number }
  /** The circuits of all who could take the input are open: that of `worker`, for one. */
  | { readonly _tag: "AllOpen"; readonly worker: number; readonly retryAfter: number }
  | { readonly _tag: "Nobody" }

/** A failure of a worker and what is to be done about it. */
export interface Failure {
  readonly slot: Slot
  readonly error: unknown
  /** Does it speak against the worker? */
  readonly counts: boolean
  readonly directive: Directive.Directive["_tag"]
}

/** What the failure led to. */
export interface Verdict {
  readonly circuitOpened: boolean
  readonly gaveUp: boolean
}

interface Circuits {
  readonly rules: Circuit.Rules
  readonly states: Array<Circuit.State>
  /** Workers that admit no call now, by the moment when they may again. */
  readonly refusing: WorkerHeap
  /** Open circuits are passed over by routing, not met by it. */
  readonly passedOver: boolean
}

const none: ReadonlySet<number> = new Set()

const isReroute = (rule: Directive.Rule | undefined): boolean => typeof rule === "object" && rule._tag === "Reroute"

const mayStop = (rule: Directive.Rule): boolean =>
  typeof rule === "function" || rule._tag === "Stop" || (rule._tag === "Restart" && rule.afterwards._tag === "Stop")

export class Team {
  readonly name: string
  readonly agents: ReadonlyArray<Agent.Any>
  readonly names: ReadonlyArray<string>
  readonly options: Options
  readonly tickets = new Set<Ticket>()
  readonly stopped = new Set<number>()
  /** One worker that nothing can take away: there is nothing to decide, and so nothing to record. */
  readonly isForegone: boolean
  /** Can a restart or its excess take a call from its worker? */
  readonly mayInterrupt: boolean
  readonly assigned: Float64Array
  readonly restarts: Float64Array
  private readonly numbers: ReadonlyMap<string, number>
  private readonly load: Int32Array
  private readonly circuits: Circuits | undefined
  private readonly router: Routing.Router<unknown>
  /** Routes as if every circuit were closed. Made when all are open for the first time. */
  private fallback: Routing.Router<unknown> | undefined
  private window: RestartIntensity.Window = RestartIntensity.empty

  constructor(name: string, options: Options) {
    const count = options.agents.length
    this.name = name
    this.options = options
    this.agents = options.agents
    this.names = options.agents.map((agent) => agent.name)
    this.numbers = new Map(this.names.map((worker, number) => [worker, number]))
    if (count === 0) throw new RangeError(`supervisor "${name}" needs an agent`)
    if (this.numbers.size < count) {
      const twice = this.names.find((worker, number) => this.numbers.get(worker) !== number)
      throw new RangeError(`supervisor "${name}" has two agents named "${twice}"`)
    }
    const rules = Directive.rulesOf(options.policy)
    const inOrder = options.route === Routing.leastLoaded || options.route === Routing.roundRobin
    this.isForegone = count === 1 && options.breaker === undefined && inOrder && !rules.some(mayStop)
    this.mayInterrupt = rules.some((rule) => typeof rule === "function" || rule._tag === "Restart")
    this.load = new Int32Array(count)
    this.assigned = new Float64Array(count)
    this.restarts = new Float64Array(count)
    this.circuits =
      options.breaker === undefined
        ? undefined
        : {
            rules: Breaker.rules(options.breaker),
            states: Array.from<Circuit.State>({ length: count }).fill(Circuit.initial),
            refusing: new WorkerHeap(count),
            passedOver: isReroute(Directive.ruleFor(options.policy, "CircuitOpen"))
          }
    this.router = this.makeRouter(() => this.circuits?.passedOver === true)
  }

  get hasBreaker(): boolean {
    return this.circuits !== undefined
  }

  numberOf(worker: string): number | undefined {
    return this.numbers.get(worker)
  }

  inFlight(worker: number): number {
    return this.load[worker]!
  }

  circuit(worker: number): Circuit.State {
    return this.circuits?.states[worker] ?? Circuit.initial
  }

  recentRestarts(now: number): number {
    return RestartIntensity.current(this.options.intensity, this.window, now).length
  }

  /** Chooses a worker and takes a place at it, in one go: no other call comes between. */
  reserve(input: unknown, tried: ReadonlySet<number>, now: number): Reservation {
    this.reopen(now)
    const choice = this.router.choose(input, tried)
    if (choice !== undefined) return this.admit(choice, now)
    if (this.circuits === undefined || this.circuits.refusing.size === 0) return { _tag: "Nobody" }
    this.fallback ??= this.makeRouter(() => false)
    const refusing = this.fallback.choose(input, tried)
    if (refusing === undefined) return { _tag: "Nobody" }
    return { _tag: "AllOpen", worker: refusing.worker, retryAfter: this.circuits.refusing.key(refusing.worker) - now }
  }

  /** Takes a place at the worker if its circuit admits the call. */
  admit(choice: Routing.Choice, now: number): Reservation {
    const { confidence, worker } = choice
    if (this.circuits === undefined) return { _tag: "Reserved", slot: this.enter(worker), confidence }
    const admission = Circuit.admit(this.circuits.rules, this.circuits.states[worker]!, now)
    if (admission._tag === "Refused") return { _tag: "Refused", worker, retryAfter: admission.retryAfter }
    this.setCircuit(worker, admission.state, now)
    return { _tag: "Reserved", slot: this.enter(worker, admission.generation), confidence }
  }

  /** Takes a place at the worker whatever its circuit says: the choice was made earlier. */
  enter(worker: number, generation?: number): Slot {
    this.load[worker]!++
    this.assigned[worker]!++
    this.changed(worker)
    return { worker, generation }
  }

  leave(slot: Slot): void {
    this.load[slot.worker]!--
    this.changed(slot.worker)
  }

  /** Tells the worker's circuit how its call ended. A call whose admission is not known is not counted. */
  settle(slot: Slot, outcome: Circuit.Outcome, now: number): void {
    if (this.circuits === undefined || slot.generation === undefined) return
    const call = { generation: slot.generation, outcome, now }
    this.setCircuit(slot.worker, Circuit.settle(this.circuits.rules, this.circuits.states[slot.worker]!, call), now)
  }

  /** Draws the consequences of a failure for circuit, intensity and the calls of others. */
  judge(failure: Failure, now: number): Verdict {
    const { slot } = failure
    const before = this.circuit(slot.worker)
    if (failure.counts) this.settle(slot, "Failure", now)
    const after = this.circuit(slot.worker)
    const circuitOpened = after !== before && after._tag === "Open"
    if (failure.directive === "Stop") {
      this.stopped.add(slot.worker)
      this.changed(slot.worker)
    }
    if (failure.directive !== "Restart") return { circuitOpened, gaveUp: false }
    return { circuitOpened, gaveUp: !this.restart(failure, now) }
  }

  /** `false`: it was one restart too many, and all calls end. */
  private restart(failure: Failure, now: number): boolean {
    const { worker } = failure.slot
    const window = RestartIntensity.add(this.options.intensity, this.window, now)
    if (window === undefined) {
      // As OTP's supervisor ends with its children, and starts anew with no restarts counted.
      this.window = RestartIntensity.empty
      this.interrupt(() => true, { _tag: "GaveUp", worker: this.names[worker]!, cause: failure.error })
      return false
    }
    this.window = window
    this.restarts[worker]!++
    const { strategy } = this.options
    const first = strategy === "OneForAll" ? 0 : worker + 1
    if (strategy !== "OneForOne") {
      const error = (failure.error as { readonly _tag?: string })._tag ?? "Unknown"
      this.interrupt((ticket) => ticket.worker >= first, { _tag: "Restarted", error })
    }
    return true
  }

  private interrupt(concerns: (ticket: Ticket) => boolean, interruption: Interruption): void {
    for (const ticket of this.tickets) {
      if (concerns(ticket)) Deferred.doneUnsafe(ticket.signal, Exit.succeed(interruption))
    }
  }

  private makeRouter(passesOver: () => boolean): Routing.Router<unknown> {
    const roster: Routing.Roster = {
      names: this.names,
      capabilities: (worker) => this.agents[worker]!.capabilities,
      inFlight: (worker) => this.load[worker]!,
      isAvailable: (worker) =>
        !this.stopped.has(worker) && !(passesOver() && this.circuits?.refusing.has(worker) === true)
    }
    return this.options.route.makeRouter(
      roster,
      Array.from(this.names, (_, worker) => worker)
    )
  }

  private changed(worker: number): void {
    this.router.changed(worker)
    this.fallback?.changed(worker)
  }

  private setCircuit(worker: number, state: Circuit.State, now: number): void {
    const { refusing, rules, states } = this.circuits!
    if (states[worker] === state) return
    states[worker] = state
    const admission = Circuit.admit(rules, state, now)
    if (admission._tag === "Refused") refusing.set(worker, now + admission.retryAfter)
    else refusing.remove(worker)
    this.changed(worker)
  }

  /** Brings back the workers whose circuits let a probe through by now. */
  private reopen(now: number): void {
    const refusing = this.circuits?.refusing
    if (refusing === undefined) return
    let worker = refusing.first(none)
    while (worker !== undefined && refusing.key(worker) <= now) {
      refusing.remove(worker)
      this.changed(worker)
      worker = refusing.first(none)
    }
  }
}
