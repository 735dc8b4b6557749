/** Types of `Hierarchy`: checked by `tsc -p test/types`. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { describe, expectTypeOf, it } from "vitest"
import * as Agent from "../../src/core/Agent.ts"
import type { ContractViolation } from "../../src/core/AgentError.ts"
import * as Task from "../../src/core/Task.ts"
import * as Signal from "../../src/durable/Signal.ts"
import * as Hierarchy from "../../src/patterns/hierarchy/Hierarchy.ts"

class Broken extends Schema.TaggedError<Broken>()("Broken", {}) {}
class Denied extends Schema.TaggedError<Denied>()("Denied", {}) {}
class Db extends Context.Service<Db, { readonly read: Effect.Effect<string> }>()("test/Db") {}

const Build = Task.make("Build", { input: { what: Schema.String }, output: { url: Schema.String }, error: Broken })
const Test = Task.make("Test", { input: Schema.Int, output: Schema.Boolean })
const Budget = Task.make("Budget", { input: { amount: Schema.Int }, output: Schema.Boolean, error: Denied })
const Scope = Task.make("Scope", { input: Schema.String, output: Schema.String })

const dev = Agent.make("dev", {
  task: Build,
  run: ({ what }) => Effect.flatMap(Db, (db) => Effect.map(db.read, (url) => ({ url: url + what })))
})
const tester = Agent.make("tester", { task: Test, run: () => Effect.succeed(true) })
const Ready = Signal.make("Ready", { url: Schema.String })

const backend = Hierarchy.make("backend", {
  reports: { dev, tester },
  permissions: ["deploy"],
  peers: ["web"],
  lead: (input: { readonly goal: string }, { authorize, delegate, escalate, receive, send }) =>
    Effect.gen(function* () {
      const built = yield* delegate("dev", { what: input.goal })
      expectTypeOf(built).toEqualTypeOf<{ readonly url: string }>()
      expectTypeOf(yield* delegate("tester", 1, { key: "one" })).toEqualTypeOf<boolean>()
      yield* authorize("deploy")
      expectTypeOf(yield* escalate(Budget, { amount: 1 })).toEqualTypeOf<boolean>()
      yield* Effect.ignore(send("web", Ready, built))
      expectTypeOf(yield* receive(Ready)).toEqualTypeOf<Hierarchy.Received<{ readonly url: string }>>()
      return built
    })
})
const web = Agent.compose("web", { run: (input: number) => Effect.as(Hierarchy.receive(Ready), input) })

describe("Hierarchy.make", () => {
  it("is an agent with the types of its lead", () => {
    expectTypeOf(backend).toEqualTypeOf<
      Hierarchy.Hierarchy<
        { readonly goal: string },
        { readonly url: string },
        | Broken
        | Denied
        | ContractViolation
        | Hierarchy.DelegationRefused
        | Hierarchy.NotPermitted
        | Hierarchy.Unresolved<"Budget">,
        Db,
        "web"
      >
    >()
    expectTypeOf(backend).toExtend<Agent.Agent<{ readonly goal: string }, { readonly url: string }, any, Db>>()
  })

  it("gives a delegation the input, output, errors and services of the report of that name", () => {
    Hierarchy.make("team", {
      reports: { dev, tester },
      lead: (_: void, { authorize, delegate }) => {
        expectTypeOf(delegate("dev", { what: "" })).toEqualTypeOf<
          Effect.Effect<{ readonly url: string }, Broken | ContractViolation | Hierarchy.DelegationRefused, Db>
        >()
        // @ts-expect-error no such report
        void delegate("boss", { what: "" })
        // @ts-expect-error the input of the other report
        void delegate("dev", 1)
        // @ts-expect-error it works with no permission
        void authorize("deploy")
        return Effect.void
      }
    })
  })

  it("takes what it resolves out of the errors of its reports, and leaves in what it may pass on", () => {
    const channels = [["backend", "web"]] as const
    const all = Hierarchy.make("all", {
      reports: { backend, web },
      channels,
      resolves: [Hierarchy.resolve(Budget, ({ amount }) => Effect.map(Db, () => amount < 10))],
      lead: (_: void, { delegate }) => delegate("backend", { goal: "" })
    })
    expectTypeOf<Extract<Agent.Error<typeof all>, Hierarchy.MatterUnresolved>>().toEqualTypeOf<never>()
    const other = Hierarchy.make("other", {
      reports: { backend, web },
      channels,
      resolves: [Hierarchy.resolve(Scope, (scope) => Effect.succeed(scope))],
      lead: (_: void, { delegate }) => delegate("backend", { goal: "" })
    })
    expectTypeOf<Extract<Agent.Error<typeof other>, Hierarchy.MatterUnresolved>>().toEqualTypeOf<
      Hierarchy.Unresolved<"Budget">
    >()
    const passing = Hierarchy.make("passing", {
      reports: { backend, web },
      channels,
      resolves: [Hierarchy.resolve(Budget, ({ amount }, { passOn }) => (amount < 10 ? Effect.succeed(true) : passOn))],
      lead: (_: void, { delegate }) => delegate("backend", { goal: "" })
    })
    expectTypeOf<Extract<Agent.Error<typeof passing>, Hierarchy.MatterUnresolved>>().toEqualTypeOf<
      Hierarchy.Unresolved<"Budget">
    >()
  })

  it("adds what its resolvers need", () => {
    const needing = Hierarchy.make("needing", {
      reports: { tester },
      resolves: [Hierarchy.resolve(Budget, () => Effect.as(Db, true))],
      lead: (_: void, { delegate }) => delegate("tester", 1)
    })
    expectTypeOf<Agent.Services<typeof needing>>().toEqualTypeOf<Db>()
  })

  it("takes an agent that performs the matter as its resolver", () => {
    const cfo = Agent.make("cfo", { task: Budget, run: () => Effect.fail(new Denied()) })
    expectTypeOf(Hierarchy.resolve(Budget, cfo.run)).toEqualTypeOf<Hierarchy.Resolver<"Budget", never>>()
    // @ts-expect-error a tester answers other questions
    Hierarchy.resolve(Budget, tester.run)
    // @ts-expect-error a resolver fails as its matter may
    Hierarchy.resolve(Budget, () => Effect.fail(new Broken()))
  })

  it("grants only what it works with, to reports it has", () => {
    const lead = () => Effect.void
    Hierarchy.make("team", { reports: { dev }, permissions: ["deploy"], grants: { dev: ["deploy"] }, lead })
    // @ts-expect-error it does not work with that permission
    Hierarchy.make("team", { reports: { dev }, permissions: ["deploy"], grants: { dev: ["spend"] }, lead })
    // @ts-expect-error no such report
    Hierarchy.make("team", { reports: { dev }, permissions: ["deploy"], grants: { boss: ["deploy"] }, lead })
  })
})

describe("channels", () => {
  const lead = () => Effect.void
  it("must be there for every peer that a report writes to", () => {
    Hierarchy.make("team", { reports: { backend, web }, channels: [["web", "backend"]], lead })
    // @ts-expect-error no channel from backend to web
    Hierarchy.make("team", { reports: { backend, web }, lead })
    // @ts-expect-error no such report
    Hierarchy.make("team", { reports: { dev }, channels: [["dev", "web"]], lead })
  })

  it("a lead writes to its reports, and to the peers it names", () => {
    Hierarchy.make("team", {
      reports: { dev },
      peers: ["web"],
      lead: (_: void, { send }) => {
        expectTypeOf(send("dev", Ready, { url: "" })).toEqualTypeOf<
          Effect.Effect<void, Hierarchy.MailboxFull | Signal.InvalidSignal>
        >()
        expectTypeOf(send("web", Ready, { url: "" })).toEqualTypeOf<
          Effect.Effect<void, Hierarchy.MailboxFull | Signal.InvalidSignal | Hierarchy.NoChannel>
        >()
        // @ts-expect-error neither report nor peer
        void send("boss", Ready, { url: "" })
        return Effect.void
      }
    })
  })
})

describe("Hierarchy.requires", () => {
  it("adds NotPermitted", () => {
    expectTypeOf<Agent.Error<ReturnType<typeof careful>>>().toEqualTypeOf<ContractViolation | Hierarchy.NotPermitted>()
    const careful = () => tester.pipe(Hierarchy.requires("test"))
  })
})
