/** One program on any store: the backend is a layer, and is chosen where the program starts. */
import { Effect, Layer, Schema } from "effect"
import { type Engine, Orchestration, Step } from "tutti"
// #region memory
import * as Memory from "tutti/memory"
// #endregion
// #region embedded
import * as Embedded from "tutti/embedded"
// #endregion
// #region postgres
import { Redacted } from "effect"
import * as Postgres from "tutti/postgres"
// #endregion

const Order = Orchestration.make("Order", {
  input: { item: Schema.String },
  output: Schema.String,
  run: ({ item }) => Step.run("pack", { output: Schema.String, run: () => Effect.succeed(`${item}, packed`) })
})

// #region memory

const inMemory = Memory.layer
// #endregion
// #region embedded

const inFile = (filename: string) => Embedded.layer({ filename })
// #endregion
// #region postgres

const onServer = (url: string) => Postgres.layer({ url: Redacted.make(url) })
// #endregion

const { BACKEND = "embedded", TUTTI_POSTGRES_URL = "postgres://localhost/tutti" } = process.env

const backends: { readonly [name: string]: Layer.Layer<Engine, unknown> } = {
  memory: inMemory,
  embedded: inFile(":memory:"), // a path, and the runs outlive the process
  postgres: onServer(TUTTI_POSTGRES_URL)
}

export const program = Effect.suspend(() => {
  const backend = backends[BACKEND]
  if (backend === undefined) return Effect.die(`no backend "${BACKEND}": there are ${Object.keys(backends)}`)
  const packed = Order.run({ item: "a score" }).pipe(Effect.provide(Layer.provideMerge(Order.layer, backend)))
  return Effect.map(packed, (answer) => `${BACKEND}: ${answer}`)
})

export const expected = `${BACKEND}: a score, packed`

if (import.meta.main) console.log(await Effect.runPromise(program))
