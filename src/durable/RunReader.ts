/** What can be learned of a run from the stores alone, whoever carries it out. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { StoredEvent } from "../event-store/Envelope.ts"
import type { EventStore } from "../event-store/EventStore.ts"
import type { RunEnd } from "./RunEnd.ts"
import type * as RunCatalogue from "./RunCatalogue.ts"
import { EngineError, RunNotFound } from "./RunError.ts"
import * as RunHistory from "./RunHistory.ts"
import { runStream } from "./RunJournal.ts"

/** Names what the engine could not do; the store's own error is the cause. */
export const engineError =
  (operation: string) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, EngineError, R> =>
    Effect.mapError(self, (cause) => new EngineError({ operation, cause }))

export class RunReader {
  private readonly store: typeof EventStore.Service
  private readonly catalogue: RunCatalogue.RunCatalogue

  constructor(store: typeof EventStore.Service, catalogue: RunCatalogue.RunCatalogue) {
    this.store = store
    this.catalogue = catalogue
  }

  readonly list = (filter: RunCatalogue.RunFilter = {}) => this.catalogue.list(filter).pipe(engineError("list runs"))

  readonly get = (runId: string) =>
    this.catalogue.get(runId).pipe(
      engineError(`look up run "${runId}"`),
      Effect.flatMap((run) => (run === undefined ? Effect.fail(new RunNotFound({ runId })) : Effect.succeed(run)))
    )

  readonly events = (runId: string, options?: { readonly live?: boolean }): Stream.Stream<StoredEvent, EngineError> => {
    const events = options?.live === true ? this.liveEvents(runId) : this.store.read(runStream(runId))
    return Stream.mapError(events, (cause) => new EngineError({ operation: `follow run "${runId}"`, cause }))
  }

  /** Waits for the end of a run that is carried out elsewhere, or ended before. */
  readonly end = (runId: string): Effect.Effect<RunEnd, EngineError | RunNotFound> =>
    Effect.gen({ self: this }, function* () {
      const stream = runStream(runId)
      // The head first: an end that comes between the two reads is behind it.
      const head = yield* this.store.head
      const [last] = yield* this.store.readArray(stream, { direction: "backwards", max: 1 })
      if (last === undefined) return yield* new RunNotFound({ runId })
      if (RunHistory.isEnd(last.type)) return endOf(last)
      const end = yield* this.store.subscribe({ after: head, types: RunHistory.endTags, streamPrefix: stream }).pipe(
        Stream.filter((event) => event.stream === stream),
        Stream.runHead
      )
      return end._tag === "Some" ? endOf(end.value) : yield* new RunNotFound({ runId })
    }).pipe(
      Effect.mapError((cause) =>
        cause._tag === "RunNotFound" ? cause : new EngineError({ operation: `await run "${runId}"`, cause })
      )
    )

  private liveEvents(runId: string) {
    const stream = runStream(runId)
    return Stream.unwrap(
      Effect.map(this.store.readArray(stream, { max: 1 }), ([first]) =>
        this.store.subscribe({ after: first === undefined ? 0 : first.position - 1, streamPrefix: stream }).pipe(
          Stream.filter((event) => event.stream === stream),
          Stream.takeUntil((event) => RunHistory.isEnd(event.type))
        )
      )
    )
  }
}

const endOf = (event: StoredEvent): RunEnd => ({ type: event.type, data: event.data }) as RunEnd
