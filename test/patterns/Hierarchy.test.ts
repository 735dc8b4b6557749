import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Random, Schema } from "effect"
import { Agent, ContractViolation, Hierarchy, Run, Signal, Task } from "../../src/index.ts"
import { SeededScheduler } from "../../src/testing/index.ts"

class Broken extends Schema.TaggedError<Broken>()("Broken", { by: Schema.String }) {}
class Denied extends Schema.TaggedError<Denied>()("Denied", {}) {}

const Say = Task.make("Say", { input: Schema.String, output: Schema.String, error: Broken })
const Budget = Task.make("Budget", { input: { amount: Schema.Int }, output: Schema.String, error: Denied })
const Note = Signal.make("Note", Schema.String)

const speaker = (name: string, say: (text: string) => Effect.Effect<string, Broken> = Effect.succeed) =>
  Agent.make(name, { task: Say, run: (text) => Effect.map(say(text), (said) => `${name}: ${said}`) })
const turns = (count: number) => Effect.repeat(Effect.yieldNow, { times: count })
const composed = <Out, E, R>(name: string, run: Effect.Effect<Out, E, R>) =>
  Agent.compose(name, { run: (_: void) => run })

describe("H1: a delegation calls its report", () => {
  it.effect("and answers with its output, by name", () =>
    Effect.gen(function* () {
      const calls: Array<string> = []
      const alice = speaker("alice", (text) => Effect.sync(() => (calls.push(text), text)))
      const team = Hierarchy.make("team", {
        reports: { backend: alice, web: speaker("bob") },
        lead: (goal: string, { delegate }) =>
          Effect.gen(function* () {
            const api = yield* delegate("backend", goal)
            return yield* delegate("web", api)
          })
      })
      assert.strictEqual(yield* team.run("shop"), "bob: alice: shop")
      assert.deepStrictEqual(calls, ["shop"])
    })
  )

  it.effect("and fails as it does", () =>
    Effect.gen(function* () {
      const team = Hierarchy.make("team", {
        reports: { web: speaker("bob", () => Effect.fail(new Broken({ by: "bob" }))) },
        lead: (goal: string, { delegate }) => delegate("web", goal)
      })
      assert.deepStrictEqual(yield* Effect.flip(team.run("shop")), new Broken({ by: "bob" }))
    })
  )

  it.effect("to any depth, through other agents, too", () =>
    Effect.gen(function* () {
      const inner = Hierarchy.make("inner", {
        reports: { dev: speaker("dev") },
        lead: (goal: string, { delegate }) => delegate("dev", goal)
      })
      const team = Hierarchy.make("team", {
        reports: { backend: inner.pipe(Agent.mapOutput((said) => `(${said})`)) },
        lead: (goal: string, { delegate }) => delegate("backend", goal)
      })
      assert.strictEqual(yield* team.run("shop"), "(dev: shop)")
    })
  )
})

