/**
 * What every driver of work queues must do, whatever it is built on.
 *
 * Invariants:
 *
 *   W1.  An item is handed out as it was offered; the same offer again adds nothing.
 *   W2.  There are never more than `capacity` unfinished items; a duplicate is one also where there is no room.
 *   W3.  Of what is ready, higher priority goes first, then what was offered first.
 *   W4.  An item is not handed out before its instant, and `wakeAt` is not after it.
 *   W5.  Of one key at most `keyConcurrency` items are beyond the line, in order; a retry keeps its place; other keys go on.
 *   W6.  An idempotency key names one item until its window ends, also when that item is done.
 *   W7.  An item is claimed by one worker at a time, whoever asks at once.
 *   W8.  A claim lapses at its end, unless extended; then its item is ready again, and its holder can do nothing more.
 *   W9.  An attempt is counted when it is started, once for each claim, and not before.
 *   W10. A retry is ready at its instant, with a failure more; what is handed back is so at once, without.
 *   W11. An outcome can be asked for until its retention ends.
 *   W12. A dead item is listed with its cause until it is redriven, at the end of the line and while there is room, or discarded.
 *   W13. No more items are handed out than the rate allows, whatever the number of workers.
 *   W14. The numbers of items queued, delayed, in flight and dead are exact.
 *   W15. What was acknowledged is there for whoever opens the same data again.
 *   W16. Queues do not touch each other, and whoever listens hears of changes.
 */
import type { WorkQueueDriver } from "../../queues/WorkQueueDriver.ts"
import type { Case } from "./Conformance.ts"
import * as Claims from "./WorkQueueClaims.ts"
import * as Keeping from "./WorkQueueKeeping.ts"
import * as Offers from "./WorkQueueOffers.ts"

export { ReopenQueues } from "./WorkQueueFixtures.ts"

/**
 * All checks. Each makes its own queues, so that they can share a store.
 *
 * @category testing
 * @since 0.1.0
 */
export const cases: ReadonlyArray<Case<WorkQueueDriver>> = [...Offers.cases, ...Claims.cases, ...Keeping.cases]
