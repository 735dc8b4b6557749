/**
 * A priority queue of workers by number: smallest key first, ties by declaration order.
 *
 * A binary heap with positions, in flat arrays: any worker's key can change in O(log n), at 16 bytes a worker.
 */
export class WorkerHeap {
  private readonly heap: Int32Array
  /** Where a worker stands in the heap. -1: it is not in it. */
  private readonly positions: Int32Array
  private readonly keys: Float64Array
  private length = 0

  constructor(capacity: number) {
    this.heap = new Int32Array(capacity)
    this.positions = new Int32Array(capacity).fill(-1)
    this.keys = new Float64Array(capacity)
  }

  get size(): number {
    return this.length
  }

  has(worker: number): boolean {
    return this.positions[worker]! >= 0
  }

  key(worker: number): number {
    return this.keys[worker]!
  }

  /** Puts the worker in, or moves it to its new key. */
  set(worker: number, key: number): void {
    this.keys[worker] = key
    if (!this.has(worker)) this.place(worker, this.length++)
    this.up(this.positions[worker]!)
    this.down(this.positions[worker]!)
  }

  remove(worker: number): void {
    const position = this.positions[worker]!
    if (position < 0) return
    this.positions[worker] = -1
    const last = this.heap[--this.length]!
    if (last === worker) return
    this.place(last, position)
    this.up(position)
    this.down(this.positions[last]!)
  }

  /** The first worker that is not excluded. The queue stays as it was. */
  first(excluded: ReadonlySet<number>): number | undefined {
    if (this.length === 0) return undefined
    if (!excluded.has(this.heap[0]!)) return this.heap[0]
    // Takes the excluded ones out from the front and puts them back: as many as were tried, not as many as there are.
    const skipped: Array<number> = []
    while (this.length > 0 && excluded.has(this.heap[0]!)) {
      skipped.push(this.heap[0]!)
      this.remove(this.heap[0]!)
    }
    const found = this.length > 0 ? this.heap[0] : undefined
    for (const worker of skipped) this.set(worker, this.keys[worker]!)
    return found
  }

  private place(worker: number, position: number): void {
    this.heap[position] = worker
    this.positions[worker] = position
  }

  private before(a: number, b: number): boolean {
    const difference = this.keys[a]! - this.keys[b]!
    return difference < 0 || (difference === 0 && a < b)
  }

  private up(from: number): void {
    const worker = this.heap[from]!
    let position = from
    while (position > 0) {
      const parent = (position - 1) >> 1
      if (!this.before(worker, this.heap[parent]!)) break
      this.place(this.heap[parent]!, position)
      position = parent
    }
    this.place(worker, position)
  }

  private down(from: number): void {
    const worker = this.heap[from]!
    let position = from
    while (true) {
      let child = 2 * position + 1
      if (child >= this.length) break
      if (child + 1 < this.length && this.before(this.heap[child + 1]!, this.heap[child]!)) child++
      if (!this.before(this.heap[child]!, worker)) break
      this.place(this.heap[child]!, position)
      position = child
    }
    this.place(worker, position)
  }
}
