import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Deferred, Effect, Exit, Fiber, Metric, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Agent from "../../src/core/Agent.ts"
import * as Task from "../../src/core/Task.ts"
import * as Budget from "../../src/policies/Budget.ts"

class Failed extends Schema.TaggedError<Failed>()("Failed", {}) {}

const small = Budget.within("small", { tokens: 10 })
const used = (resource = "tokens") =>
  Effect.map(Budget.usage, (lines) => lines.filter((line) => line.resource === resource).map((line) => line.used))
const cost = (tokens: number) => Budget.charge({ reserve: { tokens } })

describe("M1", () => {
  it.effect("M1: what does not fit does not run, reserves nothing, and says what there was", () =>
    Effect.gen(function* () {
      let ran = 0
      const call = Effect.sync(() => void ran++)
      yield* cost(7)(call)
      const error = yield* Effect.flip(cost(4)(call))
      assert.strictEqual(ran, 1)
      const { budget, limit, requested, resource } = error
      assert.deepStrictEqual([budget, resource, limit, error.used, requested], ["small", "tokens", 10, 7, 4])
      assert.strictEqual(error.message, 'Budget "small" has 7 of 10 tokens in use, and 4 more were requested.')
      assert.deepStrictEqual(yield* used(), [7])
      yield* cost(3)(call)
      assert.strictEqual(ran, 2)
    }).pipe(small)
  )

  it.effect("M1: it must fit into every resource and every budget around, or nothing is reserved anywhere", () =>
    Effect.gen(function* () {
      const both = Budget.charge({ reserve: { tokens: 5, money: 2 } })
      const inner = yield* Effect.flip(both(Effect.void)).pipe(Budget.within("poor", { money: 1 }))
      assert.deepStrictEqual([inner.budget, inner.resource], ["poor", "money"])
      const outer = yield* Effect.flip(cost(11)(Effect.void)).pipe(Budget.within("rich", { tokens: 100 }))
      assert.deepStrictEqual([outer.budget, outer.limit], ["small", 10])
      assert.deepStrictEqual(yield* used(), [0])
    }).pipe(small)
  )

  it.effect("M1: calls at once see each other's reservations", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const fibers = yield* Effect.forEach([0, 1, 2], () =>
        Effect.forkChild(cost(4)(Deferred.await(gate)), { startImmediately: true })
      )
      assert.deepStrictEqual(yield* used(), [8])
      yield* Deferred.succeed(gate, undefined)
      const exits = yield* Effect.forEach(fibers, (fiber) => Fiber.await(fiber))
      assert.deepStrictEqual(exits.map(Exit.isSuccess), [true, true, false])
    }).pipe(small)
  )

  it.effect("M1: fractions of money add up", () =>
    Effect.gen(function* () {
      const dime = Budget.charge({ reserve: { money: 0.1 } })
      // 0.1 + 0.1 + 0.1 > 0.3
      for (let n = 0; n < 3; n++) yield* dime(Effect.void)
      assert.strictEqual((yield* Effect.flip(dime(Effect.void))).resource, "money")
    }).pipe(Budget.within("little", { money: 0.3 }))
  )
})

describe("M2", () => {
  it.effect("M2: a call may cost less than it reserved, or more: then nothing is granted any more", () =>
    Effect.gen(function* () {
      const settling = (tokens: number) =>
        Budget.charge(Effect.succeed(tokens), { reserve: { tokens: 5 }, settle: (tokens) => ({ tokens }) })
      yield* settling(1)
      assert.deepStrictEqual(yield* used(), [1])
      yield* settling(12)
      assert.deepStrictEqual(yield* used(), [13])
      assert.strictEqual(yield* Budget.remaining("tokens"), 0)
      const error = yield* Effect.flip(Budget.charge(Effect.void, { settle: () => ({ tokens: 0 }) }))
      assert.deepStrictEqual([error.used, error.requested], [13, 0])
    }).pipe(small)
  )

  it.effect("M2: a turn counts however it ends", () =>
    Effect.gen(function* () {
      yield* Budget.turn(Effect.void)
      yield* Effect.flip(Budget.turn(Effect.fail(new Failed())))
      const error = yield* Effect.flip(Budget.turn(Effect.void))
      assert.strictEqual(error.resource, "turns")
    }).pipe(Budget.within("two", { turns: 2 }))
  )

  it.effect("M2: refusals are counted", () =>
    Effect.gen(function* () {
      const refusals = Metric.withAttributes(Metric.counter("tutti_budget_refusals_total", { incremental: true }), {
        budget: "counted",
        resource: "tokens"
      })
      yield* Effect.flip(cost(2)(Effect.void)).pipe(Budget.within("counted", { tokens: 1 }))
      assert.strictEqual((yield* Metric.value(refusals)).count, 1)
    })
  )
})

