import { assert, describe, it } from "@effect/vitest"
import { DateTime, Deferred, Duration, Effect, Exit, Fiber, Metric, Schedule, Schema, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Health from "../../src/policies/Health.ts"
import * as HealthBoard from "../../src/policies/HealthBoard.ts"

class Refused extends Schema.TaggedError<Refused>()("Refused", { host: Schema.String }) {
  override get message(): string {
    return `${this.host} refused the connection`
  }
}

/** A thing that is up or down as the test says, and knows when it was probed. */
const thing = () => {
  const probed: Array<number> = []
  const state = { up: true }
  const probe = Effect.flatMap(
    Effect.clockWith((clock) => clock.currentTimeMillis),
    (now) => {
      probed.push(now / 1000)
      return state.up ? Effect.void : Effect.fail(new Refused({ host: "db" }))
    }
  )
  return { probe, probed, state }
}

const statuses = (health: typeof Health.Health.Service) =>
  Effect.map(health.report, ({ checks }) => checks.map(({ name, status }) => `${name} ${status._tag}`))

const reasonOf = (report: Health.Report, index: number) => {
  const status = report.checks[index]!.status
  return status._tag === "Healthy" ? undefined : status.reason
}

describe("H1", () => {
  it.effect("H1: failure, defect, silence: down with the reason, and nothing else is harmed", () =>
    Effect.gen(function* () {
      const making = yield* Effect.forkChild(
        Health.make([
          Health.check("fine", { probe: Effect.succeed("whatever") }),
          Health.check("failed", { probe: Effect.fail(new Refused({ host: "db" })) }),
          Health.check("tagged", { probe: Effect.fail({ _tag: "Odd" }) }),
          Health.check("died", { probe: Effect.die(new Error("bug")) }),
          Health.check("silent", { probe: Effect.never, timeout: "2 seconds" }),
          Health.check("slow", { probe: Effect.succeed(Health.degraded("replica is 9 s behind")) })
        ])
      )
      yield* TestClock.adjust("2 seconds")
      const health = yield* Fiber.join(making)
      const report = yield* health.report
      assert.deepStrictEqual(yield* statuses(health), [
        "fine Healthy",
        "failed Unhealthy",
        "tagged Unhealthy",
        "died Unhealthy",
        "silent Unhealthy",
        "slow Degraded"
      ])
      assert.deepStrictEqual(
        report.checks.map((_, index) => reasonOf(report, index)),
        [undefined, "db refused the connection", "Odd", "bug", "no answer within 2s", "replica is 9 s behind"]
      )
      assert.strictEqual(Duration.toMillis(report.checks[4]!.took), 2000)
      assert.strictEqual(yield* health.ready, false)
    })
  )

  it.effect("H1: a probe that is too slow is interrupted", () =>
    Effect.gen(function* () {
      let interrupted = 0
      const probe = Effect.onInterrupt(Effect.never, () => Effect.sync(() => void interrupted++))
      const making = yield* Effect.forkChild(Health.make([Health.check("silent", { probe })]))
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(making)
      assert.strictEqual(interrupted, 1)
    })
  )
})

describe("H2", () => {
  const Seen = Schema.Array(Schema.Literals(["Healthy", "Degraded", "Unhealthy"]))
  const count = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 4 }))
  const statusOf = (tag: "Healthy" | "Degraded" | "Unhealthy"): Health.Status =>
    tag === "Healthy" ? { _tag: tag } : { _tag: tag, reason: "because" }

  it.effect.prop(
    "H2: falls after `fall` bad probes in a row, rises after `rise` good ones, and is what it was until then",
    { seen: Seen, fall: count, rise: count },
    ({ fall, rise, seen }) =>
      Effect.sync(() => {
        let standing: HealthBoard.Standing | undefined
        let down = seen[0] === "Unhealthy"
        for (const [index, tag] of seen.entries()) {
          standing = HealthBoard.observe({ fall, rise }, standing, statusOf(tag))
          const lasting = (n: number, bad: boolean) =>
            index + 1 >= n && seen.slice(index + 1 - n, index + 1).every((one) => (one === "Unhealthy") === bad)
          if (index > 0) down = down ? !lasting(rise, false) : lasting(fall, true)
          assert.strictEqual(standing.status._tag === "Unhealthy", down)
          if (tag !== "Unhealthy" && !down) assert.strictEqual(standing.status._tag, tag)
        }
      })
  )
})

