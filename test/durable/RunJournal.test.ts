import { assert, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { Rest } from "../../src/durable/Rest.ts"
import { RunJournal } from "../../src/durable/RunJournal.ts"
import { EventStore } from "../../src/index.ts"

interface Event {
  readonly type: string
}

/** A store that keeps a cancellation back before it enters the queue. */
const journalOver = (log: Array<string>, gate: Deferred.Deferred<void>) => {
  const store = {
    append: (_: string, events: ReadonlyArray<Event>, version: (events: ReadonlyArray<Event>) => number) =>
      Effect.andThen(
        events[0]!.type === "RunCancelRequested" ? Deferred.await(gate) : Effect.void,
        Effect.sync(() => void log.push(`${version(events)} ${events[0]!.type}`))
      )
  }
  return new RunJournal({
    store: store as unknown as typeof EventStore.EventStore.Service,
    identity: {
      runId: "a",
      definition: "a",
      definitionVersion: 1,
      correlationId: "a",
      goesOnFrom: undefined,
      epoch: 1
    },
    version: 1,
    rest: new Rest(),
    onFailure: () => Effect.void
  })
}

it.effect("L5: what was on its way into the journal comes before its conclusion", () =>
  Effect.gen(function* () {
    const log: Array<string> = []
    const gate = yield* Deferred.make<void>()
    const journal = journalOver(log, gate)
    yield* Effect.forkChild(journal.append("RunCancelRequested", undefined, {}), { startImmediately: true })
    const end = yield* Effect.forkChild(journal.conclude("RunFailed", {}), { startImmediately: true })
    assert.deepStrictEqual(log, [])
    yield* Deferred.succeed(gate, undefined)
    yield* Fiber.join(end)
    assert.deepStrictEqual(log, ["1 RunCancelRequested", "2 RunFailed"])
  })
)
