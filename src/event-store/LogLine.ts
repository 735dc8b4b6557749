/**
 * The lines of an exported log: newline-delimited JSON, one value a line.
 *
 * ```
 * {"tutti":"log","format":1,"after":0}
 * {"event":{"stream":"order/7","version":1,"id":"…","type":"OrderPlaced","schemaVersion":1,"data":{…},"meta":{…}}}
 * {"document":{"collection":"settings","id":"a","body":{…}}}
 * {"end":{"events":1,"documents":1,"head":12,"digest":"…"}}
 * ```
 *
 * The last line counts the others and carries a digest of them, so that a torn or damaged file is told from a whole one.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Digest from "../core/Digest.ts"
import type { Put } from "../persistence/Persistence.ts"
import type { Position, StoredEvent } from "./Envelope.ts"

/**
 * A line of the file is not what it should be.
 *
 * @category errors
 * @since 0.1.0
 */
export class LogFileInvalid extends Schema.TaggedError<LogFileInvalid>()("LogFileInvalid", {
  /** The first is 1. */
  line: Schema.Int,
  why: Schema.String
}) {
  override get message(): string {
    return `Line ${this.line} of the exported log ${this.why}.`
  }
}

/** An event without its place in the log it came from. */
export type PortableEvent = Omit<StoredEvent, "position">

/** The first line. `after`: the export holds what came after this position; 0: everything. */
export interface Head {
  readonly after: Position
}

/**
 * What a whole file holds.
 *
 * @category models
 * @since 0.1.0
 */
export interface Summary {
  readonly events: number
  readonly documents: number
  /** The head of the log at the export: where the next one goes on. */
  readonly head: Position
}

export type Entry =
  | { readonly _tag: "Event"; readonly event: PortableEvent; readonly line: number }
  | { readonly _tag: "Document"; readonly put: Put; readonly line: number }

/** Writes lines, and remembers what the last one has to say. */
export class Writer {
  private events = 0
  private documents = 0
  private digest = ""

  head({ after }: Head): string {
    return this.line({ tutti: "log", format: 1, after })
  }

  event({ position: _, ...event }: StoredEvent): string {
    this.events++
    return this.line({ event })
  }

  document({ body, collection, id }: Put): string {
    this.documents++
    return this.line({ document: { collection, id, body } })
  }

  end(head: Position): string {
    const { digest, documents, events } = this
    return this.line({ end: { events, documents, head, digest } })
  }

  private line(value: object): string {
    const text = JSON.stringify(value)
    this.digest = chained(this.digest, text)
    return `${text}\n`
  }
}

/** Reads lines, and checks that they are whole. */
export class Reader {
  /** Known once the first line was read. */
  head: Head = { after: 0 }
  private line = 0
  private events = 0
  private documents = 0
  private digest = ""
  private summary: Summary | undefined

  /** What the next line holds; nothing for the first and the last one. */
  read(text: string): Result.Result<Entry | undefined, LogFileInvalid> {
    this.line++
    const value = parse(text)
    if (value === undefined) return this.invalid("is no JSON object: it is torn, or was never part of an export")
    if (this.summary !== undefined) return this.invalid("comes after the end")
    if (this.line === 1) return this.first(value, text)
    const entry = this.entry(value)
    if (Result.isSuccess(entry)) this.digest = chained(this.digest, text)
    return entry
  }

  /** To be called after the last line. */
  get end(): Result.Result<Summary, LogFileInvalid> {
    if (this.summary !== undefined) return Result.succeed(this.summary)
    return Result.fail(
      new LogFileInvalid({ line: this.line + 1, why: "is missing: the file ends before the end of the export" })
    )
  }

  private first(value: JsonObject, text: string): Result.Result<undefined, LogFileInvalid> {
    if (value["tutti"] !== "log") return this.invalid("does not begin an exported log")
    if (value["format"] !== 1) {
      return this.invalid(`has format ${JSON.stringify(value["format"])}, and this program knows format 1`)
    }
    if (!isCount(value["after"])) return this.invalid("does not say where the export begins")
    this.head = { after: value["after"] }
    this.digest = chained(this.digest, text)
    return Result.succeed(undefined)
  }

  private entry({ document, end, event }: JsonObject): Result.Result<Entry | undefined, LogFileInvalid> {
    const { line } = this
    if (isEvent(event)) {
      this.events++
      return Result.succeed({ _tag: "Event", event, line })
    }
    if (isDocument(document)) {
      this.documents++
      return Result.succeed({ _tag: "Document", put: document, line })
    }
    return isObject(end) ? this.last(end) : this.invalid("holds neither an event nor a document")
  }

  private last(end: JsonObject): Result.Result<undefined, LogFileInvalid> {
    const { digest, documents, events } = this
    if (end["events"] !== events || end["documents"] !== documents) {
      const found = `${events} events and ${documents} documents`
      return this.invalid(
        `counts ${String(end["events"])} events and ${String(end["documents"])} documents, not ${found}`
      )
    }
    if (end["digest"] !== digest) return this.invalid("does not match what comes before it: the file was changed")
    if (!isCount(end["head"])) return this.invalid("does not say where the log ended")
    this.summary = { events, documents, head: end["head"] }
    return Result.succeed(undefined)
  }

  private invalid(why: string): Result.Result<never, LogFileInvalid> {
    return Result.fail(new LogFileInvalid({ line: this.line, why }))
  }
}

const chained = (digest: string, text: string): string => Digest.ofText(digest + text)

interface JsonObject {
  readonly [key: string]: unknown
}

const parse = (text: string): JsonObject | undefined => {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0

const isName = (value: unknown): value is string => typeof value === "string" && value !== ""

const isEvent = (value: unknown): value is PortableEvent =>
  isObject(value) &&
  [value["stream"], value["id"], value["type"]].every(isName) &&
  [value["version"], value["schemaVersion"]].every((count) => isCount(count) && count > 0) &&
  value["data"] !== undefined &&
  isObject(value["meta"]) &&
  typeof value["meta"]["timestamp"] === "number"

const isDocument = (value: unknown): value is Put =>
  isObject(value) &&
  [value["collection"], value["id"]].every((name) => typeof name === "string") &&
  isObject(value["body"])