describe("H2: authority comes from above", () => {
  const deployer = composed("deployer", Effect.as(Hierarchy.authorize("deploy"), "deployed"))
  const under = (grants: ReadonlyArray<"deploy">) =>
    Hierarchy.make("team", {
      reports: { ops: deployer },
      permissions: ["deploy"],
      grants: { ops: grants },
      lead: (_: void, { delegate }) => delegate("ops", undefined)
    })

  it.effect("what was granted is held", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* under(["deploy"]).run(), "deployed")
    })
  )

  it.effect("what was not is refused, with the action, the asker, the nearest holder and the chain", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(under([]).run())
      const expected = { action: "deploy", asker: "ops", holder: "team", chain: ["ops", "team"] }
      assert.deepStrictEqual(error, new Hierarchy.NotPermitted(expected))
      assert.strictEqual(
        error.message,
        `"ops" may not "deploy": the nearest above who may is "team", and the permission must be held and granted all the way down from there.`
      )
    })
  )

  it.effect("what nobody above holds is refused with what it takes", () =>
    Effect.gen(function* () {
      const bare = Hierarchy.make("team", {
        reports: { ops: deployer },
        lead: (_: void, { delegate }) => delegate("ops", undefined)
      })
      assert.strictEqual(
        (yield* Effect.flip(bare.run())).message,
        `"ops" may not "deploy", nor may anyone above: it must be among the permissions of "team", and be held and granted from there down to "ops".`
      )
      const root = Hierarchy.make("team", { reports: {}, lead: (_: void) => Hierarchy.authorize("deploy") })
      assert.strictEqual(
        (yield* Effect.flip(root.run())).message,
        `"team" may not "deploy": that is not among its permissions.`
      )
    })
  )

  it.effect("before anything is done", () =>
    Effect.gen(function* () {
      const done: Array<string> = []
      const ship = speaker("ship", (text) => Effect.sync(() => (done.push(text), text)))
      const careful = ship.pipe(Hierarchy.requires("deploy"))
      const team = (permissions: ReadonlyArray<"deploy">) =>
        Hierarchy.make("team", { reports: {}, permissions, lead: (text: string) => careful.run(text) })
      assert.instanceOf(yield* Effect.flip(team([]).run("no")), Hierarchy.NotPermitted)
      yield* team(["deploy"]).run("yes")
      assert.deepStrictEqual(done, ["yes"])
      const alone = yield* Effect.flip(careful.run("alone"))
      assert.strictEqual(
        alone.message,
        `"deploy" was asked for outside every hierarchy, where nothing is permitted: delegate the call from a lead that grants "deploy".`
      )
    })
  )

  it.effect("in the body of an agent as well", () =>
    Effect.gen(function* () {
      const action = Agent.make("action", {
        task: Task.make("Act", { input: {}, output: Schema.String, error: Hierarchy.NotPermitted }),
        run: () => Effect.as(Hierarchy.authorize("deploy"), "done")
      })
      const team = Hierarchy.make("team", {
        reports: { ops: action },
        permissions: ["deploy"],
        grants: { ops: ["deploy"] },
        lead: (_: void, { delegate }) => delegate("ops", {})
      })
      assert.strictEqual(yield* team.run(), "done")
      assert.instanceOf(yield* Effect.flip(action.run({})), Hierarchy.NotPermitted)
    })
  )

  it.effect("a hierarchy that is called, and not delegated to, is granted nothing", () =>
    Effect.gen(function* () {
      const inner = Hierarchy.make("inner", {
        reports: {},
        permissions: ["deploy"],
        lead: (_: void, { authorize }) => Effect.as(authorize("deploy"), "deployed")
      })
      const outer = Hierarchy.make("outer", { reports: {}, permissions: ["deploy"], lead: (_: void) => inner.run() })
      assert.strictEqual(yield* inner.run(), "deployed")
      const error = yield* Effect.flip(outer.run())
      assert.deepStrictEqual([error.asker, error.holder], ["inner", "outer"])
    })
  )
})

