import { assert, describe, it } from "@effect/vitest"
import { Cause, DateTime, Effect, Exit, Fiber, Layer, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../src/backends/Memory.ts"
import * as Agent from "../../src/core/Agent.ts"
import * as Task from "../../src/core/Task.ts"
import { Engine } from "../../src/durable/Engine.ts"
import * as Orchestration from "../../src/durable/Orchestration.ts"
import type { RunHandle } from "../../src/durable/RunHandle.ts"
import * as Signal from "../../src/durable/Signal.ts"
import * as Step from "../../src/durable/Step.ts"
import * as Timer from "../../src/durable/Timer.ts"
import * as Approval from "../../src/patterns/approval/Approval.ts"

const expense = Approval.make("expense", {
  request: { id: Schema.String },
  decision: { approved: Schema.Boolean },
  key: ({ id }) => id
})
const ask = (id: string) => Effect.map(expense.run({ id }), ({ by, decision }) => `${id} ${by} ${decision.approved}`)
const says = (by: string, approved = true) => ({ by, decision: { approved } })

/** Runs the program under an engine in memory, and lets `outside` talk to it. */
const inRun = <A, E, B, E2>(
  body: Effect.Effect<A, E>,
  outside: (handle: RunHandle<unknown, any>) => Effect.Effect<B, E2, Engine>
): Effect.Effect<B, E2> => {
  const job = Orchestration.make("Job", {
    input: {},
    output: Schema.Json,
    run: () => Effect.orDie(body) as Effect.Effect<any>
  })
  return Effect.gen(function* () {
    return yield* outside(yield* job.start({}))
  }).pipe(Effect.provide(job.layer.pipe(Layer.provideMerge(Memory.layer)))) as Effect.Effect<B, E2>
}

/** Goes on once the event was stated so many times. */
const until = (handle: RunHandle<unknown, unknown>, type: string, count = 1) =>
  handle.events.pipe(
    Stream.filter((event) => event.type === type),
    Stream.take(count),
    Stream.runDrain
  )
const notes = (handle: RunHandle<unknown, unknown>) =>
  Effect.flatMap(Engine, (engine) =>
    Effect.map(Stream.runCollect(engine.events(handle.id)), (events) =>
      events
        .filter(({ type }) => /^Approval|^Reminder/.test(type))
        .map(({ data, type }) => [type, (data as any).by ?? (data as any).reminder ?? ""].join(" ").trim())
    )
  )
const keys = (handle: RunHandle<unknown, unknown>) =>
  Effect.map(Approval.open(handle), (open) => open.map(({ key }) => key))
const start = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })

