/** How a run ended, as its last event says. */
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import type * as Schema from "effect/Schema"
import * as AnyError from "../core/AnyError.ts"

export interface RunEnd {
  readonly type: "RunCompleted" | "RunFailed" | "RunCancelled"
  readonly data: {
    readonly output?: Schema.Json
    readonly error?: Schema.Json
    readonly defect?: Schema.Json
    readonly reason?: string
  }
}

/** The end that the exit of a program means. It was cancelled only if it was asked to be, and did not fail besides. */
export const ofExit = (
  exit: Exit.Exit<Schema.Json, Schema.Json>,
  cancelRequested: { readonly reason: string | undefined } | undefined
): RunEnd => {
  if (Exit.isSuccess(exit)) return { type: "RunCompleted", data: { output: exit.value } }
  const error = Cause.findErrorOption(exit.cause)
  if (error._tag === "Some") return { type: "RunFailed", data: { error: error.value } }
  if (cancelRequested !== undefined && Cause.hasInterrupts(exit.cause)) {
    const { reason } = cancelRequested
    return { type: "RunCancelled", data: reason === undefined ? {} : { reason } }
  }
  return { type: "RunFailed", data: { defect: AnyError.encode(Cause.squash(exit.cause)) } }
}