describe("H3: a matter goes up the chain", () => {
  const asking = composed("asking", Hierarchy.escalate(Budget, { amount: 7 }))
  const squad = Hierarchy.make("squad", {
    reports: { dev: asking },
    lead: (_: void, { delegate }) => delegate("dev", undefined)
  })

  it.effect("to the nearest lead who resolves it, who learns who raised it", () =>
    Effect.gen(function* () {
      const by = (name: string) =>
        Hierarchy.resolve(Budget, ({ amount }, { raisedBy }) => Effect.succeed(`${name}: ${amount} for ${raisedBy}`))
      const middle = Hierarchy.make("middle", {
        reports: { squad },
        resolves: [by("middle")],
        lead: (_: void, { delegate }) => delegate("squad", undefined)
      })
      const top = Hierarchy.make("top", {
        reports: { middle },
        resolves: [by("top")],
        lead: (_: void, { delegate }) => delegate("middle", undefined)
      })
      assert.strictEqual(yield* top.run(), "middle: 7 for dev")
    })
  )

  it.effect("not to the one who raised it", () =>
    Effect.gen(function* () {
      const asksAbove = Hierarchy.make("asksAbove", {
        reports: {},
        resolves: [Hierarchy.resolve(Budget, () => Effect.succeed("me"))],
        lead: (_: void, { escalate }) => escalate(Budget, { amount: 1 })
      })
      const top = Hierarchy.make("top", {
        reports: { asksAbove },
        resolves: [Hierarchy.resolve(Budget, () => Effect.succeed("top"))],
        lead: (_: void, { delegate }) => delegate("asksAbove", undefined)
      })
      assert.strictEqual(yield* top.run(), "top")
      assert.instanceOf(yield* Effect.flip(asksAbove.run()), Hierarchy.MatterUnresolved)
    })
  )

  it.effect("past those who pass it on", () =>
    Effect.gen(function* () {
      const team = (limit: number) =>
        Hierarchy.make("middle", {
          reports: { squad },
          resolves: [
            Hierarchy.resolve(Budget, ({ amount }, { passOn }) =>
              amount < limit ? Effect.succeed("middle") : Effect.map(passOn, (answer) => `${answer}, says middle`)
            )
          ],
          lead: (_: void, { delegate }) => delegate("squad", undefined)
        })
      const top = (limit: number) =>
        Hierarchy.make("top", {
          reports: { middle: team(limit) },
          resolves: [Hierarchy.resolve(Budget, () => Effect.succeed("top"))],
          lead: (_: void, { delegate }) => delegate("middle", undefined)
        })
      assert.strictEqual(yield* top(10).run(), "middle")
      assert.strictEqual(yield* top(5).run(), "top, says middle")
      const error: unknown = yield* Effect.flip(team(5).run())
      assert.deepStrictEqual(
        error,
        new Hierarchy.MatterUnresolved({ matter: "Budget", raisedBy: "dev", chain: ["squad", "middle"] })
      )
    })
  )

  it.effect("and fails where it was raised if nobody answers", () =>
    Effect.gen(function* () {
      const caught = composed(
        "caught",
        Hierarchy.escalate(Budget, { amount: 7 }).pipe(
          Effect.catchTag("MatterUnresolved", ({ chain, matter }) => Effect.succeed(`${matter}: ${chain.join()}`))
        )
      )
      const team = Hierarchy.make("team", {
        reports: { dev: caught },
        lead: (_: void, { delegate }) => delegate("dev", undefined)
      })
      assert.strictEqual(yield* team.run(), "Budget: team")
      const alone = yield* Effect.flip(asking.run())
      assert.strictEqual(
        alone.message,
        `"Budget" was raised outside every hierarchy, where nobody answers: delegate the call from a lead that resolves "Budget".`
      )
    })
  )

  it.effect("with the failure that the matter allows", () =>
    Effect.gen(function* () {
      const cfo = Agent.make("cfo", { task: Budget, run: () => Effect.fail(new Denied()) })
      const top = Hierarchy.make("top", {
        reports: { squad },
        resolves: [Hierarchy.resolve(Budget, cfo.run)],
        lead: (_: void, { delegate }) => delegate("squad", undefined)
      })
      assert.instanceOf(yield* Effect.flip(top.run()), Denied)
    })
  )

  it.effect("question and answer keep the matter's contract", () =>
    Effect.gen(function* () {
      const wrong = composed("wrong", Hierarchy.escalate(Budget, { amount: "much" as unknown as number }))
      const top = (dev: typeof asking) =>
        Hierarchy.make("top", {
          reports: { dev },
          resolves: [Hierarchy.resolve(Budget, () => Effect.succeed(1 as unknown as string))],
          lead: (_: void, { delegate }) => delegate("dev", undefined)
        })
      const violations = yield* Effect.forEach([wrong, asking], (dev) => Effect.flip(top(dev).run()))
      assert.deepStrictEqual(
        violations.map((error) => (error instanceof ContractViolation ? [error.agent, error.side] : error)),
        [
          ["dev", "input"],
          ["top", "output"]
        ]
      )
    })
  )

  it.effect("a resolver is at work in the lead's name, with the lead's permissions and services", () =>
    Effect.gen(function* () {
      class Purse extends Context.Service<Purse, { readonly name: string }>()("test/Purse") {}
      const top = Hierarchy.make("top", {
        reports: { squad },
        permissions: ["spend"],
        resolves: [
          Hierarchy.resolve(Budget, () =>
            Effect.gen(function* () {
              yield* Effect.orDie(Hierarchy.authorize("spend"))
              const above = yield* Effect.exit(Hierarchy.escalate(Budget, { amount: 1 }))
              return `${(yield* Purse).name}, ${Exit.isFailure(above)}`
            })
          )
        ],
        lead: (_: void, { delegate }) =>
          delegate("squad", undefined).pipe(Effect.provideService(Purse, { name: "where it was delegated" }))
      })
      const answer = top.run().pipe(Effect.provideService(Purse, { name: "where the lead was called" }))
      assert.strictEqual(yield* answer, "where the lead was called, true")
    })
  )
})

