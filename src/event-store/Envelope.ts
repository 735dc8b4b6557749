/**
 * Envelope v1: what every stored event carries besides its data.
 *
 * The envelope is the one part of the log that can never change meaning, so
 * everything a later feature needs is reserved here from the first day.
 */
import * as Schema from "effect/Schema"

/**
 * Name of a stream: one unit of consistency, such as one run or one order.
 *
 * @category models
 * @since 0.1.0
 */
export const StreamId = Schema.NonEmptyString.pipe(Schema.brand("StreamId"))
export type StreamId = typeof StreamId.Type

/**
 * Number of events ever appended to a stream, so also the version of its last event. 0: no stream yet.
 *
 * @category models
 * @since 0.1.0
 */
export type StreamVersion = number

/**
 * Place in the whole log: increasing in commit order, resumable, not gapless. 0: before the first event.
 *
 * @category models
 * @since 0.1.0
 */
export type Position = number

/**
 * What the writer believes the stream's version to be.
 *
 * **Details**
 *
 * - a number: exactly this version. `0` and `"NoStream"` are the same belief.
 * - `"StreamExists"`: any version above 0.
 * - `"Any"`: no belief. Events appended so are deduplicated by their ids, at the price of one more index entry.
 *
 * @category models
 * @since 0.1.0
 */
export type ExpectedVersion = StreamVersion | "NoStream" | "StreamExists" | "Any"

/**
 * What data and user metadata are once encoded.
 *
 * @category models
 * @since 0.1.0
 */
export type Json = Schema.Json

/**
 * Where an event comes from and what it belongs to. Keys left out are unknown, not empty.
 *
 * @category models
 * @since 0.1.0
 */
export interface EventMeta {
  /** Milliseconds since the Unix epoch, from the writer's `Clock`. */
  readonly timestamp: number
  /** The run or request that everything here belongs to. */
  readonly correlationId?: string
  /** Id of the event or command that directly caused this one. */
  readonly causationId?: string
  readonly runId?: string
  /** Name of the orchestration. */
  readonly definition?: string
  readonly definitionVersion?: number
  /** Structural path of the step, such as `release/review/alice#2`. */
  readonly path?: string
  /** Fencing token of the owner that wrote the event. */
  readonly epoch?: number
  /** W3C trace context. */
  readonly traceparent?: string
  readonly user?: { readonly [key: string]: Json }
}

/**
 * An event on its way into the log.
 *
 * @category models
 * @since 0.1.0
 */
export interface NewEvent {
  /** UUIDv7 and deduplication key. Left out: the store makes one. */
  readonly id?: string
  readonly type: string
  /** Version of the shape of `data`. Default 1. */
  readonly schemaVersion?: number
  readonly data: Json
  /** `timestamp` left out: the store's clock. */
  readonly meta?: Partial<EventMeta>
}

/**
 * An event as a driver stores it: complete, encoded, not yet placed.
 *
 * @category models
 * @since 0.1.0
 */
export interface EncodedEvent {
  readonly id: string
  readonly type: string
  readonly schemaVersion: number
  readonly data: Json
  readonly meta: EventMeta
}

/**
 * An event as it is read.
 *
 * @category models
 * @since 0.1.0
 */
export interface StoredEvent extends EncodedEvent {
  readonly stream: StreamId
  readonly version: StreamVersion
  readonly position: Position
}
