/** A batch of appends as `tutti_append` takes it, and what its answer says of each request. */
import type { PostgresRow, PostgresValue } from "../persistence/Postgres.ts"
import { columnsOf } from "../persistence/PostgresPersistence.ts"
import { toText } from "../persistence/PostgresText.ts"
import type { Put } from "../persistence/Persistence.ts"
import type { EncodedEvent, ExpectedVersion, StreamId, StreamVersion } from "./Envelope.ts"
import { type AppendOutcome, type AppendRequest, exactVersion } from "./EventStoreDriver.ts"
import { DocumentConflict, StreamDeleted, VersionConflict } from "./EventStoreError.ts"
import { Expectation, Kind } from "./PostgresTables.ts"

/** What a batch comes to for one of its streams, if every request of the batch is appended. */
interface Target {
  readonly number: number
  /** The version the stream must be at, or one of `Expectation`. */
  needed: number
  /** Events of the requests so far. */
  size: number
  /** Ids so far that are looked up, to notice one that comes twice. */
  readonly ids: Set<string>
}

/** The number that stands for an expectation. */
export const numberOf = (expected: ExpectedVersion): number =>
  exactVersion(expected) ?? (expected === "Any" ? Expectation.any : Expectation.exists)

/** The requests of one call, taken apart into columns. */
export class Batch {
  private readonly requests: ReadonlyArray<AppendRequest>
  private readonly targets = new Map<StreamId, Target>()
  private readonly targetOf: Array<Target> = []
  /** Of each request: the distance of its last event from the version of its stream. */
  private readonly distances: Array<number> = []

  constructor(requests: ReadonlyArray<AppendRequest>) {
    this.requests = requests
    for (const request of requests) this.place(request)
  }

  /** Parameters 2 to 19 of `tutti_append`. */
  parameters(now: number): ReadonlyArray<PostgresValue> {
    const owners: Array<bigint> = []
    const distances: Array<bigint> = []
    const dedups: Array<bigint> = []
    const events: Array<EncodedEvent> = []
    for (const [index, request] of this.requests.entries()) {
      const start = this.distances[index]! - request.events.length
      const dedup = numberOf(request.expected) < 0 ? 1n : 0n
      for (const [offset, event] of request.events.entries()) {
        owners.push(BigInt(this.targetOf[index]!.number))
        distances.push(BigInt(start + offset + 1))
        dedups.push(dedup)
        events.push(event)
      }
    }
    const targets = [...this.targets.values()]
    const puts = this.requests.flatMap(({ documents = [] }, index) => documents.map((put) => ({ put, index })))
    return [
      [...this.targets.keys()].map(toText),
      targets.map(({ needed }) => BigInt(needed)),
      owners,
      distances,
      dedups,
      events.map(({ type }) => toText(type)),
      events.map(({ id }) => toText(id)),
      events.map(bodyOf),
      this.targetOf.map(({ number }) => BigInt(number)),
      this.requests.map(({ expected }) => BigInt(numberOf(expected))),
      this.requests.map(({ events }) => BigInt(events.length)),
      puts.map(({ index }) => BigInt(index + 1)),
      ...columnsOf(puts.map(({ put }) => put)),
      now
    ]
  }

  /** What the row that `tutti_append` answered with says of each request. */
  outcomes([head, versions, answers]: PostgresRow): ReadonlyArray<AppendOutcome> {
    if (answers !== null) {
      const numbers = (answers as ReadonlyArray<bigint>).map(Number)
      return this.requests.map((request, index) => outcomeOf(request, numbers.slice(index * 3, index * 3 + 3)))
    }
    let position = Number(head)
    return this.requests.map((request, index) => {
      position += request.events.length
      const version = Number((versions as ReadonlyArray<bigint>)[this.targetOf[index]!.number - 1])
      return { version: version + this.distances[index]!, position, duplicate: false }
    })
  }

  private place({ events, expected, stream }: AppendRequest): void {
    let target = this.targets.get(stream)
    if (target === undefined) {
      target = { number: this.targets.size + 1, needed: Expectation.any, size: 0, ids: new Set() }
      this.targets.set(stream, target)
    }
    target.needed = both(target.needed, neededFor(expected, target.size))
    if (numberOf(expected) < 0) {
      for (const { id } of events) {
        if (target.ids.has(id)) target.needed = Expectation.never
        target.ids.add(id)
      }
    }
    target.size += events.length
    this.targetOf.push(target)
    this.distances.push(target.size)
  }
}

/** What an expectation demands of the version before the batch, of which so many events come first. */
const neededFor = (expected: ExpectedVersion, before: number): number => {
  const number = numberOf(expected)
  if (number >= 0) return number >= before ? number - before : Expectation.never
  return number === Expectation.exists && before > 0 ? Expectation.any : number
}

/** What two demands come to. */
const both = (one: number, other: number): number => {
  if (one === other || other === Expectation.any) return one
  if (one === Expectation.any) return other
  if (one === Expectation.exists && other > 0) return other
  if (other === Expectation.exists && one > 0) return one
  return Expectation.never
}

/** The body of an event's row. */
export const bodyOf = ({ data, meta, schemaVersion }: EncodedEvent): string =>
  JSON.stringify({ schemaVersion, data, meta })

const outcomeOf = (request: AppendRequest, [kind, first, second]: ReadonlyArray<number>): AppendOutcome => {
  const { expected, stream } = request
  switch (kind) {
    case Kind.deleted:
      return new StreamDeleted({ stream })
    case Kind.conflict:
      return new VersionConflict({ stream, expected, actual: first as StreamVersion })
    case Kind.documentConflict: {
      const { collection, id } = request.documents![first! - 1] as Put
      return new DocumentConflict({ collection, id })
    }
    default:
      return { version: first!, position: second!, duplicate: kind === Kind.duplicate }
  }
}
