/**
 * Signals that reached a run and wait to be received, first come first served.
 *
 * A signal is stored in the run's inbox stream before it is delivered here, so a crash loses none; delivering one twice
 * is noticed by its inbox version.
 */
export interface Signal {
  readonly name: string
  readonly payload: unknown
  /** Version in the inbox stream. */
  readonly version: number
}

type Waiter = (signal: Signal) => void

export class Inbox {
  private readonly arrived = new Map<string, Array<Signal>>()
  private readonly waiters = new Map<string, Array<Waiter>>()
  private readonly known: Set<number>

  /** `consumed`: inbox versions that the journal says were dealt with. */
  constructor(consumed: ReadonlySet<number>) {
    this.known = new Set(consumed)
  }

  /** Inbox versions that were seen so far and are no longer waiting to be received. */
  get consumed(): ReadonlyArray<number> {
    const waiting = new Set([...this.arrived.values()].flat().map((signal) => signal.version))
    return [...this.known].filter((version) => !waiting.has(version))
  }

  deliver(signal: Signal): void {
    if (this.known.has(signal.version)) return
    this.known.add(signal.version)
    const waiter = this.waiters.get(signal.name)?.shift()
    if (waiter !== undefined) return waiter(signal)
    const queue = this.arrived.get(signal.name)
    if (queue === undefined) this.arrived.set(signal.name, [signal])
    else {
      // While a run is launched, a new signal may be heard of before the older ones have been read.
      const later = queue.findIndex(({ version }) => version > signal.version)
      queue.splice(later < 0 ? queue.length : later, 0, signal)
    }
  }

  /** Takes the oldest signal of this name, now or later. Returns a function that stops waiting. */
  receive(name: string, waiter: Waiter): () => void {
    const signal = this.arrived.get(name)?.shift()
    if (signal !== undefined) {
      waiter(signal)
      return () => {}
    }
    const queue = this.waiters.get(name) ?? []
    this.waiters.set(name, queue)
    queue.push(waiter)
    return () => {
      const index = queue.indexOf(waiter)
      if (index >= 0) queue.splice(index, 1)
    }
  }
}
