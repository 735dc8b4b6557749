/**
 * Signals that reached a run and wait to be received, first come first served.
 *
 * A signal is stored in the run's inbox stream before it is delivered here, so a crash loses none; delivering one twice
 * is noticed by its inbox version.
 */
export interface Signal {
  readonly name: string
  readonly payload: unknown
  /** Of the event in the inbox stream. */
  readonly id: string
  /** Version in the inbox stream. */
  readonly version: number
}

type Waiter = (signal: Signal) => void

export class Inbox {
  /** Made when they are needed: most runs never receive a signal. */
  private arrived: Map<string, Array<Signal>> | undefined
  private waiters: Map<string, Array<Waiter>> | undefined
  private known: Set<number> | undefined

  /** `consumed`: inbox versions that the journal says were dealt with. */
  constructor(consumed: ReadonlySet<number>) {
    if (consumed.size > 0) this.known = new Set(consumed)
  }

  /** Inbox versions that were seen so far and are no longer waiting to be received. */
  get consumed(): ReadonlyArray<number> {
    const arrived = [...(this.arrived?.values() ?? [])].flat()
    const waiting = new Set(arrived.map((signal) => signal.version))
    return [...(this.known ?? [])].filter((version) => !waiting.has(version))
  }

  deliver(signal: Signal): void {
    const known = (this.known ??= new Set<number>())
    if (known.has(signal.version)) return
    known.add(signal.version)
    const waiter = this.waiters?.get(signal.name)?.shift()
    if (waiter !== undefined) return waiter(signal)
    const arrived = (this.arrived ??= new Map<string, Array<Signal>>())
    const queue = arrived.get(signal.name)
    if (queue === undefined) arrived.set(signal.name, [signal])
    else {
      // While a run is launched, a new signal may be heard of before the older ones have been read.
      const later = queue.findIndex(({ version }) => version > signal.version)
      queue.splice(later < 0 ? queue.length : later, 0, signal)
    }
  }

  /** Takes the oldest signal of this name, now or later. Returns a function that stops waiting. */
  receive(name: string, waiter: Waiter): () => void {
    const signal = this.arrived?.get(name)?.shift()
    if (signal !== undefined) {
      waiter(signal)
      return () => {}
    }
    const waiters = (this.waiters ??= new Map<string, Array<Waiter>>())
    const queue = waiters.get(name) ?? []
    waiters.set(name, queue)
    queue.push(waiter)
    return () => {
      const index = queue.indexOf(waiter)
      if (index >= 0) queue.splice(index, 1)
    }
  }
}