describe("answers", () => {
  it.effect("A1: many wait at once, each for its own, in any order", () =>
    inRun(Effect.all(["a", "b", "c"].map(ask), { concurrency: "unbounded" }), (handle) =>
      Effect.gen(function* () {
        yield* until(handle, "ApprovalRequested", 3)
        assert.deepStrictEqual(yield* keys(handle), ["a", "b", "c"])
        yield* expense.answer(handle, "b", says("bob"))
        yield* until(handle, "ApprovalAnswered")
        assert.deepStrictEqual(yield* keys(handle), ["a", "c"])
        yield* expense.answer(handle.id, "c", says("cy", false))
        yield* expense.answer(handle, "a", says("ann"))
        assert.deepStrictEqual(yield* handle.await, ["a ann true", "b bob true", "c cy false"])
        assert.deepStrictEqual(yield* keys(handle), [])
      })
    )
  )

  it.effect("A1: names of approvals and keys are never taken for each other", () =>
    Effect.gen(function* () {
      const ids = ["a", "a#2", "a/b", "a%2Fb", ""]
      yield* inRun(Effect.all(ids.map(ask), { concurrency: "unbounded" }), (handle) =>
        Effect.gen(function* () {
          yield* until(handle, "ApprovalRequested", ids.length)
          const open = yield* Approval.open(handle)
          assert.strictEqual(new Set(open.map(({ signal }) => signal)).size, ids.length)
          yield* Effect.forEach(ids.toReversed(), (id) => expense.answer(handle, id, says(`<${id}>`)))
          assert.deepStrictEqual(
            yield* handle.await,
            ids.map((id) => `${id} <${id}> true`)
          )
        })
      )
    })
  )

  it.effect("A1: the second request of a key is never taken for one whose key looks like it", () =>
    inRun(Step.all({ again: Effect.flatMap(ask("a"), () => ask("a")), other: ask("a#2") }), (handle) =>
      Effect.gen(function* () {
        yield* until(handle, "ApprovalRequested", 2)
        yield* expense.answer(handle, "a", says("ann"))
        yield* until(handle, "ApprovalRequested", 3)
        yield* expense.answer(handle, "a", says("bob"))
        yield* expense.answer(handle, "a#2", says("cy"))
        assert.deepStrictEqual(yield* handle.await, { again: "a bob true", other: "a#2 cy true" })
      })
    )
  )

  it.effect("A1: without a key, the place in the program is the key", () => {
    const plain = Approval.make("ok", { request: {}, decision: Schema.Boolean })
    const asked = Effect.map(plain.run({}), ({ by }) => by)
    return inRun(
      Effect.flatMap(Step.all({ left: asked, right: asked }), (both) =>
        Effect.map(asked, (third) => [both.left, both.right, third])
      ),
      (handle) =>
        Effect.gen(function* () {
          yield* until(handle, "ApprovalRequested", 2)
          assert.sameMembers([...(yield* keys(handle))], ["[left]/ok", "[right]/ok"])
          yield* plain.answer(handle, "[right]/ok", { by: "r", decision: true })
          yield* plain.answer(handle, "[left]/ok", { by: "l", decision: true })
          yield* plain.answer(handle, "ok", { by: "t", decision: true })
          assert.deepStrictEqual(yield* handle.await, ["l", "r", "t"])
        })
    )
  })

  it.effect("A1: asked twice at once with one key is a bug that says so", () =>
    inRun(Effect.all([ask("a"), ask("a")], { concurrency: "unbounded" }), (handle) =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(handle.await)
        assert.match(String(exit), /approval \\?"expense\\?" is asked for twice at once with key \\?"a\\?"/)
      })
    )
  )

  it.effect("A2: an answer before the request is kept", () =>
    inRun(Effect.andThen(Timer.sleep("1 day"), ask("a")), (handle) =>
      Effect.gen(function* () {
        yield* expense.answer(handle, "a", says("ann"))
        yield* TestClock.adjust("1 day")
        assert.strictEqual(yield* handle.await, "a ann true")
      })
    )
  )

  it.effect("A3: the second answer is refused where it is sent, and says who was first", () =>
    inRun(Effect.andThen(ask("a"), Timer.sleep("1 day")), (handle) =>
      Effect.gen(function* () {
        yield* expense.answer(handle, "a", says("ann"))
        yield* until(handle, "ApprovalAnswered")
        const error = yield* Effect.flip(expense.answer(handle, "a", says("bob")))
        assert.strictEqual(
          error.message,
          `Request "a" of approval "expense" in run "${handle.id}" is closed: "ann" has answered it.`
        )
      })
    )
  )

  it.effect("A3: an answer that was too late is not taken by the next request of the key", () =>
    inRun(
      Effect.gen(function* () {
        const first = yield* ask("a")
        yield* Timer.sleep("1 day")
        return [first, yield* ask("a")]
      }),
      (handle) =>
        Effect.gen(function* () {
          yield* until(handle, "ApprovalRequested")
          const engine = yield* Engine
          const [{ signal }] = (yield* Approval.open(handle)) as [Approval.OpenRequest]
          const payload = yield* Signal.encode(Signal.make(signal, Schema.Json), {
            _tag: "Answer",
            by: "late",
            decision: { approved: false }
          })
          yield* expense.answer(handle, "a", says("ann"))
          yield* engine.signal(handle.id, { name: signal, payload })
          yield* TestClock.adjust("1 day")
          yield* until(handle, "ApprovalRequested", 2)
          yield* expense.answer(handle, "a", says("bob"))
          assert.deepStrictEqual(yield* handle.await, ["a ann true", "a bob true"])
        })
    )
  )

  it.effect("A4: what does not decode is refused where it is sent, and blocks nothing", () =>
    inRun(ask("a"), (handle) =>
      Effect.gen(function* () {
        yield* until(handle, "ApprovalRequested")
        const error = yield* Effect.flip(
          expense.answer(handle, "a", { by: "ann", decision: { approved: "yes" } } as never)
        )
        assert.strictEqual(error._tag, "InvalidSignal")
        // From somebody who does not know the schema.
        const engine = yield* Engine
        const [{ signal }] = (yield* Approval.open(handle)) as [Approval.OpenRequest]
        yield* engine.signal(handle.id, { name: signal, payload: "yes!" })
        yield* expense.answer(handle, "a", says("ann"))
        assert.strictEqual(yield* handle.await, "a ann true")
      })
    )
  )

  it.effect("A4: a wrong request is a ContractViolation, and nothing is asked", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(expense.run({ id: 1 } as never))
      assert.deepStrictEqual(
        [error._tag, error.agent, error.side, error.path],
        ["ContractViolation", "expense", "input", ["id"]]
      )
    })
  )

  it.effect("answering a run that ended, or never was, says so", () =>
    inRun(Effect.succeed(null), (handle) =>
      Effect.gen(function* () {
        yield* handle.await
        const closed = yield* Effect.flip(expense.answer(handle, "a", says("ann")))
        assert.deepInclude(closed, { _tag: "ApprovalClosed", ending: "RunEnded" })
        assert.strictEqual((yield* Effect.flip(expense.answer("nope", "a", says("ann"))))._tag, "RunNotFound")
        assert.strictEqual((yield* Effect.flip(Approval.open("nope")))._tag, "RunNotFound")
      })
    )
  )
})

