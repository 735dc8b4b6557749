import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { TestClock } from "effect/testing"
import { Agent, Directive, Health, Routing, Supervisor, Task } from "../../src/index.ts"
import { heldRun } from "./heldRun.ts"

const Work = Task.make("Work", { input: {}, output: Schema.String })

const teamOf = (health: typeof Health.Health.Service, route?: Routing.Routing) => {
  const worker = (name: string) => Agent.make(name, { task: Work, run: () => Effect.succeed(name) })
  return Supervisor.make("team", {
    agents: [worker("alice"), worker("bob"), worker("carol")],
    route: Routing.healthy(health, route),
    onFailure: { ContractViolation: Directive.escalate }
  })
}

const answerOf = (team: ReturnType<typeof teamOf>) =>
  Effect.match(team.run({}), { onSuccess: (name) => name, onFailure: (error) => error._tag as string })

/** Checks of workers, of which those in `down` fail. */
const healthOf = (down: Set<string>) =>
  Health.make(
    ["alice", "bob"].map((name) =>
      Health.check(name, {
        probe: Effect.suspend(() => (down.has(name) ? Effect.fail("down") : Effect.void)),
        every: "1 second"
      })
    )
  )

describe("T7", () => {
  it.effect("T7: who is down is passed over until it has recovered; who is not checked is up", () =>
    Effect.gen(function* () {
      const down = new Set(["alice"])
      const team = teamOf(yield* healthOf(down))
      assert.strictEqual(yield* answerOf(team), "bob")
      down.add("bob")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* answerOf(team), "carol")
      down.clear()
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* answerOf(team), "alice")
    })
  )

  it.effect("T7: with any routing, and with none left nobody is called", () =>
    Effect.gen(function* () {
      const down = new Set(["bob"])
      const health = yield* healthOf(down)
      const inTurns = teamOf(health, Routing.roundRobin)
      assert.deepStrictEqual(yield* Effect.replicateEffect(answerOf(inTurns), 4), ["alice", "carol", "alice", "carol"])
      const first = teamOf(
        health,
        Routing.make("first", (_, candidates) => candidates[0]?.name)
      )
      assert.strictEqual(yield* answerOf(first), "alice")
      down.add("alice")
      yield* TestClock.adjust("1 second")
      const pair = Supervisor.make("pair", {
        agents: [Agent.make("bob", { task: Work, run: () => Effect.succeed("bob") })],
        route: Routing.healthy(health),
        onFailure: { ContractViolation: Directive.escalate }
      })
      const error = yield* Effect.flip(pair.run({}))
      assert(error._tag === "NoWorker")
      assert.strictEqual(error.route, "healthy(leastLoaded)")
    })
  )

  it.effect("T7: as the documentation shows it", () =>
    Effect.gen(function* () {
      const reviewer = (name: string) => Agent.make(name, { task: Work, run: () => Effect.succeed(name) })
      const agents = [reviewer("alice"), reviewer("bob")] as const
      const ping = (name: string) => (name === "alice" ? Effect.fail("no connection") : Effect.void)
      const cacheAge = Effect.succeed(90)
      // #region health
      const health = yield* Health.make([
        Health.check("alice", { probe: ping("alice"), every: "10 seconds", fall: 2 }),
        Health.check("bob", { probe: ping("bob"), every: "10 seconds", fall: 2 }),
        Health.check("cache", {
          probe: Effect.map(cacheAge, (age) => (age > 60 ? Health.degraded(`${age} s old`) : age)),
          importance: "Optional"
        })
      ])
      const reviewers = Supervisor.make("reviewers", {
        agents,
        route: Routing.healthy(health, Routing.roundRobin),
        onFailure: { ContractViolation: Directive.reroute }
      })
      // #endregion
      assert.strictEqual(yield* reviewers.run({}), "bob")
      assert.deepStrictEqual((yield* health.report).status, { _tag: "Unhealthy", reason: "down: alice" })
    })
  )

  it.effect("T7: a replay assigns as recorded, whoever is down by then", () =>
    Effect.gen(function* () {
      const { finish, untilHeld } = yield* heldRun
      const program = (health: typeof Health.Health.Service) => {
        const team = teamOf(health)
        return (hold: Effect.Effect<void>) =>
          Effect.gen(function* () {
            const before = yield* answerOf(team)
            yield* hold
            return [before, yield* answerOf(team)]
          })
      }
      yield* untilHeld(program(yield* healthOf(new Set(["alice"]))))
      assert.deepStrictEqual(yield* finish(program(yield* healthOf(new Set(["bob"])))), ["bob", "alice"])
    })
  )
})
