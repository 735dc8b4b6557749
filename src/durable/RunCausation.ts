/**
 * What directly causes the events of runs: for `Causation.why`.
 *
 * An engine stamps it on each event it appends (see `Causes`). For what an older one has appended, and for a takeover, the
 * log says less: a signal that was received was caused by the one that was sent; a run that is the child of another by
 * that run; and what a run has done by its start.
 */
import type { Reference } from "../event-store/Causation.ts"
import type { StoredEvent } from "../event-store/Envelope.ts"
import { inboxStream, runStream } from "./RunJournal.ts"

/**
 * The cause of an event: its `meta.causationId`, or, of an event of a run that has none, what the log says.
 *
 * @category getters
 * @since 0.1.0
 */
export const causeOf = ({ data, meta, stream, type, version }: StoredEvent): Reference | undefined => {
  if (meta.causationId !== undefined) return { id: meta.causationId }
  const { runId } = meta
  if (runId === undefined || stream !== runStream(runId)) return undefined
  const { inbox, parent } = data as { readonly inbox?: number; readonly parent?: { readonly runId: string } }
  if ((type === "SignalReceived" || type === "SignalRejected") && inbox !== undefined) {
    return { stream: inboxStream(runId), version: inbox }
  }
  if (version > 1) return { stream, version: 1 }
  return parent && { stream: runStream(parent.runId), version: 1 }
}
