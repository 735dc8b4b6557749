import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import * as Memory from "../../src/backends/Memory.ts"
import * as Postgres from "../../src/backends/Postgres.ts"
import * as PostgresClient from "../../src/backends/PostgresClient.ts"
import { CurrentHookStore, type HookStore, ofPersistence, type Registration } from "../../src/hooks/HookStore.ts"
import * as PostgresHookStore from "../../src/hooks/PostgresHookStore.ts"
import { Agent, Hook, Persistence } from "../../src/index.ts"
import { temporarySchema } from "../postgres.ts"
import { quiet, speaker } from "./parts.ts"

const fresh = <A, E, R>(layer: Layer.Layer<A, E, R>) => Layer.build(Layer.fresh(layer))

const stores: ReadonlyArray<readonly [string, Effect.Effect<HookStore, unknown, any>]> = [
  ["documents", Effect.map(fresh(Memory.layer), (context) => ofPersistence(Context.get(context, Persistence)))],
  [
    "workflow_hooks",
    Effect.flatMap(temporarySchema, (options) =>
      Effect.flatMap(fresh(PostgresClient.layer(options)), (context) =>
        Effect.provideContext(PostgresHookStore.make, context)
      )
    )
  ]
]

const redact: Registration = { name: "redact", phase: "pre", enabled: true }
const report: Registration = { name: "report ✓ \ud800", phase: "post", enabled: false }

for (const [name, open] of stores) {
  describe(`hooks in ${name}`, () => {
    const test = (title: string, body: (store: HookStore) => Effect.Effect<void, unknown>) =>
      it.live(title, () => Effect.scoped(Effect.flatMap(open as Effect.Effect<HookStore>, body)))

    test("K1: registering a hook again changes nothing of what is stored about it", (store) =>
      Effect.gen(function* () {
        yield* store.register([redact, report])
        const registered = [
          { ...redact, config: {}, version: 1 },
          { ...report, config: {}, version: 1 }
        ] as const
        assert.deepStrictEqual(yield* store.all, registered)
        assert.isTrue(yield* store.change({ ...registered[0], enabled: false, config: { order: 3 } }))
        yield* store.register([redact, report])
        assert.deepStrictEqual(yield* store.all, [
          { ...redact, enabled: false, config: { order: 3 }, version: 2 },
          registered[1]
        ])
      }))

    test("K2: of two changes made to the same version, one is refused", (store) =>
      Effect.gen(function* () {
        yield* store.register([redact])
        const [stored] = yield* store.all
        const changes = ["a", "b", "c"].map((config) =>
          store.change({ ...stored!, config: { match: { agents: [config] } } })
        )
        const taken = yield* Effect.all(changes, { concurrency: "unbounded" })
        assert.strictEqual(taken.filter((one) => one).length, 1)
        assert.isFalse(yield* store.change({ ...stored!, version: 7 }))
        assert.isFalse(yield* store.change({ ...stored!, name: "nobody" }))
        assert.strictEqual((yield* store.all)[0]?.version, 2)
      }))

    test("holds many hooks", (store) =>
      Effect.gen(function* () {
        const many = Array.from({ length: 501 }, (_, index): Registration => ({ ...redact, name: `hook ${index}` }))
        yield* store.register(many)
        assert.strictEqual((yield* store.all).length, 501)
      }))
  })
}

describe("a deployment on PostgreSQL", () => {
  it.live("keeps hooks in the table workflow_hooks, where a person changes them without a restart", () =>
    Effect.gen(function* () {
      const options = yield* temporarySchema
      const shout = Hook.pre("shout", { run: () => Hook.change({ text: "!" }) })
      const layer = Hook.layer([shout], { ...quiet, refresh: 0 }).pipe(Layer.provideMerge(Postgres.stores(options)))
      const context = yield* fresh(Layer.merge(layer, PostgresClient.layer(options)))
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const table = `${options.schema}.workflow_hooks`
        const alice = speaker("alice").pipe(Agent.transform(Hook.hooked("talk")))
        const said = alice.run({ text: "a" })
        assert.strictEqual(yield* said, "alice(!)")
        assert.deepStrictEqual(
          yield* sql.unsafe(`SELECT name, phase, enabled, config::text, version::int FROM ${table}`).values,
          [["shout", "pre", true, "{}", 1]]
        )
        yield* sql.unsafe(`UPDATE ${table} SET enabled = false WHERE name = 'shout'`)
        assert.strictEqual(yield* said, "alice(a)")
        yield* sql.unsafe(`UPDATE ${table} SET enabled = true, config = config || '{"match": {"agents": ["bob"]}}'`)
        assert.strictEqual(yield* said, "alice(a)")
        yield* Hook.Hooks.use(({ configure }) => configure("shout", { match: { agents: ["alice"] } }))
        assert.strictEqual(yield* said, "alice(!)")
        const [status] = yield* Hook.Hooks.use(({ list }) => list)
        assert.strictEqual(status?.version, 4)
        const moved = yield* sql.unsafe(`SELECT updated_at >= now() - interval '1 minute' FROM ${table}`).values
        assert.deepStrictEqual(moved, [[true]])
      }).pipe(Effect.provideContext(context))
    })
  )

  it.live("is told apart from one on documents", () =>
    Effect.gen(function* () {
      const context = yield* fresh(Postgres.stores(yield* temporarySchema))
      assert.isDefined(Context.get(context, CurrentHookStore))
    })
  )

  it.live("fails as a document store where the table cannot be used", () =>
    Effect.gen(function* () {
      const options = yield* temporarySchema
      const context = yield* fresh(PostgresClient.layer(options))
      const error = yield* Effect.gen(function* () {
        const store = yield* PostgresHookStore.make
        yield* SqlClient.SqlClient.use((sql) => sql.unsafe(`DROP TABLE ${options.schema}.workflow_hooks`))
        return yield* Effect.flip(store.all)
      }).pipe(Effect.provideContext(context))
      assert.strictEqual(error._tag, "PersistenceError")
      assert.include(error.message, "read hooks")
    })
  )
})
