/**
 * One of several processes on one store. The first starts every run of the workload, the second waits for what there is
 * to take over, and both await all runs, wherever they are carried out. What a member hears goes to its output, one JSON
 * object a line.
 *
 * It knows nothing of other processes, as if they ran on other machines: leases end only by time, or are handed back.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as JournalEngine from "../../src/durable/JournalEngine.ts"
import { endWithParent } from "../servers/endWithParent.ts"
import { type Place, stores } from "../durable/sigkill/place.ts"
import { Approval, make, runs, signalId } from "../durable/sigkill/workload.ts"
import { launch, say } from "./launch.ts"

interface Settings {
  readonly place: Place
  readonly starts: boolean
  readonly sideFile: string
  readonly lease: `${number} seconds`
}

endWithParent()
const settings = JSON.parse(process.argv[2]!) as Settings
const { Trip, layer } = make(settings.sideFile)

/** Whoever started a run may die before it approves it: both members do, and it counts once. */
const outcomeOf = Effect.fnUntraced(function* (n: number) {
  const handle = yield* settings.starts ? Trip.start({ n }) : Trip.handle(`Trip/${n}`)
  return yield* handle.signal(Approval, { by: "ann" }, { id: signalId(n) }).pipe(
    Effect.andThen(handle.await),
    Effect.tapError(({ _tag }) => (_tag === "RunNotFound" ? Effect.void : say({ lost: _tag, run: handle.id }))),
    Effect.retry({
      while: ({ _tag }) => _tag === "Fenced" || _tag === "RunNotFound",
      schedule: Schedule.spaced("50 millis")
    })
  )
})

const program = Effect.gen(function* () {
  yield* say({ ready: true })
  const numbers = Array.from({ length: runs }, (_, n) => n)
  yield* say({ outcomes: yield* Effect.forEach(numbers, outcomeOf, { concurrency: "unbounded" }) })
})

const engine = JournalEngine.layer({ lease: settings.lease })
launch(program, Layer.provideMerge(layer, Layer.provideMerge(engine, await stores(settings.place))))
