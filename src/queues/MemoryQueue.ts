/** One work queue as plain data: what a driver does, step by step and synchronously. */
import { Heap } from "./Heap.ts"
import * as RateLimit from "./RateLimit.ts"
import type {
  Change,
  Claim,
  DeadItem,
  Death,
  Delivery,
  ItemState,
  NewItem,
  OfferOutcome,
  Outcome,
  QueueSettings,
  SettledClaim,
  Stats
} from "./WorkQueueDriver.ts"

interface Item {
  readonly new: NewItem
  readonly offeredAt: number
  state: "Delayed" | "Line" | "Ready" | "Retry" | "Claimed"
  /** Place in the line, given when the item is due for the first time. */
  line: number
  /** When a delayed item or a retry is due, or a claim lapses. */
  until: number
  token: number
  started: boolean
  attempts: number
  failures: number
}

interface Settled {
  readonly attempts: number
  readonly outcome: Outcome
  readonly expiresAt: number
}

interface Dead {
  readonly item: Item
  readonly death: Death
  readonly diedAt: number
}

/** The items of one key. */
interface Key {
  /** How many are beyond the line. */
  held: number
  readonly line: Set<Item>
}

export class MemoryQueue {
  readonly listeners = new Set<(change: Change) => void>()
  /** Neither done nor dead. */
  private readonly items = new Map<string, Item>()
  private readonly settled = new Map<string, Settled>()
  private readonly dead = new Map<string, Dead>()
  private readonly keys = new Map<string, Key>()
  private readonly idempotency = new Map<string, { readonly id: string; readonly until: number }>()
  private readonly ready = new Heap<Item>((left, right) =>
    left.new.priority === right.new.priority ? left.line < right.line : left.new.priority > right.new.priority
  )
  private readonly waiting = new Heap<Item>((left, right) =>
    left.until === right.until ? left.line < right.line : left.until < right.until
  )
  private readonly claimed = new Set<Item>()
  /** No claim lapses before. */
  private lapseAt = Infinity
  private nextLine = 0
  private bucketFullAt = 0

  tell(change: Change): void {
    for (const listener of this.listeners) listener(change)
  }

  offer(settings: QueueSettings, item: NewItem, now: number): OfferOutcome {
    const known = this.duplicate(item, now)
    if (known !== undefined) return { _tag: "Duplicate", id: known }
    if (this.items.size >= settings.capacity) return { _tag: "Full" }
    if (item.idempotency !== undefined) {
      // Deleted first, so that the order of the map is that of the windows.
      this.idempotency.delete(item.idempotency.key)
      this.idempotency.set(item.idempotency.key, { id: item.id, until: item.idempotency.until })
    }
    const added: Item = {
      new: item,
      offeredAt: now,
      state: "Delayed",
      line: this.nextLine++,
      until: item.availableAt,
      token: 0,
      started: false,
      attempts: 0,
      failures: 0
    }
    this.items.set(item.id, added)
    if (item.availableAt > now) this.waiting.push(added)
    else this.enterLine(settings, added)
    return { _tag: "Offered", id: item.id }
  }

  claim(settings: QueueSettings, options: { readonly max: number; readonly until: number; readonly now: number }) {
    const { now, until } = options
    this.awaken(settings, now)
    const { rate } = settings
    const allowed = rate === undefined ? Infinity : RateLimit.available(rate, this.bucketFullAt, now)
    const deliveries: Array<Delivery> = []
    while (deliveries.length < Math.min(options.max, allowed)) {
      const item = this.ready.pop()
      if (item === undefined) break
      item.state = "Claimed"
      item.until = until
      item.token++
      item.started = false
      this.claimed.add(item)
      deliveries.push(deliveryOf(item))
    }
    if (deliveries.length > 0) this.lapseAt = Math.min(this.lapseAt, until)
    if (rate !== undefined) {
      this.bucketFullAt = RateLimit.spend(rate, this.bucketFullAt, { now, count: deliveries.length })
    }
    return { deliveries, wakeAt: this.wakeAt(settings) }
  }

  start(claim: Claim): boolean {
    const item = this.holder(claim)
    if (item === undefined) return false
    if (!item.started) item.attempts++
    item.started = true
    return true
  }

  extend(claim: Claim, until: number): boolean {
    const item = this.holder(claim)
    if (item === undefined) return false
    item.until = until
    this.lapseAt = Math.min(this.lapseAt, until)
    return true
  }

  settle(settings: QueueSettings, { settlement, ...claim }: SettledClaim, now: number): boolean {
    const item = this.holder(claim)
    if (item === undefined) return false
    this.claimed.delete(item)
    switch (settlement._tag) {
      case "Retry":
        item.failures++
        item.state = "Retry"
        item.until = settlement.availableAt
        this.waiting.push(item)
        return true
      case "HandBack":
        item.state = "Ready"
        this.ready.push(item)
        return true
      case "Died":
        this.leave(settings, item)
        this.dead.set(item.new.id, { item, death: settlement, diedAt: now })
        return true
      default:
        this.leave(settings, item)
        this.keep(settings, { id: item.new.id, attempts: item.attempts, outcome: settlement, now })
        return true
    }
  }

  find(id: string, now: number): ItemState | undefined {
    if (this.items.has(id)) return { _tag: "Unfinished" }
    const dead = this.dead.get(id)
    if (dead !== undefined) return { _tag: "Settled", attempts: dead.item.attempts, outcome: dead.death }
    const settled = this.settled.get(id)
    if (settled === undefined || settled.expiresAt <= now) return undefined
    return { _tag: "Settled", attempts: settled.attempts, outcome: settled.outcome }
  }

