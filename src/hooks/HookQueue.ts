/**
 * What hooks do later: one work queue for each post and event hook, `hooks/<name>`, worked on by every process that has the
 * hook in its program.
 *
 * An item of a post hook holds the call, one of an event hook only names its event: what is erased from the log is not kept
 * here.
 *
 * Invariants (checked by `test/hooks/HookQueue.test.ts`):
 *
 *   Q1. A call, and an event, is queued once for each hook, around any crash and however often a run is replayed.
 *   Q2. An attempt that fails is tried again by the configuration of that moment; then the item is a dead letter, and the
 *       log says so.
 *   Q3. Events of one stream are handled in their order, by each hook.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { type StoredEvent, StreamId } from "../event-store/Envelope.ts"
import type { EventStore } from "../event-store/EventStore.ts"
import type { EventStoreError } from "../event-store/EventStoreError.ts"
import * as WorkQueue from "../queues/WorkQueue.ts"
import type { WorkQueueDriver } from "../queues/WorkQueueDriver.ts"
import type { QueueFull, WorkQueueError } from "../queues/WorkQueueError.ts"
import { type HookConfig, scheduleOf } from "./HookConfig.ts"
import { CallEnded, type EventHook, type Info, type PostHook } from "./HookDefinition.ts"
import { HookFailed } from "./HookError.ts"
import { handle, inContextOf } from "./HookHandling.ts"
import * as HookMatch from "./HookMatch.ts"
import type { Registry } from "./HookRegistry.ts"

const EventNamed = Schema.Struct({ type: Schema.String, stream: StreamId, version: Schema.Int })

const Item = Schema.Union([
  Schema.TaggedStruct("Call", { call: CallEnded }),
  Schema.TaggedStruct("Event", { event: EventNamed })
])
type Item = typeof Item.Type

/**
 * Work that a hook gave up, until somebody decides about it.
 *
 * @category models
 * @since 0.1.0
 */
export type DeadLetter = WorkQueue.DeadLetter<Item, HookFailed>

type Queue = WorkQueue.WorkQueue<Item, void, HookFailed>

export interface Options {
  readonly registry: Registry
  readonly store: EventStore["Service"]
  /** Handlers of one hook that run at once in this process. */
  readonly concurrency: number
  readonly pollInterval: Duration.Input
}

type Queued = PostHook<never> | EventHook<never>

export class HookQueues {
  private readonly queues: ReadonlyMap<string, Queue>

  private constructor(queues: ReadonlyMap<string, Queue>) {
    this.queues = queues
  }

  /** Opens the queues of these hooks and works on them until the scope closes. */
  static make = Effect.fnUntraced(function* (
    options: Options
  ): Effect.fn.Return<HookQueues, WorkQueueError, WorkQueueDriver | Scope.Scope> {
    const { concurrency, pollInterval, registry } = options
    const queues = new Map<string, Queue>()
    for (const hook of registry.of("post", "event")) {
      const queue = yield* WorkQueue.make(queueOf(hook.name), {
        item: Item,
        error: HookFailed,
        retry: retryOf(hook.name, () => registry.config(hook.name)),
        // Longer than a run may be without a process between its offer and the record of it.
        idempotencyWindow: "7 days",
        pollInterval
      })
      yield* queue.run(
        (item, { attempt, id }) => work(options, hook, { item, info: { attempt, idempotencyKey: id } }),
        { concurrency }
      )
      queues.set(hook.name, queue)
    }
    return new HookQueues(queues)
  })

  readonly offerCall = (hook: string, call: CallEnded, { idempotencyKey }: Info): Offer =>
    this.queues.get(hook)?.offer({ _tag: "Call", call }, { idempotencyKey }) ?? Effect.fail(noQueue)

  /** In the order of its stream (Q3). */
  readonly offerEvent = (hook: string, { id, stream, type, version }: StoredEvent): Offer =>
    this.queues
      .get(hook)!
      .offer({ _tag: "Event", event: { type, stream, version } }, { key: stream, idempotencyKey: id })

  /** `undefined`: nothing of this hook is ever queued. */
  find(hook: string): Queue | undefined {
    return this.queues.get(hook)
  }
}

type Offer = Effect.Effect<WorkQueue.ItemId, QueueFull | WorkQueueError | string>

/** G4 */
const noQueue = "its code is not part of this program"

/** Q2: asked anew at each failure. The pool of the queue asks; that there is no retry left is how it finds a death. */
const retryOf = (hook: string, config: () => HookConfig): Schedule.Schedule<unknown, number> =>
  Schedule.fromStep(
    Effect.map(
      Effect.suspend(() => Schedule.toStep(scheduleOf(config().retry))),
      (step) => (now: number, failure: number) =>
        Pull.catchDone(step(now, failure), (output) => Effect.andThen(died(hook, failure), Cause.done(output)))
    )
  )

const died = (hook: string, failures: number): Effect.Effect<void> =>
  Effect.logWarning(`An item of hook "${hook}" is a dead letter, failures: ${failures}`).pipe(
    Effect.annotateLogs({ hook, queue: queueOf(hook) })
  )

const queueOf = (hook: string) => `hooks/${hook}`

interface Job {
  readonly item: Item
  readonly info: Info
}

const once = { times: 0, delay: Duration.zero, factor: 1 }

const work = Effect.fnUntraced(function* (
  { registry, store }: Options,
  hook: Queued,
  job: Job
): Effect.fn.Return<void, HookFailed> {
  const { info, item } = job
  const { name, phase } = hook
  const subject = item._tag === "Call" ? item.call.agent : item.event.type
  yield* registry.list
  const { timeout } = registry.config(name)
  // Whoever tries again is the queue.
  const patience = { hook: name, limits: registry.limits, timeout, retry: once }
  const handled = yield* handle(patience, () => attempt({ registry, store }, hook, job))
  const { duration, result } = handled
  const reason = Result.isFailure(result) ? result.failure : undefined
  yield* registry.executions.record({
    hook: name,
    phase,
    outcome: reason === undefined ? "Observed" : "Failed",
    subject,
    attempts: info.attempt,
    at: yield* Clock.currentTimeMillis,
    duration,
    ...(item._tag === "Call" && item.call.runId !== undefined && { runId: item.call.runId }),
    ...(reason !== undefined && { reason })
  })
  if (reason !== undefined) return yield* new HookFailed({ hook: name, phase, subject, reason })
})

const attempt = (
  { registry, store }: Pick<Options, "registry" | "store">,
  hook: Queued,
  { info, item }: Job
): Effect.Effect<unknown, unknown> => {
  const inContext = inContextOf(registry.context)
  if (hook.phase === "post" && item._tag === "Call") return inContext(hook.run(item.call, info))
  if (hook.phase === "event" && item._tag === "Event") {
    return Effect.flatMap(read(store, item.event), (event) =>
      event === undefined
        ? Effect.void
        : Effect.andThen(Effect.fromResult(HookMatch.passes(hook.where, event)), () => inContext(hook.run(event, info)))
    )
  }
  return Effect.fail(`it is no hook for a ${item._tag.toLowerCase()} any more`)
}

/** `undefined`: it was erased from the log. */
const read = (
  store: EventStore["Service"],
  { stream, version }: typeof EventNamed.Type
): Effect.Effect<StoredEvent | undefined, EventStoreError> =>
  store.readArray(stream, { from: version, to: version }).pipe(
    Effect.map(([event]) => event),
    Effect.catchReason("EventStoreError", "StreamDeleted", () => Effect.undefined)
  )
