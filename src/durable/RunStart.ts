import type { NewEvent } from "../event-store/Envelope.ts"
import type { StartOptions } from "./Engine.ts"
import * as RunHistory from "./RunHistory.ts"

/** Who accepts a run, when, and the id of the event that says so. */
export interface Acceptance {
  readonly owner: string
  readonly epoch: number
  readonly at: number
  readonly id: string
}

/** The event with which a run begins, and the history that it makes. */
export const make = (
  options: StartOptions,
  { at, epoch, id, owner }: Acceptance
): { readonly event: NewEvent; readonly history: RunHistory.RunHistory } => {
  const { causationId, correlationId, definition, definitionVersion, input, key, parent, runId } = options
  const data = {
    definition,
    definitionVersion,
    input,
    ...(key === undefined ? {} : { key }),
    ...(parent === undefined ? {} : { parent }),
    owner,
    epoch
  }
  const meta = {
    correlationId: correlationId ?? runId,
    ...(causationId === undefined ? {} : { causationId }),
    runId,
    definition,
    definitionVersion,
    epoch
  }
  return {
    event: { id, type: "RunStarted", data, meta },
    history: RunHistory.fresh({ _tag: "RunStarted", ...data }, { at, id }, correlationId)
  }
}
