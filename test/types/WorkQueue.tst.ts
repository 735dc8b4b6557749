import { Effect, type Layer, Schema, type Scope } from "effect"
import {
  type DeadLettered,
  MemoryWorkQueue,
  type WorkItemUnknown,
  WorkQueue,
  type WorkQueueDriver,
  type WorkQueueError
} from "tutti"
import { expectTypeOf } from "vitest"

class Refused extends Schema.TaggedError<Refused>()("Refused", { code: Schema.Int }) {}
class Other extends Schema.TaggedError<Other>()("Other", {}) {}
interface Db {
  readonly db: true
}

const make = WorkQueue.make("mails", {
  item: Schema.Struct({ to: Schema.String, at: Schema.Date }),
  output: Schema.Int,
  error: Refused,
  retryWhile: ({ code }) => code > 500
})
expectTypeOf(make).toEqualTypeOf<
  Effect.Effect<
    WorkQueue.WorkQueue<{ readonly to: string; readonly at: Date }, number, Refused>,
    WorkQueueError,
    WorkQueueDriver | Scope.Scope
  >
>()

declare const queue: Effect.Success<typeof make>
declare const id: WorkQueue.ItemId
declare const query: Effect.Effect<number, never, Db>

// A producer learns how it ended.
expectTypeOf(queue.awaitResult(id)).toEqualTypeOf<
  Effect.Effect<number, Refused | DeadLettered | WorkItemUnknown | WorkQueueError>
>()

// A handler's needs are those of who runs the pool.
expectTypeOf(queue.run(() => query)).toEqualTypeOf<Effect.Effect<void, never, Db | Scope.Scope>>()

// @ts-expect-error: a failure without a schema could not be told to the producer.
queue.run(() => Effect.fail(new Other()))

// @ts-expect-error: the output is a number.
queue.run(() => Effect.succeed("sent"))

// @ts-expect-error: a name is no id.
queue.awaitResult("some text")

// @ts-expect-error: an item has an instant.
queue.offer({ to: "ada" })

expectTypeOf(MemoryWorkQueue.layer).toEqualTypeOf<Layer.Layer<WorkQueueDriver>>()

// Nothing to answer and no way to fail, if nothing is said.
const plain = WorkQueue.make("plain", { item: Schema.String })
expectTypeOf<Effect.Success<typeof plain>>().toEqualTypeOf<WorkQueue.WorkQueue<string, void, never>>()
