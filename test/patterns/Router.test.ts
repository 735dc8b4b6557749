import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import * as Agent from "../../src/core/Agent.ts"
import * as Task from "../../src/core/Task.ts"
import * as Router from "../../src/patterns/Router.ts"
import { Lost, voices } from "./voices.ts"

const asked = (log: ReadonlyArray<string>) => log.filter((line) => !line.endsWith("done") && !line.endsWith("failed"))

describe("Router", () => {
  it.effect.prop("O1: calls the chosen route once, and no other", [Schema.Literals(["a", "b", "c"])], ([chosen]) =>
    Effect.gen(function* () {
      const { log, voice } = voices()
      const router = Router.make("router", {
        routes: { a: voice("a"), b: voice("b"), c: voice("c") },
        choose: (input) => input as "a"
      })
      assert.strictEqual(yield* router.run(chosen), `${chosen}(${chosen})`)
      assert.deepStrictEqual(asked(log), [`${chosen} ${chosen}`])
    })
  )

  it.effect("O1: an agent chooses", () =>
    Effect.gen(function* () {
      const Kind = Task.make("Kind", { input: Schema.String, output: Schema.Literals(["bug", "feature"]) })
      const { log, voice } = voices()
      const router = Router.make("router", {
        routes: { bug: voice("debugger"), feature: voice("builder") },
        choose: Agent.make("triage", {
          task: Kind,
          run: (text) => Effect.succeed(text.includes("broken") ? ("bug" as const) : ("feature" as const))
        })
      })
      yield* router.run("it is broken")
      yield* router.run("more colour")
      assert.deepStrictEqual(asked(log), ["debugger it is broken", "builder more colour"])
    })
  )

  it.effect("O1: no route is called when the choice fails, or when the function that chooses throws", () =>
    Effect.gen(function* () {
      const { log, voice } = voices()
      const failing = Router.make("router", { routes: { a: voice("a") }, choose: voice("triage", { fails: true }) })
      assert.deepStrictEqual(yield* Effect.flip(failing.run("1")), new Lost({ who: "triage" }))
      const throwing = Router.make("router", {
        routes: { a: voice("a") },
        choose: (): "a" => {
          throw new Error("no idea")
        }
      })
      assert.match(String((yield* Effect.exit(throwing.run("1"))).toString()), /no idea/)
      assert.deepStrictEqual(asked(log), ["triage 1"])
    })
  )

  it.effect("O2: a text that is no route is RouteUnknown, also if objects have something of that name", () =>
    Effect.gen(function* () {
      const { log, voice } = voices()
      const router = Router.make("router", {
        routes: { a: voice("a"), b: voice("b") },
        choose: (input) => String(input)
      })
      for (const route of ["c", "constructor", "__proto__", ""]) {
        const error = yield* Effect.flip(router.run(route))
        assert.deepStrictEqual(error, new Router.RouteUnknown({ router: "router", route, routes: ["a", "b"] }))
      }
      assert.deepStrictEqual(log, [])
      assert.strictEqual(
        new Router.RouteUnknown({ router: "router", route: "c", routes: ["a", "b"] }).message,
        `Router "router" has no route "c": there are "a", "b".`
      )
    })
  )

  it("needs a route", () => {
    assert.throws(
      () => Router.make("router", { routes: {}, choose: () => "a" as never }),
      `router "router" needs a route`
    )
  })
})