describe("M3", () => {
  it.effect("M3: failure, defect and interruption give back what was reserved; a settlement says what they cost", () =>
    Effect.gen(function* () {
      yield* Effect.exit(cost(6)(Effect.fail(new Failed())))
      yield* Effect.exit(cost(6)(Effect.die("bug")))
      const fiber = yield* Effect.forkChild(cost(6)(Effect.never), { startImmediately: true })
      assert.deepStrictEqual(yield* used(), [6])
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(yield* used(), [0])
      const costly = Budget.charge({
        reserve: { tokens: 6 },
        settleFailure: (cause) => ({ tokens: Cause.hasInterrupts(cause) ? 1 : 2 })
      })
      yield* Effect.exit(costly(Effect.fail(new Failed())))
      assert.deepStrictEqual(yield* used(), [2])
      const other = yield* Effect.forkChild(costly(Effect.never), { startImmediately: true })
      yield* Fiber.interrupt(other)
      assert.deepStrictEqual(yield* used(), [3])
    }).pipe(small)
  )

  it.effect("M3: a settlement that throws, or is no amount, is a defect and takes nothing with it", () =>
    Effect.gen(function* () {
      for (const settle of [
        () => ({ tokens: -1 }),
        () => ({ tokens: NaN }),
        (): { tokens: number } => {
          throw new Error("bug")
        }
      ]) {
        const exit = yield* Effect.exit(Budget.charge(Effect.void, { reserve: { tokens: 6 }, settle }))
        assert(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
        assert.deepStrictEqual(yield* used(), [0])
      }
    }).pipe(small)
  )
})

describe("M4", () => {
  it.effect("M4: what is spent within is spent around, and stays spent when the inner budget is gone", () =>
    Effect.gen(function* () {
      yield* cost(4)(Effect.void).pipe(Budget.within("a", { tokens: 4 }))
      yield* cost(4)(Effect.void).pipe(Budget.within("b", { tokens: 4 }))
      assert.deepStrictEqual(yield* used(), [8])
      const inner = yield* Budget.usage.pipe(Budget.within("c", { turns: 4, time: "1 second" }))
      assert.deepStrictEqual(
        inner.map(({ budget, resource }) => `${budget} ${resource}`),
        ["c turns", "c time", "small tokens"]
      )
    }).pipe(small)
  )

  it.effect("M4: exempt: undoing is not charged", () =>
    Effect.gen(function* () {
      yield* cost(10)(Effect.void)
      yield* Budget.exempt(cost(10)(Effect.void))
      assert.deepStrictEqual(yield* used(), [10])
    }).pipe(small)
  )

  const Operation = Schema.Union([
    Schema.Struct({
      kind: Schema.Literal("begin"),
      budget: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 4 })),
      reserve: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 6 }))
    }),
    Schema.Struct({
      kind: Schema.Literals(["succeed", "fail", "interrupt"]),
      call: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 5 })),
      spent: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 7 }))
    })
  ])
  const parents = Schema.Tuple([Schema.Literals([-1, 0]), Schema.Literals([-1, 0, 1]), Schema.Literals([0, 2])])

  it.effect.prop(
    "M1 to M4: any tree of budgets under any calls grants, spends and gives back as a model does",
    { operations: Schema.Array(Operation), parents },
    ({ operations, parents: [one, two, three] }) =>
      Effect.gen(function* () {
        const limits = [12, 7, 9, 5]
        const parentOf = [-1, one, two, three]
        const contexts: Array<Context.Context<never>> = []
        for (const [index, limit] of limits.entries()) {
          contexts.push(yield* contextWithin(`b${index}`, limit, contexts[parentOf[index]!]))
        }
        const model = limits.map((limit) => ({ limit, used: 0, reserved: 0 }))
        const chain = (budget: number): Array<(typeof model)[number]> =>
          budget < 0 ? [] : [model[budget]!, ...chain(parentOf[budget]!)]
        const calls: Array<Call> = []
        for (const operation of operations) {
          if (operation.kind === "begin") {
            const budget = operation.budget % limits.length
            const fits = chain(budget).every(
              ({ limit, reserved, used }) => used + reserved + operation.reserve <= limit
            )
            const call = yield* begin(contexts[budget]!, budget, operation.reserve)
            assert.strictEqual(call.fiber.pollUnsafe() === undefined, fits)
            if (!fits) continue
            calls.push(call)
            for (const line of chain(budget)) line.reserved += operation.reserve
          } else {
            const [call] = calls.splice(operation.call, 1)
            if (call === undefined) continue
            yield* end(call, operation.kind, operation.spent)
            const spent = operation.kind === "fail" ? 0 : operation.spent
            for (const line of chain(call.budget)) Object.assign(line, after(line, call.reserve, spent))
          }
          for (const [index, { reserved, used }] of model.entries()) {
            const lines = yield* Effect.provideContext(Budget.usage, contexts[index]!)
            assert.strictEqual(lines[0]!.used, used + reserved)
          }
        }
        yield* Effect.forEach(calls, ({ fiber }) => Fiber.interrupt(fiber))
      })
  )
})

