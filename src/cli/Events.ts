import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Process from "node:process"
import { Engine } from "../durable/Engine.ts"
import type { StoredEvent } from "../event-store/Envelope.ts"
import * as Format from "./Format.ts"
import * as Journal from "./Journal.ts"
import * as Names from "./Names.ts"
import type { Verb } from "./Verb.ts"

export const verb: Verb = {
  summary: "Print every event of a run, oldest first.",
  usage: "events ID [--json] [--db FILE|URL]",
  options: { json: { type: "boolean" } },
  words: 1,
  run: (args) =>
    Effect.gen(function* () {
      const engine = yield* Engine
      const run = yield* Names.runOf(args.words[0]!)
      const lineOf = args.options["json"] === true ? toJson : (event: StoredEvent) => Format.eventLine(event)
      yield* engine.events(run.runId).pipe(
        Stream.runForEach((event) => Effect.sync(() => void Process.stdout.write(lineOf(event)))),
        Journal.orSentence
      )
    }).pipe(Effect.provide(Journal.existing(args)))
}

const toJson = (event: StoredEvent) => `${JSON.stringify(event)}\n`
