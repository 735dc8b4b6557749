import { assert, it } from "@effect/vitest"
import { all, backends, select } from "./backends.ts"
import { documentStores } from "./persistence/documentStores.ts"
import { queueBackends } from "./queues/drivers.ts"

/** A backend that is dropped from the registry, or from a run of CI, fails here instead of passing unseen. */
const expected = ["memory", "embedded", "postgres", "redis", "redis-cluster"]

const names = (backends: ReadonlyArray<{ readonly name: string }>) => backends.map(({ name }) => name)

it("every backend is registered", () => {
  assert.deepStrictEqual(names(all), expected)
})

it("every home of work queues is registered", () => {
  assert.deepStrictEqual(names(queueBackends), ["memory", "sqlite", "redis", "redis-cluster", "postgres"])
})

it("every home of documents is registered", () => {
  assert.deepStrictEqual(names(documentStores), [...names(backends), "json files"])
})

it("those run that BACKENDS names; in CI, all", () => {
  const wanted = process.env["CI"] === undefined ? process.env["BACKENDS"]?.split(",") : undefined
  assert.deepStrictEqual(names(backends), wanted ?? expected)
})

it("an unknown backend is refused", () => {
  assert.throws(() => select("memory,mysql"), /unknown backend "mysql"; there are memory, embedded/)
  assert.deepStrictEqual(names(select("embedded")), ["embedded"])
})
