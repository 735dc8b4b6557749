/** States of streams that stay in memory between commands: a bounded number, those used longest ago go first. */
import type { StreamVersion } from "../event-store/Envelope.ts"
import type { AggregateState } from "./AggregateState.ts"

/** Where a stream stood when this process last looked. */
export interface KeptState<State> {
  readonly current: AggregateState<State>
  /** Version of the latest snapshot, or 0: the next one is counted from there. */
  readonly since: StreamVersion
}

export class KeptStates<State> {
  private readonly capacity: number
  private readonly states = new Map<string, KeptState<State>>()

  constructor(capacity: number) {
    this.capacity = capacity
  }

  find(id: string): KeptState<State> | undefined {
    return this.states.get(id)
  }

  forget(id: string): void {
    this.states.delete(id)
  }

  /** Of commands at once, the one that saw the latest version has the last word. */
  keep(id: string, state: KeptState<State>): void {
    const present = this.states.get(id)
    if (this.capacity === 0 || (present !== undefined && present.current.version > state.current.version)) return
    this.states.delete(id)
    this.states.set(id, state)
    if (this.states.size > this.capacity) this.states.delete(this.states.keys().next().value!)
  }
}