describe("H4: limits", () => {
  const chain = (depth: number, limits: { readonly [level: number]: number }): Agent.Agent<void, number, any> =>
    depth === 0
      ? composed("leaf", Effect.succeed(0))
      : Hierarchy.make(`level${depth}`, {
          reports: { next: chain(depth - 1, limits) },
          limits: limits[depth] === undefined ? {} : { depth: limits[depth]! },
          lead: (_: void, { delegate }) => Effect.map(delegate("next", undefined), (below) => below + 1)
        })

  it.effect("depth: as deep as every lead above allows", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* chain(4, {}).run(), 4)
      assert.strictEqual(yield* chain(4, { 4: 4 }).run(), 4)
      const error = yield* Effect.flip(chain(4, { 4: 3 }).run())
      assert.deepStrictEqual(
        error,
        new Hierarchy.DelegationRefused({ lead: "next", report: "next", limit: "depth", allowed: 3 })
      )
      // The strictest counts, and no lead below can widen it.
      assert.isTrue(Exit.isFailure(yield* Effect.exit(chain(4, { 4: 9, 3: 2, 2: 9 }).run())))
      assert.isTrue(Exit.isFailure(yield* Effect.exit(chain(33, {}).run())))
    })
  )

  /** A team whose report counts how many of it are at work. */
  const counted = (limits: Partial<Hierarchy.Limits>, count: number) => {
    const state = { now: 0, most: 0, calls: 0 }
    const busy = composed(
      "busy",
      Effect.gen(function* () {
        state.calls++
        state.most = Math.max(state.most, ++state.now)
        yield* turns(yield* Random.nextIntBetween(1, 9))
      }).pipe(Effect.ensuring(Effect.sync(() => state.now--)))
    )
    const team = Hierarchy.make("team", {
      reports: { busy },
      limits,
      lead: (_: void, { delegate }) =>
        Effect.forEach(
          Array.from({ length: count }, (_, index) => index),
          (index) => Effect.result(delegate("busy", undefined, { key: String(index) })),
          { concurrency: "unbounded" }
        )
    })
    const refusals = Effect.map(team.run(), (results) =>
      results.flatMap((result) => (result._tag === "Failure" ? [result.failure.limit] : []))
    )
    return { state, refusals, team }
  }

  it.effect("fanOut: no more delegations in one call of the lead", () =>
    Effect.gen(function* () {
      const { refusals, state } = counted({ fanOut: 3 }, 5)
      assert.deepStrictEqual(yield* refusals, ["fanOut", "fanOut"])
      assert.strictEqual(state.calls, 3)
      assert.deepStrictEqual(yield* refusals, ["fanOut", "fanOut"], "the next call counts anew")
      const waiting = counted({ fanOut: 3, inFlight: 1 }, 5)
      assert.deepStrictEqual(yield* waiting.refusals, ["fanOut", "fanOut"], "those that wait count")
    })
  )

  it.effect("inFlight and waiting: so many at once, so many in line, the rest refused", () =>
    Effect.gen(function* () {
      const { refusals, state } = counted({ inFlight: 2, waiting: 3 }, 8)
      assert.deepStrictEqual(yield* refusals, ["waiting", "waiting", "waiting"])
      assert.deepStrictEqual(state, { now: 0, most: 2, calls: 5 })
    })
  )

  it.effect("inFlight, at random: never exceeded, nobody forgotten, also if some are interrupted", () =>
    Effect.gen(function* () {
      for (let round = 0; round < 50; round++) {
        const inFlight = yield* Random.nextIntBetween(1, 5)
        const { state, team } = counted({ inFlight }, 12)
        const fiber = yield* Effect.forkChild(team.run())
        if (round % 2 === 0) {
          yield* turns(yield* Random.nextIntBetween(0, 40))
          yield* Fiber.interrupt(fiber)
          assert.strictEqual(state.now, 0)
        } else assert.lengthOf(yield* Fiber.join(fiber), 12)
        assert.isAtMost(state.most, inFlight)
      }
    }).pipe(Random.withSeed("in flight"))
  )

  it("must be integers from their least", () => {
    const make = (limits: Partial<Hierarchy.Limits>) => () =>
      Hierarchy.make("team", { reports: {}, limits, lead: (_: void) => Effect.void })
    assert.throws(make({ inFlight: 0 }), /limit "inFlight" of hierarchy "team" must be an integer from 1, got 0/)
    assert.throws(make({ waiting: -1 }), /limit "waiting"/)
    assert.throws(make({ depth: 1.5 }), /got 1.5/)
    assert.doesNotThrow(make({ waiting: 0, depth: Infinity }))
  })
})

