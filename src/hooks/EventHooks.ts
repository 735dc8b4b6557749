/**
 * Brings events of the log to event hooks: one durable subscriber, `hooks`, finds those that match and queues them.
 *
 * It is the queue that is patient with a handler; the checkpoint of the subscriber moves on as soon as an event is queued.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { StoredEvent } from "../event-store/Envelope.ts"
import type { EventStore } from "../event-store/EventStore.ts"
import type { EventStoreError } from "../event-store/EventStoreError.ts"
import * as Subscriber from "../events/Subscriber.ts"
import type { Persistence, PersistenceError } from "../persistence/Persistence.ts"
import * as HookMatch from "./HookMatch.ts"
import type { HookQueues } from "./HookQueue.ts"
import type { Registry } from "./HookRegistry.ts"

interface Options {
  readonly registry: Registry
  readonly queues: HookQueues
  readonly lease: Duration.Input
}

/** Listens for as long as the scope lives, if there is an event hook in the program. */
export const start = (
  options: Options
): Effect.Effect<void, PersistenceError | EventStoreError, EventStore | Persistence | Scope.Scope> =>
  options.registry.of("event").length === 0
    ? Effect.void
    : Effect.asVoid(
        Subscriber.start(
          Subscriber.make("hooks", {
            start: "end",
            lease: options.lease,
            handler: (event: StoredEvent) => queue(options, event)
          })
        )
      )

const queue = Effect.fnUntraced(function* ({ queues, registry }: Options, event: StoredEvent) {
  for (const { config, name } of yield* registry.active("event")) {
    const { where } = registry.find(name, "event")!
    if (!HookMatch.ofEvent(config.match, event)) continue
    // Where the predicate throws, whoever works on the queue finds the same, and it is the item that fails.
    if (!HookMatch.isPassedOver(HookMatch.passes(where, event))) yield* queues.offerEvent(name, event)
  }
})