describe("H3", () => {
  it.effect("H3: what is well is probed every so often, what is down by its schedule, until it recovers", () =>
    Effect.gen(function* () {
      const db = thing()
      const health = yield* Health.make([
        Health.check("db", { probe: db.probe, every: "10 seconds", recovery: Schedule.exponential("1 second") })
      ])
      yield* TestClock.adjust("10 seconds")
      db.state.up = false
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* statuses(health), ["db Unhealthy"])
      yield* TestClock.adjust("7 seconds")
      db.state.up = true
      yield* TestClock.adjust("8 seconds")
      assert.deepStrictEqual(yield* statuses(health), ["db Healthy"])
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(db.probed, [0, 10, 20, 21, 23, 27, 35, 45])
      db.state.up = false
      yield* TestClock.adjust("12 seconds")
      assert.deepStrictEqual(db.probed.slice(8), [55, 56])
    })
  )

  it.effect("H3: when the recovery schedule has ended, it goes on every so often; by default it does not end", () =>
    Effect.gen(function* () {
      const short = thing()
      const lasting = thing()
      short.state.up = false
      lasting.state.up = false
      yield* Health.make([
        Health.check("short", {
          probe: short.probe,
          every: "10 seconds",
          recovery: Schedule.spaced("1 second").pipe(Schedule.upTo({ times: 2 }))
        }),
        Health.check("lasting", { probe: lasting.probe, every: "3 seconds" })
      ])
      yield* TestClock.adjust("22 seconds")
      assert.deepStrictEqual(short.probed, [0, 1, 2, 12, 22])
      assert.deepStrictEqual(lasting.probed, [0, 1, 3, 6, 9, 12, 15, 18, 21])
    })
  )

  it.effect("H3: a recovery schedule that dies does not end the probing", () =>
    Effect.gen(function* () {
      const db = thing()
      db.state.up = false
      const recovery = Schedule.spaced("1 second").pipe(Schedule.modifyDelay(() => Effect.die("bug")))
      yield* Health.make([Health.check("db", { probe: db.probe, every: "10 seconds", recovery })])
      yield* TestClock.adjust("20 seconds")
      assert.deepStrictEqual(db.probed, [0, 10, 20])
    })
  )

  it.effect("H3: refresh probes at once; the report itself probes nothing", () =>
    Effect.gen(function* () {
      const db = thing()
      const health = yield* Health.make([Health.check("db", { probe: db.probe })])
      yield* health.report
      assert.strictEqual(db.probed.length, 1)
      db.state.up = false
      assert.strictEqual((yield* health.refresh).ready, false)
      assert.strictEqual(db.probed.length, 2)
    })
  )
})