describe("persons", () => {
  const deploy = Approval.make("deploy", {
    request: {},
    decision: Schema.Boolean,
    key: () => "v1",
    person: Schema.Literals(["ann", "bob", "cy"]),
    to: () => ["ann", "bob"]
  })
  const asked = Effect.map(deploy.run({}), ({ by }) => by)

  it.effect("A5: only those it is addressed to can answer", () =>
    inRun(asked, (handle) =>
      Effect.gen(function* () {
        yield* until(handle, "ApprovalRequested")
        const error = yield* Effect.flip(deploy.answer(handle, "v1", { by: "cy", decision: true }))
        assert.deepInclude(error, { _tag: "NotAddressed", by: "cy", to: ["ann", "bob"] })
        yield* deploy.answer(handle, "v1", { by: "bob", decision: true })
        assert.strictEqual(yield* handle.await, "bob")
      })
    )
  )

  it.effect("A5: an answer that was sent before the request, by somebody else, is refused in the run", () =>
    inRun(Effect.andThen(Timer.sleep("1 day"), asked), (handle) =>
      Effect.gen(function* () {
        yield* deploy.answer(handle, "v1", { by: "cy", decision: true })
        yield* TestClock.adjust("1 day")
        yield* until(handle, "ApprovalRefused")
        yield* deploy.answer(handle, "v1", { by: "ann", decision: true })
        assert.strictEqual(yield* handle.await, "ann")
        assert.deepStrictEqual(yield* notes(handle), [
          "ApprovalRequested",
          "ApprovalRefused cy",
          "ApprovalAnswered ann"
        ])
      })
    )
  )

  it.effect("A5: who delegates hands it over, and those beside him keep it", () =>
    inRun(asked, (handle) =>
      Effect.gen(function* () {
        yield* until(handle, "ApprovalRequested")
        yield* deploy.delegate(handle, "v1", { by: "ann", to: "cy" })
        yield* until(handle, "ApprovalDelegated")
        const [request] = yield* Approval.open(handle)
        assert.deepStrictEqual(request?.to, ["bob", "cy"])
        const error = yield* Effect.flip(deploy.answer(handle, "v1", { by: "ann", decision: true }))
        assert.strictEqual(error._tag, "NotAddressed")
        yield* deploy.delegate(handle, "v1", { by: "cy", to: "ann" })
        yield* until(handle, "ApprovalDelegated", 2)
        yield* deploy.answer(handle, "v1", { by: "ann", decision: true })
        assert.strictEqual(yield* handle.await, "ann")
      })
    )
  )
})

