/** The process is killed again and again; the server lives, or dies with it. On a file: `test/durable/sigkill`. */
import { describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { survives } from "../durable/sigkill/survives.ts"
import { rounds } from "./Faults.ts"
import { kinds, ownServer, temporaryPlace } from "./places.ts"
import { deadServerFirst, deadServerNext } from "./ServerFaults.ts"

const kills = 5 * rounds

describe("a process is killed again and again", () => {
  for (const kind of kinds) {
    it.live(`K1-K5: on ${kind}`, () => Effect.flatMap(temporaryPlace[kind], (place) => survives(place, kills)))

    it.live(`K1-K5: on ${kind}, whose server dies with it, before it and after it in turn`, () =>
      Effect.flatMap(ownServer[kind], ({ place, server }) =>
        survives(place, kills, (turn) => (turn % 2 === 0 ? deadServerFirst(server) : deadServerNext(server)))
      )
    )
  }
})