describe("H5: messages go along the edges", () => {
  const hear = (count: number) =>
    Effect.map(
      Effect.forEach(Array(count).keys(), () => Hierarchy.receive(Note)),
      (notes) => notes.map(({ from, value }) => `${from}: ${value}`).join()
    )

  it.effect("from lead to report and back, kept until they are read, the oldest first, each once", () =>
    Effect.gen(function* () {
      const dev = composed(
        "dev",
        Effect.gen(function* () {
          const heard = yield* hear(2)
          yield* Hierarchy.send("team", Note, "done")
          return heard
        })
      )
      const team = Hierarchy.make("team", {
        reports: { web: dev },
        lead: (_: void, { delegate, receive, send }) =>
          Effect.gen(function* () {
            yield* send("web", Note, "1")
            yield* send("web", Note, "2")
            const heard = yield* delegate("web", undefined)
            const { from, value } = yield* receive(Note)
            return `${heard} ${from}: ${value}`
          })
      })
      assert.strictEqual(yield* team.run(), "team: 1,team: 2 web: done")
    })
  )

  const pair = (channels: ReadonlyArray<readonly ["a" | "b", "a" | "b"]>) => {
    const a = composed("a", Effect.as(Hierarchy.send("b", Note, "hello"), ""))
    const b = Hierarchy.make("b", {
      reports: {},
      lead: (_: void, { receive }) => Effect.map(receive(Note), ({ from, value }) => `${from}: ${value}`)
    })
    return Hierarchy.make("team", {
      reports: { a, b },
      channels,
      lead: (_: void, { delegate }) =>
        Effect.all([delegate("a", undefined), delegate("b", undefined)], { concurrency: "unbounded" })
    })
  }

  it.effect("between peers only with a channel, declared from either side", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* pair([["a", "b"]]).run(), ["", "a: hello"])
      assert.deepStrictEqual(yield* pair([["b", "a"]]).run(), ["", "a: hello"])
      const error = yield* Effect.flip(pair([]).run())
      assert.deepStrictEqual(error, new Hierarchy.NoChannel({ from: "a", to: "b" }))
      assert.strictEqual(error.message, `"a" cannot send to "b": there is no channel between them.`)
      const alone = yield* Effect.flip(Hierarchy.send("b", Note, "hello"))
      assert.strictEqual(
        alone.message,
        'A message to "b" was sent outside every hierarchy, where nobody receives it: send it from a lead or a report.'
      )
    })
  )

  it.effect("not past the lead, nor to whoever does not exist", () =>
    Effect.gen(function* () {
      const skipping = Hierarchy.make("middle", {
        reports: { dev: composed("dev", Hierarchy.send("top", Note, "")) },
        lead: (_: void, { delegate }) => delegate("dev", undefined)
      })
      const top = Hierarchy.make("top", {
        reports: { middle: skipping },
        lead: (_: void, { delegate }) => delegate("middle", undefined)
      })
      assert.deepStrictEqual(yield* Effect.flip(top.run()), new Hierarchy.NoChannel({ from: "dev", to: "top" }))
      const alone = yield* Effect.flip(Hierarchy.send("dev", Note, ""))
      assert.instanceOf(alone, Hierarchy.NoChannel)
    })
  )

  it.effect("a mailbox is bounded, and a message keeps its schema", () =>
    Effect.gen(function* () {
      const team = Hierarchy.make("team", {
        reports: { web: composed("web", Effect.void) },
        limits: { mailbox: 2 },
        lead: (text: string, { send }) => Effect.forEach(Array(3).keys(), () => send("web", Note, text))
      })
      assert.deepStrictEqual(
        yield* Effect.flip(team.run("hi")),
        new Hierarchy.MailboxFull({ from: "team", to: "web", capacity: 2 })
      )
      assert.strictEqual((yield* Effect.flip(team.run(1 as unknown as string)))._tag, "InvalidSignal")
    })
  )

  it.effect("several that wait get one message each; one that gave up gets none", () =>
    Effect.gen(function* () {
      const Other = Signal.make("Other", Schema.String)
      const dev = composed(
        "dev",
        Effect.gen(function* () {
          const given = yield* Effect.forkChild(Hierarchy.receive(Note), { startImmediately: true })
          yield* Fiber.interrupt(given)
          const [one, two, other] = yield* Effect.all(
            [Hierarchy.receive(Note), Hierarchy.receive(Note), Hierarchy.receive(Other)],
            { concurrency: "unbounded" }
          )
          return [one.value, two.value].toSorted().concat(other.value)
        })
      )
      const team = Hierarchy.make("team", {
        reports: { dev },
        lead: (_: void, { delegate, send }) => {
          const sending = Effect.andThen(
            turns(10),
            Effect.forEach(["x", "y"], (text) => send("dev", Note, text))
          )
          const both = [delegate("dev", undefined), Effect.andThen(sending, send("dev", Other, "z"))] as const
          return Effect.map(Effect.all(both, { concurrency: "unbounded" }), ([heard]) => heard)
        }
      })
      assert.deepStrictEqual(yield* team.run(), ["x", "y", "z"])
    })
  )

  it.effect("under seeds, whoever gives up when: each message is heard once, and nobody sleeps beside one", () =>
    Effect.gen(function* () {
      const texts = ["1", "2", "3", "4", "5", "6"]
      for (let seed = 1; seed <= 300; seed++) {
        const heard: Array<string> = []
        const hearing = Effect.uninterruptibleMask((restore) =>
          Hierarchy.receive(Note).pipe(
            Effect.provideService(Run.InterruptibleBody, restore),
            Effect.map(({ value }) => void heard.push(value))
          )
        )
        const givesUp = Effect.gen(function* () {
          const fiber = yield* Effect.forkChild(hearing)
          yield* turns(yield* Random.nextIntBetween(0, 6))
          yield* Fiber.interrupt(fiber)
        })
        const all = Effect.gen(function* () {
          const patient = yield* Effect.forkChild(Effect.forever(hearing))
          for (let turn = 0; turn < 5000 && heard.length < texts.length; turn++) yield* Effect.yieldNow
          yield* Fiber.interrupt(patient)
        })
        const team = Hierarchy.make("team", {
          reports: { dev: composed("dev", Effect.andThen(Effect.repeat(givesUp, { times: 7 }), all)) },
          lead: (_: void, { delegate, send }) => {
            const sending = Effect.forEach(texts, (text) => Effect.andThen(turns(1), send("dev", Note, text)))
            return Effect.all([sending, delegate("dev", undefined)], { concurrency: "unbounded" })
          }
        })
        yield* SeededScheduler.withSeed(seed)(team.run())
        assert.deepStrictEqual(heard.toSorted(), texts, `seed ${seed}`)
      }
    })
  )

  it.effect("under seeds, a message that comes while its recipient lies down to wait wakes it", () =>
    Effect.gen(function* () {
      const team = Hierarchy.make("team", {
        reports: {
          dev: composed(
            "dev",
            Effect.map(Hierarchy.receive(Note), ({ value }) => value)
          )
        },
        lead: (_: void, { delegate, send }) =>
          Effect.gen(function* () {
            const dev = yield* Effect.forkChild(delegate("dev", undefined))
            yield* turns(yield* Random.nextIntBetween(0, 3))
            yield* send("dev", Note, "hi")
            for (let turn = 0; turn < 500 && dev.pollUnsafe() === undefined; turn++) yield* Effect.yieldNow
            return dev.pollUnsafe()
          })
      })
      for (let seed = 1; seed <= 300; seed++) {
        const exit = yield* SeededScheduler.withSeed(seed)(team.run())
        assert.deepStrictEqual(exit, Exit.succeed("hi"), `seed ${seed}`)
      }
    })
  )
})