describe("time", () => {
  const Mail = Task.make("Mail", { input: { text: Schema.String }, output: Schema.Void })
  class MailDown extends Schema.TaggedError<MailDown>()("MailDown", {}) {}
  const setUp = (
    behave: (text: string) => Effect.Effect<void, MailDown> = () => Effect.void,
    limits: { timeout: "10 days"; every: "3 days" } = { timeout: "10 days", every: "3 days" }
  ) => {
    const sent: Array<string> = []
    const mail = Agent.make("mail", {
      task: Mail,
      errors: MailDown,
      run: ({ text }) =>
        Effect.andThen(
          Effect.sync(() => void sent.push(text)),
          behave(text)
        )
    })
    const deploy = Approval.make("deploy", {
      request: { id: Schema.String },
      decision: Schema.Boolean,
      key: ({ id }) => id,
      timeout: limits.timeout,
      remind: {
        every: limits.every,
        agent: mail,
        input: ({ deadline, number, request }) => ({
          text: `${request.id} ${number} ${deadline === undefined ? "" : DateTime.toEpochMillis(deadline)}`
        })
      }
    })
    return { sent, deploy }
  }
  const day = 24 * 3600 * 1000

  it.effect("A6: nobody answered in time", () => {
    const { deploy } = setUp()
    return inRun(Effect.flip(deploy.run({ id: "a" })).pipe(Effect.map(String)), (handle) =>
      Effect.gen(function* () {
        yield* until(handle, "ApprovalRequested")
        const [request] = yield* Approval.open(handle)
        assert.strictEqual(DateTime.toEpochMillis(request!.deadline!), 10 * day)
        yield* TestClock.adjust("10 days")
        assert.include(String(yield* handle.await), 'Nobody answered request "a" of approval "deploy" within 10d.')
        const error = yield* Effect.flip(deploy.answer(handle, "a", { by: "ann", decision: true }))
        assert.deepInclude(error, { _tag: "ApprovalClosed", ending: "Expired" })
      })
    )
  })

  it.effect("A7: reminders at whole multiples of the interval, none after the end", () => {
    const { deploy, sent } = setUp()
    return inRun(deploy.run({ id: "a" }), (handle) =>
      Effect.gen(function* () {
        yield* until(handle, "ApprovalRequested")
        yield* TestClock.adjust("3 days")
        assert.deepStrictEqual(sent, [`a 1 ${10 * day}`])
        yield* TestClock.adjust("4 days")
        assert.strictEqual(sent.length, 2)
        assert.strictEqual((yield* Approval.open(handle))[0]?.reminders, 2)
        yield* deploy.answer(handle, "a", { by: "ann", decision: true })
        assert.deepStrictEqual(yield* handle.await, { by: "ann", decision: true })
        yield* TestClock.adjust("30 days")
        assert.strictEqual(sent.length, 2)
      })
    )
  })

  it.effect("A7: reminders that were missed are left out", () => {
    // The first takes four days: the second, due meanwhile, is left out.
    const { deploy, sent } = setUp((text) => (text.startsWith("a 1") ? Effect.sleep("4 days") : Effect.void))
    return Effect.gen(function* () {
      const fiber = yield* start(Effect.flip(deploy.run({ id: "a" })))
      yield* TestClock.adjust("8 days")
      assert.strictEqual(sent.length, 1)
      yield* TestClock.adjust("1 day")
      assert.strictEqual(sent.length, 2)
      yield* TestClock.adjust("1 day")
      const error = yield* Fiber.join(fiber)
      assert.deepInclude(error, { _tag: "ApprovalTimedOut", reminders: 2 })
    })
  })

  it.effect("A7: a reminder that fails is noted, and the wait goes on", () => {
    const { deploy, sent } = setUp(() => Effect.fail(new MailDown()))
    return inRun(deploy.run({ id: "a" }), (handle) =>
      Effect.gen(function* () {
        yield* until(handle, "ApprovalRequested")
        yield* TestClock.adjust("3 days")
        yield* until(handle, "ReminderFailed")
        yield* deploy.answer(handle, "a", { by: "ann", decision: true })
        yield* handle.await
        assert.strictEqual(sent.length, 1)
        assert.deepStrictEqual(yield* notes(handle), ["ApprovalRequested", "ReminderFailed 1", "ApprovalAnswered ann"])
      })
    )
  })

  it.effect("A7: interrupted at any moment, nothing is left running", () =>
    Effect.gen(function* () {
      let active = 0
      const { deploy, sent } = setUp(() =>
        Effect.sync(() => active++).pipe(
          Effect.andThen(Effect.sleep("2 days")),
          Effect.ensuring(Effect.sync(() => active--))
        )
      )
      for (let seed = 0; seed < 40; seed++) {
        const fiber = yield* start(deploy.run({ id: "a" }))
        yield* TestClock.adjust((seed * 7919 * 3600 * 1000) % (9 * day))
        yield* Fiber.interrupt(fiber)
        assert.strictEqual(active, 0)
        assert.strictEqual((fiber as unknown as { _children?: Set<unknown> })._children?.size ?? 0, 0)
        const before = sent.length
        yield* TestClock.adjust("20 days")
        assert.strictEqual(sent.length, before)
      }
      assert.isAbove(sent.length, 10)
    })
  )

  it.effect("outside a run it waits until its time is up, and reminds", () =>
    Effect.gen(function* () {
      const { deploy, sent } = setUp()
      const fiber = yield* start(Effect.exit(deploy.run({ id: "a" })))
      yield* TestClock.adjust("10 days")
      const exit = yield* Fiber.join(fiber)
      assert.isTrue(Exit.isFailure(exit))
      assert.strictEqual(sent.length, 3)
    })
  )
})