describe("H4", () => {
  const Checks = Schema.Array(
    Schema.Struct({
      name: Schema.String,
      importance: Schema.Literals(["Required", "Optional"]),
      status: Schema.Literals(["Healthy", "Degraded", "Unhealthy"])
    })
  )

  it.effect.prop(
    "H4: the whole is the worst of what is required; what is optional degrades it at most",
    { Checks },
    (all) =>
      Effect.sync(() => {
        const checks = all.Checks.map((one) => ({
          ...one,
          status: one.status === "Healthy" ? { _tag: one.status } : { _tag: one.status, reason: "because" }
        }))
        const rank = { Healthy: 0, Degraded: 1, Unhealthy: 2 }
        const worst = Math.max(
          0,
          ...all.Checks.map(({ importance, status }) => Math.min(rank[status], importance === "Required" ? 2 : 1))
        )
        assert.strictEqual(rank[HealthBoard.aggregate(checks)._tag], worst)
      })
  )

  it.effect("H4: the report says who, and survives JSON", () =>
    Effect.gen(function* () {
      const health = yield* Health.make([
        Health.check("db", { probe: Effect.fail("gone") }),
        Health.check("cache", { probe: Effect.fail("cold"), importance: "Optional" })
      ])
      const report = yield* health.report
      assert.deepStrictEqual(report.status, { _tag: "Unhealthy", reason: "down: db" })
      const codec = Schema.toCodecJson(Health.Report)
      const json = JSON.parse(JSON.stringify(yield* Schema.encodeEffect(codec)(report)))
      assert.strictEqual(json.checks[1].checkedAt, "1970-01-01T00:00:00.000Z")
      assert.deepStrictEqual(yield* Schema.decodeUnknownEffect(codec)(json), report)
    })
  )

  it.effect("H4: a process is ready although something optional is down", () =>
    Effect.gen(function* () {
      const health = yield* Health.Health
      assert.strictEqual(yield* health.ready, true)
      assert.deepStrictEqual((yield* health.report).status, { _tag: "Degraded", reason: "impaired: cache" })
    }).pipe(
      Effect.provide(
        Health.layer([
          Health.check("db", { probe: Effect.void }),
          Health.check("cache", { probe: Effect.fail("cold"), importance: "Optional" })
        ])
      )
    )
  )
})

describe("H5", () => {
  it.effect("H5: at most `concurrency` probes run at once, and none when the scope is closed", () =>
    Effect.gen(function* () {
      let running = 0
      let most = 0
      const gate = yield* Deferred.make<void>()
      const probe = Effect.acquireUseRelease(
        Effect.sync(() => void (most = Math.max(most, ++running))),
        () => Deferred.await(gate),
        () => Effect.sync(() => void running--)
      )
      const scope = yield* Scope.make()
      const checks = Array.from({ length: 7 }, (_, n) => Health.check(`c${n}`, { probe, every: "1 second" }))
      const making = yield* Effect.forkChild(Scope.provide(Health.make(checks, { concurrency: 3 }), scope), {
        startImmediately: true
      })
      while (running < 3) yield* Effect.yieldNow
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(making)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(most, 3)
      assert.strictEqual(running, 0)
      yield* Scope.close(scope, Exit.void)
      most = 0
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(most, 0)
    })
  )
})

describe("H6", () => {
  it.effect("H6: each transition is published once, in order, and the gauge follows", () =>
    Effect.gen(function* () {
      const db = thing()
      const health = yield* Health.make([Health.check("db.h6", { probe: db.probe, every: "10 seconds" })])
      const heard = yield* Effect.forkChild(Stream.runCollect(Stream.take(health.transitions, 2)), {
        startImmediately: true
      })
      const gauge = Metric.withAttributes(
        Metric.gauge("tutti_health_status", { description: "2 healthy, 1 degraded, 0 unhealthy." }),
        { check: "db.h6" }
      )
      db.state.up = false
      yield* TestClock.adjust("13 seconds")
      assert.strictEqual((yield* Metric.value(gauge)).value, 0)
      db.state.up = true
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(
        (yield* Fiber.join(heard)).map(
          ({ at, check, from, to }) => `${DateTime.toEpochMillis(at)} ${check} ${from._tag} ${to._tag}`
        ),
        ["10000 db.h6 Healthy Unhealthy", "17000 db.h6 Unhealthy Healthy"]
      )
      assert.strictEqual((yield* Metric.value(gauge)).value, 2)
    })
  )
})

describe("what cannot be meant", () => {
  it.effect("is refused where it is written", () =>
    Effect.gen(function* () {
      const probe = Effect.void
      assert.throws(
        () => Health.check("db", { probe, fall: 0 }),
        'fall of check "db" must be a positive integer, got 0'
      )
      assert.throws(() => Health.check("db", { probe, every: 0 }), 'every of check "db" must be positive and finite')
      assert.throws(() => Health.check("db", { probe, timeout: "0 seconds" }), 'timeout of check "db"')
      const twice = yield* Effect.exit(Health.make([Health.check("a", { probe }), Health.check("a", { probe })]))
      assert.include(String(twice), 'there are two checks named "a"')
    })
  )
})
