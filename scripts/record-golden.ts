/**
 * Records the golden histories of this release: `node --conditions=tutti-source scripts/record-golden.ts`.
 *
 * To be run once before each release that changes what runs write. Adds what is not there, and never overwrites: a
 * history is a promise that was given.
 */
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import * as Memory from "../src/backends/Memory.ts"
import { EventStore } from "../src/event-store/EventStore.ts"
import { Parcels, shapes } from "../test/cqrs/parcels.ts"
import { programs } from "../test/durable/programs.ts"
import { type Golden, logOf, record } from "../test/golden/golden.ts"
import { history } from "../test/golden/runs.ts"

const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { readonly version: string }
const release = version.split(".").slice(0, 2).join(".")

const added = (golden: Golden, kind: "runs" | "streams") => {
  const state = record(golden, kind) ? "recorded" : "kept    "
  console.log(`${state} ${golden.release}/${kind}/${golden.name} (${golden.events.length} events)`)
}

const meta = { timestamp: 1, correlationId: "c", causationId: "d", user: { by: "ann" } }
const parcels = shapes.map((shape, index) => ({ ...shape(index % 2 === 0 ? 2000 : 7000), meta }))

const recordAll = Effect.gen(function* () {
  for (const program of programs) {
    added({ release, name: program.name.replaceAll(" ", "-"), events: yield* history(program) }, "runs")
  }
  const state = Memory.makeState()
  yield* EventStore.use((store) => store.append(Parcels.streamId("1"), parcels, 0)).pipe(
    Effect.provide(Memory.storesOf(state))
  )
  added({ release, name: "parcels", events: yield* logOf(state) }, "streams")
})

await Effect.runPromise(recordAll)