describe("what is open", () => {
  it.effect("A8: an interrupted wait is withdrawn", () =>
    inRun(Effect.andThen(Step.race({ asked: ask("a"), late: Timer.sleep("1 day") }), Timer.sleep("1 day")), (handle) =>
      Effect.gen(function* () {
        yield* until(handle, "ApprovalRequested")
        assert.deepStrictEqual(yield* keys(handle), ["a"])
        yield* TestClock.adjust("1 day")
        yield* until(handle, "ApprovalWithdrawn")
        assert.deepStrictEqual(yield* keys(handle), [])
        const error = yield* Effect.flip(expense.answer(handle, "a", says("ann")))
        assert.deepInclude(error, { _tag: "ApprovalClosed", ending: "Withdrawn" })
      })
    )
  )

  it.effect("A8: a cancelled run withdraws what it asked for", () =>
    inRun(ask("a"), (handle) =>
      Effect.gen(function* () {
        yield* until(handle, "ApprovalRequested")
        yield* handle.cancel("enough")
        yield* Effect.exit(handle.await)
        assert.deepStrictEqual(yield* notes(handle), ["ApprovalRequested", "ApprovalWithdrawn"])
      })
    )
  )

  it.effect(
    "A1 A3 A8: random answers at random times: each request ends once, as the first that could answer said",
    () =>
      Effect.gen(function* () {
        for (let seed = 1; seed <= 25; seed++) {
          let state = seed * 7919
          const next = (below: number) => {
            state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
            return (state >>> 8) % below
          }
          const ids = Array.from({ length: 2 + next(6) }, (_, index) => `r${index}`)
          const said = new Map<string, string>()
          const body = Effect.forEach(ids, (id) => Effect.map(expense.run({ id }), ({ by }) => `${id} ${by}`), {
            concurrency: "unbounded"
          })
          yield* inRun(Step.keyed("all")(body), (handle) =>
            Effect.gen(function* () {
              if (next(2) === 0) yield* until(handle, "ApprovalRequested", ids.length)
              for (let n = 0; said.size < ids.length; n++) {
                const id = ids[next(ids.length)]!
                const sent = yield* Effect.exit(expense.answer(handle, id, says(`p${n}`)))
                if (!said.has(id)) assert.isTrue(Exit.isSuccess(sent))
                if (!said.has(id)) said.set(id, `p${n}`)
              }
              assert.deepStrictEqual(
                yield* handle.await,
                ids.map((id) => `${id} ${said.get(id)}`)
              )
              assert.deepStrictEqual(yield* keys(handle), [])
              assert.strictEqual((yield* notes(handle)).length, 2 * ids.length)
            })
          )
        }
      })
  )
})

