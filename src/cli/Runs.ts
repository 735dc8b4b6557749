import * as Effect from "effect/Effect"
import * as Process from "node:process"
import { Engine } from "../durable/Engine.ts"
import { RunStatus } from "../core/RunLifeCycle.ts"
import type { RunFilter } from "../durable/RunCatalogue.ts"
import * as Format from "./Format.ts"
import * as Journal from "./Journal.ts"
import { type Arguments, usageError, type Verb } from "./Verb.ts"

const filterOf = (args: Arguments) =>
  Effect.gen(function* () {
    const { definition, limit, status } = args.options
    const size = limit === undefined ? 50 : Number(limit)
    if (!Number.isInteger(size) || size < 1) return yield* usageError("--limit takes a whole number from 1.")
    const known = RunStatus.literals.find((literal) => literal === status)
    if (status !== undefined && known === undefined) {
      return yield* usageError(`--status is one of ${RunStatus.literals.join(", ")}.`)
    }
    const filter: RunFilter = {
      limit: size,
      ...(known === undefined ? {} : { status: known }),
      ...(typeof definition === "string" ? { definition } : {})
    }
    return filter
  })

export const verb: Verb = {
  summary: "List the runs in the journal, newest first.",
  usage: "runs [--status STATUS] [--definition NAME] [--limit N] [--db FILE|URL]",
  options: { status: { type: "string" }, definition: { type: "string" }, limit: { type: "string" } },
  words: 0,
  run: (args) =>
    Effect.gen(function* () {
      const filter = yield* filterOf(args)
      const engine = yield* Engine
      const runs = yield* Journal.orSentence(engine.list(filter))
      const rows = [["RUN", "STATUS", "STARTED", "TOOK"], ...runs.map(Format.runRow)]
      Process.stdout.write(runs.length === 0 ? "No runs.\n" : Format.table(rows))
    }).pipe(Effect.provide(Journal.existing(args)))
}
