/** Finding runs that were left behind, and claiming them. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type { RunStatus } from "../core/RunLifeCycle.ts"
import type { NewEvent } from "../event-store/Envelope.ts"
import type { EventStore } from "../event-store/EventStore.ts"
import * as Lease from "../persistence/Lease.ts"
import type { Persistence } from "../persistence/Persistence.ts"
import * as RunCatalogue from "./RunCatalogue.ts"
import * as RunHistory from "./RunHistory.ts"
import { runStream } from "./RunJournal.ts"

export interface Services {
  readonly store: typeof EventStore.Service
  readonly persistence: typeof Persistence.Service
  readonly catalogue: RunCatalogue.RunCatalogue
  readonly lease: Lease.Lease
  readonly liveness: Lease.Liveness
}

/** A blocked run waits for a new program: one that has been tried need not be tried again. */
const isUntried = (status: RunStatus): boolean => status !== "blocked"

/** At once, not in pages: runs that end meanwhile would shift them. */
const limit = Number.MAX_SAFE_INTEGER

/** Open runs of a definition that are ours or whose owner is gone: asked once, when the definition becomes known. */
export const abandoned = ({ catalogue, lease, liveness, persistence }: Services, definition: string) =>
  Effect.gen(function* () {
    const runs = yield* catalogue.list({ definition, status: RunCatalogue.openStatuses, limit })
    const gone = new Map([[lease.owner, true]])
    for (const { owner } of runs) {
      if (!gone.has(owner)) gone.set(owner, yield* Lease.isGone(persistence, liveness, owner))
    }
    return runs.filter(({ owner }) => gone.get(owner) === true)
  })

/** So long after the end of its lease, an owner that left nothing behind is forgotten. */
const memory = Duration.toMillis(Duration.days(1))

/**
 * Untried runs whose owner is gone, asked again and again: it costs a query, and one for each owner that is gone,
 * however many runs are open. In no order, so that several engines do not all begin with the same run. None for the length
 * of a lease after our own was over.
 */
export const leftBehind = ({ catalogue, lease, liveness, persistence }: Services) =>
  Effect.gen(function* () {
    const found: Array<RunCatalogue.RunSummary> = []
    const gone = yield* Lease.gone(persistence, liveness)
    // Asked last: a store that was away may have answered late.
    const now = yield* Clock.currentTimeMillis
    if (lease.isShaken(now)) return found
    for (const { owner, until } of gone) {
      // Our own was late. It is renewed elsewhere; what was taken from us meanwhile is fenced.
      if (owner === lease.owner) continue
      const runs = yield* catalogue.list({ owner, status: RunCatalogue.openStatuses, limit })
      if (runs.length === 0 && until + memory < now) yield* Lease.forget(persistence, owner)
      for (const run of runs) if (isUntried(run.status)) found.push(run)
    }
    return yield* Random.shuffle(found)
  })

/**
 * Claims a run by writing to its stream: whoever owned it is fenced from here on.
 *
 * **Details** Answers with the history up to and including the claim, or with `undefined` if there is nothing to claim:
 * the run has ended, or somebody was faster.
 */
export const claim = ({ lease, store }: Services, { definition, owner: gone, runId }: RunCatalogue.RunSummary) =>
  Effect.gen(function* () {
    const history = RunHistory.fold(yield* store.readArray(runStream(runId)))
    if (history === undefined || history.ended !== undefined) return undefined
    // Somebody was faster. That owner is alive, as far as is known.
    if (history.owner !== gone) return undefined
    const { epoch, owner } = lease
    const { definitionVersion } = history
    const meta = { runId, correlationId: history.correlationId ?? runId, definition, definitionVersion, epoch }
    const events: ReadonlyArray<NewEvent> = [
      { type: "RunRecovered", data: { owner, epoch }, meta },
      // Said again: a run that was blocked meanwhile would be taken for one that is running.
      ...(history.paused ? [{ type: "RunPaused", data: {}, meta }] : [])
    ]
    return yield* store.append(runStream(runId), events, history.version).pipe(
      Effect.as({ ...history, owner, epoch, version: history.version + events.length }),
      Effect.catchTag("VersionConflict", () => Effect.succeed(undefined))
    )
  })
