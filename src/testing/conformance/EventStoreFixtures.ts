/** Small things that the checks of `EventStoreConformance` are written with. */
import * as Effect from "effect/Effect"
import type { EncodedEvent, ExpectedVersion, Json, StoredEvent, StreamId } from "../../event-store/Envelope.ts"
import type { AppendOutcome, AppendRequest } from "../../event-store/EventStoreDriver.ts"
import { uniqueName } from "./Conformance.ts"

export const newStream = Effect.map(uniqueName("conformance/stream"), (name) => name as StreamId)
export const event = (type: string, data: Json = { type }) => ({ type, data })
export const events = (...types: ReadonlyArray<string>) => types.map((type) => event(type))
export const types = (stored: ReadonlyArray<StoredEvent>) => stored.map(({ type }) => type)
export const versions = (stored: ReadonlyArray<StoredEvent>) => stored.map(({ version }) => version)
export const tags = (outcomes: ReadonlyArray<AppendOutcome>) =>
  outcomes.map((outcome) => ("_tag" in outcome ? outcome._tag : outcome.duplicate ? "Duplicate" : "Appended"))
export const encoded = (id: string, type = "E", data: Json = {}): EncodedEvent => ({
  id,
  type,
  schemaVersion: 1,
  data,
  meta: { timestamp: 1 }
})
export const request = (stream: StreamId, expected: ExpectedVersion, ...ids: ReadonlyArray<string>): AppendRequest => ({
  stream,
  expected,
  events: ids.map((id) => encoded(`${stream}/${id}`, id))
})

export const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index)
