import * as Effect from "effect/Effect"
import { openStatuses, type RunCatalogue, type RunSummary } from "./RunCatalogue.ts"

/**
 * Runs that are ours in the log, or may be, and that nobody carries out: an append of ours failed, and it is not known
 * whether it was written.
 */
export class DroppedRuns {
  private readonly runs = new Map<string, "dropped" | "looked for">()
  private readonly owner: string

  constructor(owner: string) {
    this.owner = owner
  }

  readonly add = (runId: string): void => void this.runs.set(runId, "dropped")

  readonly remove = (runId: string): void => void this.runs.delete(runId)

  /** Those to be taken up again. They stay dropped until they are removed, for what comes next may fail. */
  found(catalogue: RunCatalogue) {
    const look = (runId: string) =>
      Effect.map(catalogue.get(runId), (run): ReadonlyArray<RunSummary> => {
        if (run?.owner === this.owner && openStatuses.includes(run.status)) return [run]
        // Looked for twice: an append may arrive late.
        if (run !== undefined || this.runs.get(runId) === "looked for") this.runs.delete(runId)
        else this.runs.set(runId, "looked for")
        return []
      })
    return Effect.map(Effect.forEach([...this.runs.keys()], look), (found) => found.flat())
  }
}
