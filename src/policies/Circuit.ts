/**
 * The pure state machine of a circuit breaker: who may call, and what an outcome changes.
 *
 * States are immutable values, so that ten thousand idle circuits share one. Time comes in as a number of
 * milliseconds; nothing here reads a clock. `Breaker` runs effects through it, `Supervisor` keeps one per worker.
 *
 * Invariants (checked by `test/policies/Circuit.test.ts`, against a simple model):
 *
 *   C1. Closed admits every call. Open admits none before `until`.
 *   C2. Closed trips exactly when its rule says so, and never by a success or an ignored call.
 *   C3. HalfOpen lets at most `probes` calls through; all succeed → Closed, one fails → Open again.
 *   C4. An outcome counts only in the generation that admitted its call: late ones change nothing.
 *   C5. HalfOpen is left: probes that never answer are given up after `openFor`, and new ones are let through.
 *
 * Source: Michael Nygard, "Release It!", 2nd ed. 2018, "Circuit Breaker".
 */

/** When a closed circuit opens. */
export type Trip =
  | { readonly _tag: "Consecutive"; readonly failures: number }
  | { readonly _tag: "Rate"; readonly threshold: number; readonly size: number; readonly minimumCalls: number }

export interface Rules {
  readonly trip: Trip
  /** Milliseconds. */
  readonly openFor: number
  readonly probes: number
}

/** The last outcomes, oldest overwritten first. 1: a failure. */
interface Window {
  readonly outcomes: Uint8Array
  readonly next: number
  readonly calls: number
  readonly failures: number
}

export interface Closed {
  readonly _tag: "Closed"
  readonly generation: number
  /** Failures in a row. */
  readonly failures: number
  /** Kept by the rule `Rate` only. */
  readonly window: Window | undefined
}

export interface Open {
  readonly _tag: "Open"
  readonly generation: number
  /** Milliseconds since the epoch: from then on a probe is let through. */
  readonly until: number
}

export interface HalfOpen {
  readonly _tag: "HalfOpen"
  readonly generation: number
  /** From then on the probes that have not answered are given up (C5). */
  readonly until: number
  readonly running: number
  readonly succeeded: number
}

export type State = Closed | Open | HalfOpen

/** How a call ended. `Ignored`: interrupted, or failed in a way that says nothing about the other side. */
export type Outcome = "Success" | "Failure" | "Ignored"

export type Admission =
  | { readonly _tag: "Admitted"; readonly state: State; readonly generation: number }
  | { readonly _tag: "Refused"; readonly retryAfter: number }

const closed = (generation: number): Closed => ({ _tag: "Closed", generation, failures: 0, window: undefined })

/** The state of every circuit that has seen nothing yet. */
export const initial: State = closed(0)

const open = (rules: Rules, state: State, now: number): Open => ({
  _tag: "Open",
  generation: state.generation + 1,
  until: now + rules.openFor
})

/** May a call go through now? */
export const admit = (rules: Rules, state: State, now: number): Admission => {
  if (state._tag === "Closed") return { _tag: "Admitted", state, generation: state.generation }
  if (now >= state.until) {
    const generation = state.generation + 1
    const until = now + rules.openFor
    return { _tag: "Admitted", generation, state: { _tag: "HalfOpen", generation, until, running: 1, succeeded: 0 } }
  }
  if (state._tag === "HalfOpen" && state.running + state.succeeded < rules.probes) {
    return {
      _tag: "Admitted",
      generation: state.generation,
      state: { ...state, running: state.running + 1 }
    }
  }
  return { _tag: "Refused", retryAfter: state.until - now }
}

/** What the outcome of a call that was admitted in `generation` changes. */
export const settle = (
  rules: Rules,
  state: State,
  call: { readonly generation: number; readonly outcome: Outcome; readonly now: number }
): State => {
  if (call.generation !== state.generation) return state
  switch (state._tag) {
    case "Closed":
      return settleClosed(rules, state, call.outcome, call.now)
    case "HalfOpen":
      return settleProbe(rules, state, call.outcome, call.now)
    case "Open":
      return state
  }
}

// oxlint-disable-next-line max-params -- the hottest path of a supervised call: no object per outcome
const settleClosed = (rules: Rules, state: Closed, outcome: Outcome, now: number): State => {
  if (outcome === "Ignored") return state
  if (rules.trip._tag === "Consecutive") {
    if (outcome === "Success") return state.failures === 0 ? state : closed(state.generation)
    const failures = state.failures + 1
    return failures >= rules.trip.failures ? open(rules, state, now) : { ...state, failures }
  }
  const window = push(state.window ?? emptyWindow(rules.trip.size), outcome === "Failure")
  const trips =
    outcome === "Failure" &&
    window.calls >= rules.trip.minimumCalls &&
    window.failures / window.calls >= rules.trip.threshold
  return trips ? open(rules, state, now) : { ...state, window }
}

// oxlint-disable-next-line max-params
const settleProbe = (rules: Rules, state: HalfOpen, outcome: Outcome, now: number): State => {
  if (outcome === "Failure") return open(rules, state, now)
  const running = state.running - 1
  if (outcome === "Ignored") return { ...state, running }
  const succeeded = state.succeeded + 1
  return succeeded >= rules.probes ? closed(state.generation + 1) : { ...state, running, succeeded }
}

const emptyWindow = (size: number): Window => ({ outcomes: new Uint8Array(size), next: 0, calls: 0, failures: 0 })

const push = (window: Window, failed: boolean): Window => {
  const size = window.outcomes.length
  const forgotten = window.calls === size ? window.outcomes[window.next]! : 0
  const outcomes = window.outcomes.slice()
  outcomes[window.next] = failed ? 1 : 0
  return {
    outcomes,
    next: (window.next + 1) % size,
    calls: Math.min(window.calls + 1, size),
    failures: window.failures - forgotten + (failed ? 1 : 0)
  }
}
