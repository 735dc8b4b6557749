import * as Cause from "effect/Cause"
import type * as Schema from "effect/Schema"

/**
 * Travels as a defect from the program to its run: begin anew with this input.
 *
 * A defect, so that no `catch` of a typed error can hold it back.
 */
export class ContinueAsNew {
  readonly input: Schema.Json
  constructor(input: Schema.Json) {
    this.input = input
  }

  static find(cause: Cause.Cause<unknown>): ContinueAsNew | undefined {
    for (const reason of cause.reasons) {
      if (Cause.isDieReason(reason) && reason.defect instanceof ContinueAsNew) return reason.defect
    }
    return undefined
  }
}
