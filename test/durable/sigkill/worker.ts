/** Starts, or finds, every run of the workload, approves it and awaits it. Killed and started again by the test. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { endWithParent } from "../../servers/endWithParent.ts"
import { deployment } from "./place.ts"
import { Approval, make, runs, signalId } from "./workload.ts"

endWithParent()
const [place, sideFile] = process.argv.slice(2) as [string, string]
const { Trip, layer } = make(sideFile)

const program = Effect.forEach(
  Array.from({ length: runs }, (_, n) => n),
  (n) =>
    Effect.gen(function* () {
      const handle = yield* Trip.start({ n })
      yield* handle.signal(Approval, { by: "ann" }, { id: signalId(n) })
      return yield* handle.await
    }),
  { concurrency: 4 }
)

const deployed = await deployment(JSON.parse(place))
const outcomes = await Effect.runPromise(Effect.provide(program, layer.pipe(Layer.provideMerge(deployed))))
process.stdout.write(JSON.stringify(outcomes))
