/**
 * What every subscriber must do, whatever its stores are built on.
 *
 * The invariants S1 to S12 are stated in `events/Subscriber.ts`.
 */
import type { EventStore } from "../../event-store/EventStore.ts"
import type { Persistence } from "../../persistence/Persistence.ts"
import type { Case } from "./Conformance.ts"
import * as DeadLetters from "./SubscriberDeadLetters.ts"
import * as Delivery from "./SubscriberDelivery.ts"
import * as Group from "./SubscriberGroup.ts"

/**
 * All checks. Each makes its own subscriber and streams, so that they can share a store.
 *
 * @category testing
 * @since 0.1.0
 */
export const cases: ReadonlyArray<Case<EventStore | Persistence>> = [
  ...Delivery.cases,
  ...DeadLetters.cases,
  ...Group.cases
]