describe("H6: interruption", () => {
  it.effect("of a lead interrupts all that it delegated, at every level, and leaves no fiber", () =>
    Effect.gen(function* () {
      for (let count = 0; count < 40; count++) {
        const state = { begun: 0, ended: 0 }
        const work = composed(
          "work",
          Effect.acquireUseRelease(
            Effect.sync(() => void state.begun++),
            () => Effect.andThen(turns(count), Effect.never),
            () => Effect.sync(() => void state.ended++)
          )
        )
        const squad = Hierarchy.make("squad", {
          reports: { one: work, two: work },
          limits: { inFlight: 3 },
          lead: (_: void, { delegate }) =>
            Effect.all([delegate("one", undefined), delegate("two", undefined)], { concurrency: "unbounded" })
        })
        const team = Hierarchy.make("team", {
          reports: { left: squad, right: squad },
          lead: (_: void, { delegate }) =>
            Effect.all([delegate("left", undefined), delegate("right", undefined)], { concurrency: "unbounded" })
        })
        const fiber = yield* Effect.forkChild(team.run())
        yield* turns(count)
        yield* Fiber.interrupt(fiber)
        assert.strictEqual(state.ended, state.begun)
        if (count > 20) assert.strictEqual(state.begun, 4)
      }
    })
  )

  it.effect("of one that waits for its place leaves the line to the others", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const work = composed("work", Effect.as(Deferred.await(gate), "done"))
      const team = Hierarchy.make("team", {
        reports: { work },
        limits: { inFlight: 1, waiting: 1 },
        lead: (_: void, { delegate }) =>
          Effect.gen(function* () {
            const call = (key: string) =>
              Effect.forkChild(delegate("work", undefined, { key }), { startImmediately: true })
            const first = yield* call("first")
            yield* Fiber.interrupt(yield* call("second"))
            const third = yield* call("third")
            yield* Deferred.succeed(gate, undefined)
            return [yield* Fiber.join(first), yield* Fiber.join(third)]
          })
      })
      assert.deepStrictEqual(yield* team.run(), ["done", "done"])
    })
  )
})

