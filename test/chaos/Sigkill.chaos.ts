/** The process is killed, the server lives. On a file: `test/durable/sigkill`. */
import { describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { survives } from "../durable/sigkill/survives.ts"
import { rounds } from "./Faults.ts"
import { temporaryPlace } from "./places.ts"

const kills = 5 * rounds

describe("a process is killed again and again", () => {
  for (const kind of ["postgres", "redis"] as const) {
    it.live(`K1-K5: on ${kind}`, () => Effect.flatMap(temporaryPlace[kind], (place) => survives(place, kills)))
  }
})