// oxlint-disable-next-line max-params
const after = (line: { readonly used: number; readonly reserved: number }, reserve: number, spent: number) => ({
  used: line.used + spent,
  reserved: line.reserved - reserve
})

interface Call {
  readonly budget: number
  readonly reserve: number
  readonly fiber: Fiber.Fiber<number, unknown>
  readonly answer: Deferred.Deferred<number, Failed>
  spent: number
}

/** The context of a budget that stays open. */
const contextWithin = (name: string, limit: number, around: Context.Context<never> = Context.empty()) =>
  Effect.gen(function* () {
    const opened = yield* Deferred.make<Context.Context<never>>()
    const stay = Effect.andThen(
      Effect.flatMap(Effect.context<never>(), (context) => Deferred.succeed(opened, context)),
      Effect.never
    )
    yield* Effect.forkChild(stay.pipe(Budget.within(name, { units: limit }), Effect.provideContext(around)))
    return yield* Deferred.await(opened)
  })

const begin = (context: Context.Context<never>, budget: number, reserve: number) =>
  Effect.gen(function* () {
    const answer = yield* Deferred.make<number, Failed>()
    const call = { budget, reserve, answer, spent: 0 }
    const charged = Deferred.await(answer).pipe(
      Budget.charge({
        reserve: { units: reserve },
        settle: (spent) => ({ units: spent }),
        settleFailure: (cause) => ({ units: Cause.hasInterrupts(cause) ? call.spent : 0 })
      }),
      Effect.provideContext(context)
    )
    return Object.assign(call, { fiber: yield* Effect.forkChild(charged, { startImmediately: true }) })
  })

// oxlint-disable-next-line max-params
const end = (call: Call, kind: "succeed" | "fail" | "interrupt", spent: number) =>
  Effect.gen(function* () {
    call.spent = spent
    if (kind === "interrupt") return yield* Fiber.interrupt(call.fiber)
    yield* kind === "succeed" ? Deferred.succeed(call.answer, spent) : Deferred.fail(call.answer, new Failed())
    yield* Fiber.await(call.fiber)
  })

describe("M6", () => {
  it.effect("M6: when its time is up, a budget interrupts what runs within it", () =>
    Effect.gen(function* () {
      let interrupted = false
      const work = Effect.onInterrupt(Effect.never, () => Effect.sync(() => void (interrupted = true)))
      const fiber = yield* Effect.forkChild(Effect.flip(work.pipe(Budget.within("minute", { time: "1 minute" }))))
      yield* TestClock.adjust("59 seconds")
      assert.strictEqual(interrupted, false)
      yield* TestClock.adjust("1 second")
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(interrupted, true)
      assert.deepStrictEqual([error.budget, error.resource, error.limit], ["minute", "time", 60_000])
      assert.strictEqual(error.message, 'The time of budget "minute", 1m, is up.')
    })
  )

  it.effect("M6: what is left of the time can be read, and of nested budgets the least counts", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* Budget.remaining("time"), 50_000)
      const inner = Budget.remaining("time").pipe(Budget.within("hour", { time: "1 hour" }))
      assert.strictEqual(yield* inner, 50_000)
      assert.strictEqual(yield* Budget.remaining("tokens"), Infinity)
    }).pipe(Budget.within("minute", { time: "1 minute" }))
  )
})