describe("mistakes in options throw where the hierarchy is made", () => {
  const lead = (_: void) => Effect.void
  const dev = composed("dev", Effect.void)

  it("names the rule", () => {
    const any = Hierarchy.make as (name: string, options: any) => unknown
    assert.throws(() => any("team", { reports: { dev }, lead, grants: { web: [] } }), /"team" has no report "web"/)
    assert.throws(() => any("team", { reports: { dev }, lead, channels: [["dev", "web"]] }), /no report "web"/)
    assert.throws(() => any("dev", { reports: { dev }, lead }), /report of its own name/)
    assert.throws(() => any("team", { reports: { dev }, lead, grants: { dev: ["x"] } }), /grants "x"/)
    const twice = [
      Hierarchy.resolve(Budget, () => Effect.succeed("")),
      Hierarchy.resolve(Budget, () => Effect.succeed(""))
    ]
    assert.throws(() => any("team", { reports: { dev }, lead, resolves: twice }), /resolves one matter twice/)
  })
})

/** A random tree: who works with and grants what, and who answers or passes on which matter. */
interface Node {
  readonly name: string
  readonly permissions: ReadonlyArray<string>
  readonly grants: ReadonlyArray<string>
  readonly answer: "resolves" | "passes" | "ignores"
  readonly reports: ReadonlyArray<Node>
}

