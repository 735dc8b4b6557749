/**
 * UUIDv7 event ids: unique everywhere, ordered within one store.
 *
 * Invariants (checked by `test/event-store/EventId.test.ts`):
 *
 *   I1. Ids of one generator sort in the order they were made, whatever the clock does.
 *   I2. The first 48 bits are the clock's milliseconds, as long as the clock does not move back.
 *
 * Source: RFC 9562, §5.7 and §6.2: random bits drawn once a millisecond, and below them a counter that begins at random.
 */
import type * as Random from "effect/Random"

type RandomService = (typeof Random.Random)["Service"]

/** Makes the next id. Time and randomness come from the caller's services. */
export type EventIds = (timestamp: number, random: RandomService) => string

/** The counter has eight hex digits without padding, and stays a small integer for the engine. */
const counterStart = 0x1000_0000
const counterEnd = 0x7fff_ffff
/** At least so many ids fit into a millisecond. */
const counterRoom = 0x4000_0000

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
  let counter = 0
  const startMillisecond = (timestamp: number, random: RandomService) => {
    const below = (bound: number) => Math.floor(random.nextDoubleUnsafe() * bound)
    const time = hex(timestamp, 12)
    const variant = hex(0x8000 + below(0x4000), 4)
    last = timestamp
    prefix = `${time.slice(0, 8)}-${time.slice(8)}-7${hex(below(0x1000), 3)}-${variant}-${hex(below(0x1_0000), 4)}`
    counter = counterStart + below(counterEnd - counterStart - counterRoom)
  }
  return (timestamp, random) => {
    if (timestamp > last) startMillisecond(timestamp, random)
    // I1: a clock that stands still may use up the counter; then the id runs ahead of it.
    else if (counter === counterEnd) startMillisecond(last + 1, random)
    else counter++
    return prefix + counter.toString(16)
  }
}