  deadItems({ limit, offset }: { readonly offset: number; readonly limit: number }): ReadonlyArray<DeadItem> {
    return [...this.dead.values()].slice(offset, offset + limit).map(({ death, diedAt, item }) => ({
      id: item.new.id,
      body: item.new.body,
      key: item.new.key,
      attempts: item.attempts,
      offeredAt: item.offeredAt,
      diedAt,
      death
    }))
  }

  redrive(settings: QueueSettings, id: string, now: number): boolean {
    const dead = this.dead.get(id)
    if (dead === undefined || this.items.size >= settings.capacity) return false
    this.dead.delete(id)
    const item: Item = { ...dead.item, line: this.nextLine++, until: now, failures: 0, started: false }
    this.items.set(id, item)
    this.enterLine(settings, item)
    return true
  }

  discard(settings: QueueSettings, id: string, now: number): boolean {
    const dead = this.dead.get(id)
    if (dead === undefined) return false
    this.dead.delete(id)
    this.keep(settings, { id, attempts: dead.item.attempts, outcome: dead.death, now })
    return true
  }

  stats(now: number): Stats {
    let delayed = 0
    for (const item of this.items.values()) {
      if ((item.state === "Delayed" || item.state === "Retry") && item.until > now) delayed++
    }
    const inFlight = this.claimed.size
    return { queued: this.items.size - delayed - inFlight, delayed, inFlight, dead: this.dead.size }
  }

  private duplicate({ id, idempotency }: NewItem, now: number): string | undefined {
    const first = idempotency && this.idempotency.get(idempotency.key)
    if (first !== undefined && first.until > now) return first.id
    return this.items.has(id) || this.settled.has(id) || this.dead.has(id) ? id : undefined
  }

  /** Whoever holds the claim now: nobody, if it lapsed and was given to another. */
  private holder({ id, token }: Claim): Item | undefined {
    const item = this.items.get(id)
    return item?.state === "Claimed" && item.token === token ? item : undefined
  }

  private enterLine(settings: QueueSettings, item: Item): void {
    const { key } = item.new
    if (key === undefined) return this.makeReady(item)
    let entry = this.keys.get(key)
    if (entry === undefined) this.keys.set(key, (entry = { held: 0, line: new Set() }))
    item.state = "Line"
    entry.line.add(item)
    this.advance(settings, key, entry)
  }

  /** Lets the first of a line out for as long as a slot of the key is free. */
  private advance({ keyConcurrency }: QueueSettings, key: string, entry: Key): void {
    while (entry.held < keyConcurrency) {
      const first = entry.line.values().next().value
      if (first === undefined) break
      entry.line.delete(first)
      entry.held++
      this.makeReady(first)
    }
    if (entry.held === 0) this.keys.delete(key)
  }

  private makeReady(item: Item): void {
    item.state = "Ready"
    this.ready.push(item)
  }

  /** Removes an item that is done or dead, and lets the next of its key begin. */
  private leave(settings: QueueSettings, item: Item): void {
    this.items.delete(item.new.id)
    const { key } = item.new
    const entry = key === undefined ? undefined : this.keys.get(key)
    if (entry === undefined) return
    entry.held--
    this.advance(settings, key!, entry)
  }

  /** Makes ready what is due by now, and takes back claims that have lapsed. */
  private awaken(settings: QueueSettings, now: number): void {
    let due = this.waiting.peek()
    while (due !== undefined && due.until <= now) {
      this.waiting.pop()
      if (due.state === "Retry") this.makeReady(due)
      else {
        due.line = this.nextLine++
        this.enterLine(settings, due)
      }
      due = this.waiting.peek()
    }
    if (now < this.lapseAt) return
    this.lapseAt = Infinity
    for (const item of this.claimed) {
      if (item.until > now) this.lapseAt = Math.min(this.lapseAt, item.until)
      else {
        this.claimed.delete(item)
        if (item.started) item.failures++
        this.makeReady(item)
      }
    }
  }

  private wakeAt({ rate }: QueueSettings): number | undefined {
    const limited = rate !== undefined && this.ready.peek() !== undefined
    const at = Math.min(
      this.waiting.peek()?.until ?? Infinity,
      this.lapseAt,
      limited ? RateLimit.nextAt(rate, this.bucketFullAt) : Infinity
    )
    return at === Infinity ? undefined : at
  }

  private keep(
    { retention }: QueueSettings,
    { id, now, ...settled }: Omit<Settled, "expiresAt"> & { readonly id: string; readonly now: number }
  ): void {
    this.settled.set(id, { ...settled, expiresAt: now + retention })
    // Both maps are in the order of their instants, but for changes of the settings.
    for (const [id, { expiresAt }] of this.settled) {
      if (expiresAt > now) break
      this.settled.delete(id)
    }
    for (const [key, { until }] of this.idempotency) {
      if (until > now) break
      this.idempotency.delete(key)
    }
  }
}

const deliveryOf = (item: Item): Delivery => ({
  id: item.new.id,
  token: item.token,
  body: item.new.body,
  key: item.new.key,
  priority: item.new.priority,
  offeredAt: item.offeredAt,
  attempts: item.attempts,
  failures: item.failures
})
