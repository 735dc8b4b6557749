/**
 * Stores that can be watched, held up and stopped at every durable mutation.
 *
 * A decorator over a driver: it names each mutation and hands it to whoever decides what becomes of it. Reads pass.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type AppendRequest, EventStoreDriver } from "../event-store/EventStoreDriver.ts"
import { Persistence, type Put } from "../persistence/Persistence.ts"

/**
 * Decides what becomes of a mutation: let it pass, delay it, do it and never answer, never do it.
 *
 * **Details** `name` says what is written, for a person: `append StepCompleted at book/seat (run/Booking/1)`.
 *
 * @category models
 * @stability experimental
 * @since 0.1.0
 */
export type Fault = (name: string) => <A, E>(mutation: Effect.Effect<A, E>) => Effect.Effect<A, E>

/**
 * The same stores, with the fault around every mutation: each `append` (one durable commit of one or more requests),
 * `truncateBefore` and `delete` of the log, each `putAll` and `delete` of the documents.
 *
 * @category layers
 * @stability experimental
 * @since 0.1.0
 */
export const layer = (
  fault: Fault
): Layer.Layer<EventStoreDriver | Persistence, never, EventStoreDriver | Persistence> =>
  Layer.effectContext(
    Effect.gen(function* () {
      return Context.make(EventStoreDriver, log(yield* EventStoreDriver, fault)).pipe(
        Context.add(Persistence, documents(yield* Persistence, fault))
      )
    })
  )

const log = (driver: EventStoreDriver["Service"], fault: Fault): EventStoreDriver["Service"] => ({
  ...driver,
  append: (requests) => fault(`append ${requests.map(nameOf).join(", ")}`)(driver.append(requests)),
  truncateBefore: (stream, version) =>
    fault(`truncate ${stream} before ${version}`)(driver.truncateBefore(stream, version)),
  delete: (stream, expected) => fault(`delete ${stream}`)(driver.delete(stream, expected))
})

const documents = (persistence: Persistence["Service"], fault: Fault): Persistence["Service"] => ({
  ...persistence,
  putAll: (puts) => fault(`put ${puts.map(documentOf).join(", ")}`)(persistence.putAll(puts)),
  delete: (collection, id) => fault(`delete ${collection}/${id}`)(persistence.delete(collection, id))
})

const documentOf = ({ collection, id }: Put): string => `${collection}/${id}`

const nameOf = ({ events, stream }: AppendRequest): string => {
  const written = events.map(({ meta, type }) => (meta.path === undefined ? type : `${type} at ${meta.path}`))
  return `${written.join(" + ")} (${stream})`
}
