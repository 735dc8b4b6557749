/**
 * UUIDv7 event ids: unique everywhere, ordered within one store.
 *
 * Invariants (checked by `test/event-store/EventId.test.ts`):
 *
 *   I1. Ids of one generator sort in the order they were made, whatever the clock does.
 *   I2. The first 48 bits are the clock's milliseconds, as long as the clock does not move back.
 *
 * Source: RFC 9562, §5.7 and §6.2 method 1 (counter of 42 bits, 32 random bits).
 */
import type * as Random from "effect/Random"

type RandomService = (typeof Random.Random)["Service"]

/** Makes the next id. Time and randomness come from the caller's services. */
export type EventIds = (timestamp: number, random: RandomService) => string

const lowBits = 2 ** 30
const maxHigh = 2 ** 12
const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, "0")

/**
 * Makes a generator of UUIDv7s.
 *
 * **Gotchas**
 *
 * Ids are unguessable only as far as the `Random` service is: never use them as secrets.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (): EventIds => {
  let last = -1
  let prefix = ""
  let high = 0
  let low = 0
  const startMillisecond = (timestamp: number, random: RandomService) => {
    last = timestamp
    const digits = hex(timestamp, 12)
    prefix = `${digits.slice(0, 8)}-${digits.slice(8)}-7`
    // Half of the counter's range stays free, so that it cannot overflow within a millisecond.
    high = Math.floor(random.nextDoubleUnsafe() * (maxHigh / 2))
    low = Math.floor(random.nextDoubleUnsafe() * lowBits)
  }
  return (timestamp, random) => {
    if (timestamp > last) {
      startMillisecond(timestamp, random)
    } else if (++low === lowBits) {
      low = 0
      // I1: a clock that stands still may use up the counter; then the id runs ahead of it.
      if (++high === maxHigh) startMillisecond(last + 1, random)
    }
    const counter = low + 0x80000000
    const text = counter.toString(16)
    const tail = Math.floor(random.nextDoubleUnsafe() * 2 ** 32)
    return `${prefix}${hex(high, 3)}-${text.slice(0, 4)}-${text.slice(4)}${hex(tail, 8)}`
  }
}