describe("A9: in the body of a step", () => {
  const limited = Approval.make("deploy", { request: {}, decision: Schema.Boolean, timeout: "10 days" })
  const inBody = <R>(ask: Effect.Effect<unknown, unknown, R>) =>
    Agent.make("worker", {
      task: Task.make("Work", { input: {}, output: Schema.String }),
      run: () => Effect.orDie(Effect.map(ask, String))
    }).run({})

  const refused = (name: string, program: Effect.Effect<string, unknown>, approval: string) =>
    it.effect(name, () =>
      inRun(program, (handle) =>
        Effect.gen(function* () {
          const exit = yield* Effect.exit(handle.await)
          const defect = Exit.isFailure(exit) ? String(Cause.squash(exit.cause)) : "none"
          assert.include(defect, `approval "${approval}" cannot be asked for in the body of a step`)
          assert.include(defect, "Agent.compose")
          assert.deepStrictEqual(yield* notes(handle), [])
        })
      )
    )
  refused("of an agent, it is a defect", inBody(ask("a")), "expense")
  refused("in a program of agents there", inBody(Agent.compose("asks", { run: ask }).run("a")), "expense")
  refused("with a timeout, at once", inBody(limited.run({})), "deploy")
  refused("of Step.run", Step.run("work", { output: Schema.String, run: () => Effect.orDie(ask("a")) }), "expense")

  it.effect("a run that is begun there asks, and is answered", () => {
    const Inner = Orchestration.make("Inner", { input: {}, output: Schema.String, run: () => ask("a") })
    return inRun(inBody(Inner.run({}, { key: "one" })).pipe(Effect.provide(Inner.layer)) as Effect.Effect<string>, () =>
      Effect.gen(function* () {
        const inner = yield* Inner.handle(Inner.runId("one"))
        while (Exit.isFailure(yield* Effect.exit(inner.status))) yield* Effect.yieldNow
        yield* until(inner, "ApprovalRequested")
        yield* expense.answer(inner, "a", says("ann"))
        assert.strictEqual(yield* inner.await, "a ann true")
      })
    )
  })
})

describe("options that cannot be", () => {
  const mail = Agent.compose("mail", { run: (_: {}) => Effect.void })
  const base = { request: {}, decision: Schema.Boolean } as const
  it("timeout", () =>
    assert.throws(
      () => Approval.make("x", { ...base, timeout: 0 }),
      /timeout of approval "x" must be positive and finite, got 0/
    ))
  it("remind.every", () =>
    assert.throws(
      () => Approval.make("x", { ...base, remind: { every: -1, agent: mail, input: () => ({}) } }),
      /remind\.every of approval "x" must be positive/
    ))
})
