/**
 * Messages to one member of a hierarchy, in this process.
 *
 * In a run, who received which message is recorded. A replay sends everything again, and takes out what was received.
 */
import type * as Schema from "effect/Schema"

export type Message = {
  /** In a run: where it was sent. */
  readonly id: string
  readonly from: string
  readonly name: string
  readonly value: Schema.Json
}

export class Mailbox {
  readonly capacity: number
  private readonly unread: Array<Message> = []
  /** Received in the recorded past, and not sent again yet. */
  private readonly received = new Set<string>()
  private waiting: Array<() => void> = []

  constructor(capacity: number) {
    this.capacity = capacity
  }

  get isFull(): boolean {
    return this.unread.length >= this.capacity
  }

  put(message: Message): void {
    if (this.received.delete(message.id)) return
    this.unread.push(message)
    this.wake()
  }

  /** As if it had not been taken out. */
  putBack(message: Message): void {
    this.unread.unshift(message)
    this.wake()
  }

  has(name: string): boolean {
    return this.unread.some((message) => message.name === name)
  }

  /** The oldest message of this name, taken out. */
  poll(name: string): Message | undefined {
    const index = this.unread.findIndex((message) => message.name === name)
    return index < 0 ? undefined : this.unread.splice(index, 1)[0]
  }

  /** Takes out a message that is known to be received, now or when it comes. */
  take(id: string): void {
    const index = this.unread.findIndex((message) => message.id === id)
    if (index < 0) this.received.add(id)
    else this.unread.splice(index, 1)
  }

  /** Calls back at the next message, once. Returns how to give that up. */
  onMessage(wake: () => void): () => void {
    this.waiting.push(wake)
    return () => {
      this.waiting = this.waiting.filter((other) => other !== wake)
    }
  }

  private wake(): void {
    const { waiting } = this
    this.waiting = []
    for (const wake of waiting) wake()
  }
}
