import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Process from "node:process"
import { Engine } from "../durable/Engine.ts"
import * as Format from "./Format.ts"
import * as Journal from "./Journal.ts"
import * as Names from "./Names.ts"
import type { Verb } from "./Verb.ts"

export const verb: Verb = {
  summary: "Follow a run until it ends, from its first event on. Works while another process carries the run out.",
  usage: "tail ID [--db FILE|URL]",
  options: {},
  words: 1,
  run: (args) =>
    Effect.gen(function* () {
      const engine = yield* Engine
      const run = yield* Names.runOf(args.words[0]!)
      yield* engine.events(run.runId, { live: true }).pipe(
        Stream.runForEach((event) => Effect.sync(() => void Process.stdout.write(Format.eventLine(event)))),
        Journal.orSentence
      )
    }).pipe(Effect.provide(Journal.existing(args)))
}
