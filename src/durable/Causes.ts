/**
 * What directly causes the events of one run, while it is carried out.
 *
 * The program hears one answer at a time and has come to rest before the next: what it asks in between, the last answer
 * has caused. What follows at the same path is caused by what came before it there: an outcome by its start marker, a
 * second try by the failure of the first.
 */
import * as Context from "effect/Context"

/** Set by whoever passes a stored command on to a run: the id of the command. */
export const CurrentRequest: Context.Reference<string | undefined> = Context.Reference<string | undefined>(
  "tutti/durable/CurrentRequest",
  { defaultValue: () => undefined }
)

export class Causes {
  private lastAnswer: string | undefined
  /** By path, of questions that have no answer yet. */
  private readonly latest = new Map<string, string | undefined>()

  /** `goesOnFrom`: id of the event that stands for everything that was heard so far. */
  constructor(goesOnFrom: string | undefined) {
    this.lastAnswer = goesOnFrom
  }

  /** A question is asked at the path. `before`: what a former owner has written there last. */
  asked(path: string, before: string | undefined): void {
    this.latest.set(path, before ?? this.lastAnswer)
  }

  /** What follows at the path is caused by this event: one that is no answer, or a signal. */
  led(path: string, id: string): void {
    this.latest.set(path, id)
  }

  /** The program hears an answer. */
  heard(path: string | undefined, id: string): void {
    this.lastAnswer = id
    if (path !== undefined) this.latest.delete(path)
  }

  /** Id of what causes the next event at the path, or of the run as a whole. */
  of(path: string | undefined): string | undefined {
    return (path === undefined ? undefined : this.latest.get(path)) ?? this.lastAnswer
  }
}
