/** Translates the events of a run into what the live tree shows. */
import { readable } from "../Names.ts"
import type { StoredEvent } from "../../event-store/Envelope.ts"
import type { ViewEvent } from "./TreeState.ts"

/** Bookkeeping that a spectator need not see. */
const isHidden = (path: string): boolean => /(^|\/)(~|route|interrupt|backoff)/.test(path)

const messageOf = (json: unknown): string => {
  const error = json as { readonly _tag?: string; readonly message?: string; readonly issue?: string } | undefined
  return error?.message ?? error?.issue ?? error?._tag ?? "failed"
}

/** The view events of one stored event: none, one or two. */
export const viewOf = (event: StoredEvent): ReadonlyArray<ViewEvent> => {
  const path = readable(event.meta.path ?? "")
  const at = event.meta.timestamp
  const data = event.data as any
  if (event.type === "RunRecovered")
    return [{ _tag: "Note", text: "taken over after a crash: going on where it stopped" }]
  if (event.type === "CompensationStarted")
    return [{ _tag: "Note", text: `undoing ${data.transaction}: ${data.steps.join(", ")}` }]
  if (path === "" || (isHidden(path) && event.type !== "NodeSkipped")) return []
  return stepView(event.type, { path, at }, data)
}

const stepView = (
  type: string,
  { at, path }: { readonly path: string; readonly at: number },
  data: any
): ReadonlyArray<ViewEvent> => {
  switch (type) {
    case "StepStarted":
      return [{ _tag: "NodeStarted", path, at }]
    case "StepAttemptFailed":
      return [{ _tag: "NodeRetried", path, at, attempt: data.attempt + 1, detail: messageOf(data.error) }]
    case "StepCompleted":
      return path.includes("/undo") ? [{ _tag: "NodeUndone", path, at }] : [{ _tag: "NodeFinished", path, at }]
    case "StepFailed":
      return [{ _tag: "NodeFailed", path, at, detail: messageOf(data.error ?? data.defect) }]
    case "NodeSkipped":
      return [{ _tag: "NodeSkipped", path, at, detail: data.reason }]
    case "SignalReceived":
      return [{ _tag: "NodeFinished", path, at, detail: "received" }]
    default:
      return []
  }
}