describe("M7", () => {
  it.effect("M7: outside every budget nothing is charged, and usage is empty", () =>
    Effect.gen(function* () {
      yield* cost(1e12)(Effect.void)
      assert.deepStrictEqual(yield* Budget.usage, [])
      assert.strictEqual(yield* Budget.remaining("tokens"), Infinity)
    })
  )
})

describe("agents", () => {
  const ask = Agent.make("ask", {
    task: Task.make("Ask", { input: { text: Schema.String }, output: { tokens: Schema.Int }, error: Failed }),
    run: ({ text }) => (text === "" ? Effect.fail(new Failed()) : Effect.succeed({ tokens: text.length }))
  })
  const metered = ask.pipe(Budget.charge({ settle: ({ tokens }) => ({ tokens }) }))

  it.effect("an agent is charged for each of its calls, wherever it is called", () =>
    Effect.gen(function* () {
      const team = Agent.compose("team", {
        run: (text: string) => Effect.andThen(metered.run({ text }), metered.run({ text }))
      })
      yield* team.run("abc")
      assert.deepStrictEqual(yield* used(), [6])
    }).pipe(small)
  )

  it.effect("what is reserved may depend on the input", () =>
    Effect.gen(function* () {
      const careful = ask.pipe(Budget.charge({ reserve: ({ text }) => ({ tokens: 2 * text.length }) }))
      yield* careful.run({ text: "abc" })
      const error = yield* Effect.flip(careful.run({ text: "abc" }))
      assert(error._tag === "BudgetExceeded")
      assert.deepStrictEqual([error.used, error.requested], [6, 6])
    }).pipe(small)
  )

  it.effect("before retry each attempt is a turn, after it all are one", () =>
    Effect.gen(function* () {
      const failing = ask.run({ text: "" })
      yield* Effect.exit(failing.pipe(Budget.turn, Effect.retry({ times: 2 })))
      assert.deepStrictEqual(yield* used("turns"), [3])
      yield* Effect.exit(failing.pipe(Effect.retry({ times: 2 }), Budget.turn))
      assert.deepStrictEqual(yield* used("turns"), [4])
    }).pipe(Budget.within("turns", { turns: 10 }))
  )

  it.effect("a budget around an agent is new for each of its calls", () =>
    Effect.gen(function* () {
      const limited = Agent.compose("limited", { run: (text: string) => metered.run({ text }) }).pipe(
        Budget.within("each", { tokens: 3 })
      )
      yield* limited.run("abc")
      yield* limited.run("abc")
    })
  )
})

describe("metered", () => {
  it.effect("tells what was charged in it, of every resource, and charges it", () =>
    Effect.gen(function* () {
      const call = Effect.succeed("done").pipe(Budget.charge({ reserve: { tokens: 2, searches: 1 } }))
      const { spent, value } = yield* Effect.andThen(cost(3)(Effect.void), call).pipe(Budget.metered)
      assert.deepStrictEqual([value, spent], ["done", { tokens: 5, searches: 1 }])
      assert.deepStrictEqual(yield* used(), [5])
    }).pipe(small)
  )

  it.effect("outside every budget, too; and what refuses a call within refuses it", () =>
    Effect.gen(function* () {
      const { spent } = yield* Budget.metered(cost(3)(Effect.void))
      assert.deepStrictEqual(spent, { tokens: 3 })
      const refused = yield* Effect.flip(cost(11)(Effect.void).pipe(small, Budget.metered))
      assert.strictEqual(refused.budget, "small")
    })
  )
})

describe("what cannot be meant", () => {
  it("is refused where it is written", () => {
    assert.throws(() => Budget.within("b", { tokens: -1 }), 'tokens of budget "b" must be a number >= 0, got -1')
    assert.throws(() => Budget.within("b", { time: 0 }), 'time of budget "b" must be positive and finite')
    assert.throws(() => Budget.charge({ reserve: { tokens: NaN } }), "reservation of tokens must be >= 0")
  })
})
