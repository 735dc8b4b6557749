/** Arrays on their way to a server and back: they travel in its binary format. */
import { assert, describe, layer } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import * as PostgresClient from "../../src/backends/PostgresClient.ts"
import { Postgres, type PostgresValue } from "../../src/persistence/Postgres.ts"
import { toText } from "../../src/persistence/PostgresText.ts"
import { temporarySchema } from "../postgres.ts"

const client = Layer.unwrap(Effect.map(temporarySchema, PostgresClient.layer))

/** What the server makes of two arrays, and how many elements it counts in each. */
const echo = (texts: ReadonlyArray<string>, numbers: ReadonlyArray<bigint>) =>
  Effect.flatMap(Postgres, (postgres) =>
    postgres.run("echo", "SELECT $1::text[], cardinality($1::text[]), $2::bigint[], cardinality($2::bigint[])", [
      texts,
      numbers
    ])
  )

const texts = [
  "",
  " ",
  "NULL",
  "null",
  '"',
  "\\",
  '\\"',
  "{}",
  "{a,b}",
  "a,b",
  "'",
  "\n\r\t",
  "\u0001",
  "ä",
  "日本語",
  "🎻",
  JSON.stringify({ a: 'quoted "twice" and \\ once', b: ["\\", "é"] }),
  "x".repeat(100_000),
  "é".repeat(100_000)
]
const numbers = [0n, 1n, -1n, 2n ** 31n, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n)]

describe("parameters", () => {
  layer(client, { excludeTestServices: true })((it) => {
    it.effect("arrays arrive as they were sent", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* echo(texts, numbers), [[texts, texts.length, numbers, numbers.length]])
      })
    )

    it.effect("so do empty ones", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* echo([], []), [[[], 0, [], 0]])
        assert.deepStrictEqual(yield* echo([""], [0n]), [[[""], 1, [0n], 1]])
      })
    )

    it.effect("values beside them keep what the statement says they are", () =>
      Effect.gen(function* () {
        const { run } = yield* Postgres
        const values: ReadonlyArray<PostgresValue> = ["1", 2, 3n, true, null, ["a"]]
        const row = yield* run(
          "echo",
          "SELECT $1::bigint, $2::bigint, $3::bigint, $4::boolean, $5::text, $6::text[]",
          values
        )
        assert.deepStrictEqual(row, [[1n, 2n, 3n, true, null, ["a"]]])
      })
    )

    it.effect.prop(
      "whatever is in them",
      { texts: Schema.Array(Schema.String), numbers: Schema.Array(Schema.Int) },
      ({ numbers, texts }) =>
        Effect.gen(function* () {
          const sent = texts.map(toText)
          const bigints = numbers.map(BigInt)
          assert.deepStrictEqual(yield* echo(sent, bigints), [[sent, sent.length, bigints, bigints.length]])
        })
    )
  })
})
