/**
 * What holds after every fault.
 *
 *   X1. Nothing acknowledged is lost: every acknowledged event lies in the log where its writer was told.
 *   X2. Versions are gapless, no step has two outcomes, a run begins and ends once (`LogAudit`), positions grow.
 *   X3. Every accepted run ended, with the outcome it has without faults.
 *   X4. Nothing is written twice: no id occurs twice, and no appender's event that its writer does not know.
 *   X5. The subscriber heard every event at least once, and for the first time in the order of the log.
 */
import type { StoredEvent } from "../../src/event-store/Envelope.ts"
import * as LogAudit from "../../src/testing/LogAudit.ts"
import type { Witness } from "./Workload.ts"

/** One sentence for each violation. */
export const problems = (witness: Witness, log: ReadonlyArray<StoredEvent>): ReadonlyArray<string> => [
  ...lost(witness, log),
  ...LogAudit.problems(log).map((problem) => `X2: ${problem}`),
  ...positions(log),
  ...unfinished(witness, log),
  ...strangers(witness, log),
  ...unheard(witness.heard, log)
]

const lost = ({ acknowledged }: Witness, log: ReadonlyArray<StoredEvent>): ReadonlyArray<string> => {
  const byId = new Map(log.map((event) => [event.id as string, event]))
  return [...acknowledged].flatMap(([id, { stream, version }]) => {
    const event = byId.get(id)
    if (event === undefined) return [`X1: ${stream}@${version} was acknowledged and is lost`]
    return event.stream === stream && event.version === version
      ? []
      : [`X1: ${stream}@${version} was acknowledged and lies at ${event.stream}@${event.version}`]
  })
}

const positions = (log: ReadonlyArray<StoredEvent>): ReadonlyArray<string> =>
  log.flatMap(({ position }, index) =>
    index === 0 || position > log[index - 1]!.position ? [] : [`X2: position ${position} follows a higher one`]
  )

const unfinished = ({ runs }: Witness, log: ReadonlyArray<StoredEvent>): ReadonlyArray<string> => {
  const ends = new Set(log.filter(({ type }) => type === "RunCompleted").map(({ stream }) => stream as string))
  return [...runs].flatMap(([id, { expected, outcome }]) => {
    if (!ends.has(`run/${id}`)) return [`X3: run ${id} was accepted and has no end in the log`]
    return outcome === expected ? [] : [`X3: run ${id} ended with "${outcome}" instead of "${expected}"`]
  })
}

const strangers = ({ acknowledged }: Witness, log: ReadonlyArray<StoredEvent>): ReadonlyArray<string> => {
  const seen = new Set<string>()
  return log.flatMap(({ id, stream, version }) => {
    if (seen.has(id)) return [`X4: ${stream}@${version} has an id that the log has already`]
    seen.add(id)
    return stream.startsWith("chaos/") && !acknowledged.has(id)
      ? [`X4: ${stream}@${version} was written and nobody was told`]
      : []
  })
}

const unheard = (heard: ReadonlyArray<StoredEvent>, log: ReadonlyArray<StoredEvent>): ReadonlyArray<string> => {
  const known = new Set<string>()
  const first = heard.filter(({ id }) => !known.has(id) && known.add(id))
  const missed = log
    .filter(({ id }) => !known.has(id))
    .map(({ stream, version }) => `X5: ${stream}@${version} was not heard`)
  const disorder = first.flatMap(({ position }, index) =>
    index === 0 || position > first[index - 1]!.position
      ? []
      : [`X5: position ${position} was heard after a higher one`]
  )
  const inLog = new Set(log.map(({ id }) => id))
  const ghosts = first
    .filter(({ id }) => !inLog.has(id))
    .map(({ stream, version }) => `X5: ${stream}@${version} was heard and is not in the log`)
  return [...missed, ...disorder, ...ghosts]
}
