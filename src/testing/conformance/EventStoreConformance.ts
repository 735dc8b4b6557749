/**
 * What every event store must do, whatever it is built on.
 *
 * Invariants:
 *
 *   E1.  Versions of a stream are 1, 2, 3 … without gaps.
 *   E2.  One append is atomic: all of its events are stored, or none.
 *   E3.  Of two appends that expect the same version, exactly one succeeds.
 *   E4.  An expectation holds exactly when it is true; too high is as wrong as too low.
 *   E5.  The very same append again succeeds, writes nothing, and answers as the first did.
 *   E6.  Events of a stream are read in the order in which they were appended.
 *   E7.  Positions grow in commit order, are consecutive within an append, and a reader that resumes misses nothing.
 *   E8.  A subscription catches up and stays live: no gap, no duplicate, in order.
 *   E9.  A conflict of one request leaves the others of its batch untouched.
 *   E10. Reads honour their range, direction and limit, and filters of the log theirs.
 *   E11. A truncated stream keeps its version and its newest event.
 *   E12. A deleted stream is a typed error, its name is barred, its positions are not given again.
 *   E13. What was acknowledged is there for whoever opens the same data again.
 *   E14. Names and payloads come back as they were written.
 *   E15. Documents that an append carries are put in its commit: with its events or not at all, and once.
 */
import type { EventStore } from "../../event-store/EventStore.ts"
import type { EventStoreDriver } from "../../event-store/EventStoreDriver.ts"
import type { Case } from "./Conformance.ts"
import * as Appends from "./EventStoreAppends.ts"
import * as Documents from "./EventStoreDocuments.ts"
import * as Reads from "./EventStoreReads.ts"
import * as Retention from "./EventStoreRetention.ts"

export { Reopen } from "./EventStoreRetention.ts"

/**
 * All checks. Each makes its own streams, so that they can share a store.
 *
 * @category testing
 * @since 0.1.0
 */
export const cases: ReadonlyArray<Case<EventStore | EventStoreDriver>> = [
  ...Appends.cases,
  ...Reads.cases,
  ...Retention.cases,
  ...Documents.cases
]
