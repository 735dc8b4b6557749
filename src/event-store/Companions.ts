import type { StreamId } from "./Envelope.ts"

const run = "run/"

/** Streams that are of no use without another one: of a run, the inbox with its signals. */
export const companionsOf = (stream: StreamId): ReadonlyArray<StreamId> =>
  stream.startsWith(run) ? [`inbox/${stream.slice(run.length)}` as StreamId] : []
