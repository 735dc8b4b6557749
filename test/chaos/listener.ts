/** A process that carries out runs that listen: its own, and those of others that are gone. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Engine } from "../../src/durable/Engine.ts"
import * as JournalEngine from "../../src/durable/JournalEngine.ts"
import { stores } from "../durable/sigkill/place.ts"
import { endWithParent } from "../servers/endWithParent.ts"
import { launch, say } from "./launch.ts"
import { numbers, type Settings, Talk } from "./talk.ts"

endWithParent()
const { lease, place, starts } = JSON.parse(process.argv[2]!) as Settings

const program = Effect.gen(function* () {
  yield* say({ owner: (yield* Engine).owner })
  if (!starts) return
  yield* Effect.forEach(numbers, (n) => Talk.start({ n }), { concurrency: "unbounded" })
  yield* say({ started: true })
})

const engine = JournalEngine.layer({ lease })
launch(program, Layer.provideMerge(Talk.layer, Layer.provideMerge(engine, await stores(place))))
