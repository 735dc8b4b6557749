import { it } from "@effect/vitest"
import { Effect } from "effect"
import { temporaryFile } from "../../backends.ts"
import { survives } from "./survives.ts"

it.live(
  "K1-K5: a workload on a file survives fifty kills",
  () => Effect.flatMap(temporaryFile, (filename) => survives({ kind: "embedded", filename }, 50)),
  120_000
)
