/**
 * Requests that append one event each, behind an exact version, and each to another stream: all that runs do most of the time.
 * They need few columns, and have functions of their own.
 */
import type { PostgresValue } from "../persistence/Postgres.ts"
import { toText } from "../persistence/PostgresText.ts"
import type { StreamId, StreamVersion } from "./Envelope.ts"
import { type AppendOutcome, type AppendRequest, exactVersion } from "./EventStoreDriver.ts"
import { bodyOf } from "./PostgresBatch.ts"

/** The next events of some streams, as columns. */
export interface NextEvents {
  /** Parameters 2 to 6 of `tutti_append_one`, if it is one event, and of `tutti_append_next`, if there are more. */
  readonly parameters: ReadonlyArray<PostgresValue>
  /** What the position of the first event, which both functions answer with, says of each request. */
  readonly outcomes: (first: number) => ReadonlyArray<AppendOutcome>
}

/** The columns, if all requests are so simple. */
export const nextEventsOf = (requests: ReadonlyArray<AppendRequest>): NextEvents | undefined => {
  const streams = new Set<StreamId>()
  const versions: Array<StreamVersion> = []
  for (const { documents, events, expected, stream } of requests) {
    const version = exactVersion(expected)
    if (version === undefined || events.length !== 1 || documents !== undefined) return undefined
    versions.push(version)
    streams.add(stream)
  }
  if (streams.size < requests.length) return undefined
  return {
    parameters: requests.length === 1 ? valuesOf(requests[0]!, versions[0]!) : columnsOf(requests, versions),
    outcomes: (first) =>
      versions.map((version, index) => ({ version: version + 1, position: first + index, duplicate: false }))
  }
}

const valuesOf = ({ events, stream }: AppendRequest, version: StreamVersion): ReadonlyArray<PostgresValue> => {
  const event = events[0]!
  return [toText(stream), version, toText(event.type), toText(event.id), bodyOf(event)]
}

const columnsOf = (
  requests: ReadonlyArray<AppendRequest>,
  versions: ReadonlyArray<StreamVersion>
): ReadonlyArray<PostgresValue> => [
  requests.map(({ stream }) => toText(stream)),
  versions.map(BigInt),
  requests.map(({ events }) => toText(events[0]!.type)),
  requests.map(({ events }) => toText(events[0]!.id)),
  requests.map(({ events }) => bodyOf(events[0]!))
]
