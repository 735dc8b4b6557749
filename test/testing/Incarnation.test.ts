import { assert, it } from "@effect/vitest"
import { Clock, Context, Deferred, Duration, Effect, Exit, Fiber, Scheduler } from "effect"
import { Incarnation } from "../../src/testing/Incarnation.ts"

const incarnation = (startsAt = 0) =>
  new Incarnation({ scheduler: new Scheduler.MixedScheduler(), startsAt, patience: Duration.days(1) })

const live = <A, E>(life: Incarnation, effect: Effect.Effect<A, E>) => life.live(effect, Context.empty())

it.effect("D1: after death no fiber takes another step, and no finalizer runs", () =>
  Effect.gen(function* () {
    const life = incarnation()
    const after: Array<string> = []
    const outside = yield* Deferred.make<void>()
    const mark = (name: string) => Effect.sync(() => void after.push(name))
    const end = yield* live(
      life,
      Effect.gen(function* () {
        yield* Effect.forkChild(Effect.andThen(Effect.sleep("1 second"), mark("sleeper")))
        yield* Effect.forkChild(
          Effect.andThen(Deferred.await(outside), Effect.andThen(Effect.yieldNow, mark("resumed from outside")))
        )
        yield* Effect.forkChild(
          Effect.forever(
            Effect.andThen(
              Effect.yieldNow,
              Effect.sync(() => after.length > 0 && after.push("busy"))
            )
          )
        )
        yield* Effect.yieldNow
        life.kill()
        return yield* Effect.never
      }).pipe(Effect.ensuring(mark("finalizer")))
    )
    assert.strictEqual(end._tag, "Died")
    yield* Deferred.succeed(outside, undefined)
    for (let turn = 0; turn < 20; turn++) yield* Effect.yieldNow
    assert.deepStrictEqual(after, [])
  })
)

it.effect("D2: time passes when nothing can run, and only then", () =>
  Effect.gen(function* () {
    const end = yield* live(
      incarnation(1000),
      Effect.gen(function* () {
        const times: Array<number> = []
        const note = Effect.map(Clock.currentTimeMillis, (now) => void times.push(now))
        const other = yield* Effect.forkChild(Effect.andThen(Effect.sleep("1 hour"), note))
        for (let turn = 0; turn < 1000; turn++) yield* Effect.yieldNow
        yield* note
        yield* Effect.sleep("2 hours")
        yield* note
        yield* Fiber.join(other)
        return times
      })
    )
    assert.deepStrictEqual(end, { _tag: "Finished", exit: Exit.succeed([1000, 3_601_000, 7_201_000]) } as typeof end)
  })
)

it.effect("D3: a process in which everything waits for ever is stalled", () =>
  Effect.gen(function* () {
    const end = yield* live(incarnation(), Effect.andThen(Effect.sleep("1 hour"), Effect.never))
    assert.strictEqual(end._tag, "Stalled")
    if (end._tag === "Stalled") assert.strictEqual(Duration.toHours(end.waited), 1)
  })
)

it.effect("D3: what answers from the outside world in a while is waited for", () =>
  Effect.gen(function* () {
    const answer = Effect.callback<string>((resume) => void setTimeout(() => resume(Effect.succeed("answer")), 20))
    const end = yield* live(incarnation(), answer)
    assert.deepStrictEqual(end, { _tag: "Finished", exit: Exit.succeed("answer") } as typeof end)
  })
)