const actions = ["deploy", "spend", "hire"]
const some = Effect.filter(actions, () => Random.nextBoolean)

const randomNode = (name: string, depth: number): Effect.Effect<Node> =>
  Effect.gen(function* () {
    const permissions = yield* some
    const granted = yield* some
    const answers = ["resolves", "passes", "ignores", "ignores"] as const
    const count = depth === 0 ? 0 : yield* Random.nextIntBetween(0, 3)
    return {
      name,
      permissions,
      grants: granted.filter((action) => permissions.includes(action)),
      answer: answers[yield* Random.nextIntBetween(0, 3)]!,
      reports: yield* Effect.forEach(Array(count).keys(), (index) => randomNode(`${name}${index}`, depth - 1))
    }
  })

/** What each member finds out: `name action: yes, or who holds it` and `name: who answers`. */
const model = (node: Node, above: ReadonlyArray<{ node: Node; holds: ReadonlyArray<string> }>): Array<string> => {
  const superior = above[0]
  const granted = superior?.holds.filter((action) => superior.node.grants.includes(action))
  const holds = node.permissions.filter((action) => granted?.includes(action) ?? true)
  const chain = [{ node, holds }, ...above]
  const holder = (action: string) => chain.find((one) => one.holds.includes(action))?.node.name
  return [
    ...actions.map((action) => `${node.name} ${action}: ${holder(action)}`),
    `${node.name}: ${above.find((one) => one.node.answer === "resolves")?.node.name}`,
    ...node.reports.flatMap((report) => model(report, chain))
  ]
}

const hierarchyOf = (node: Node): Agent.Agent<void, ReadonlyArray<string>, any> =>
  Hierarchy.make(node.name, {
    reports: Object.fromEntries(node.reports.map((report) => [report.name, hierarchyOf(report)])),
    permissions: node.permissions,
    grants: Object.fromEntries(node.reports.map((report) => [report.name, node.grants])),
    resolves:
      node.answer === "ignores"
        ? []
        : [
            Hierarchy.resolve(Budget, (_, { passOn }) =>
              node.answer === "passes" ? passOn : Effect.succeed(node.name)
            )
          ],
    lead: (_: void, { delegate }) =>
      Effect.gen(function* () {
        const allowed = yield* Effect.forEach(actions, (action) =>
          Hierarchy.authorize(action).pipe(
            Effect.as(node.name as string | undefined),
            Effect.catchTag("NotPermitted", ({ holder }) => Effect.succeed(holder)),
            Effect.map((holder) => `${node.name} ${action}: ${holder}`)
          )
        )
        const answer = yield* Effect.orElseSucceed(Hierarchy.escalate(Budget, { amount: 1 }), () => undefined)
        const below = yield* Effect.forEach(node.reports, ({ name }) => delegate(name, undefined), {
          concurrency: "unbounded"
        })
        return [...allowed, `${node.name}: ${answer}`, ...below.flat()]
      })
  })

it.effect("H2, H3: random trees give what a simple model says", () =>
  Effect.gen(function* () {
    let members = 0
    for (let round = 0; round < 200; round++) {
      const root = yield* randomNode("n", 4)
      const expected = model(root, [])
      members += expected.length / 4
      assert.deepStrictEqual(yield* hierarchyOf(root).run(), expected)
    }
    assert.isAbove(members, 1000)
  }).pipe(Random.withSeed("trees"))
)
