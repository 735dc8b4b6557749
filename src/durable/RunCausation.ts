/**
 * What directly causes the events of runs, as far as the log says it: for `Causation.why`.
 *
 * A signal that was received was caused by the one that was sent; a run that is the child of another by that run; and what
 * a run has done by its start.
 */
import type { Reference } from "../event-store/Causation.ts"
import type { StoredEvent } from "../event-store/Envelope.ts"
import { inboxStream, runStream } from "./RunJournal.ts"

/**
 * The cause of an event of a run; of any other event, its `meta.causationId`.
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
