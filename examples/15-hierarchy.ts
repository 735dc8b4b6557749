/** A team of two levels: work goes down, a question goes up, a permission is granted on the way, peers talk. */
import { Effect, Schema } from "effect"
import { Agent, Hierarchy, Signal, Task } from "tutti"

const Build = Task.make("Build", { input: { part: Schema.String }, output: Schema.String })
const Money = Task.make("Money", { input: { amount: Schema.Int }, output: Schema.Boolean })
const ApiReady = Signal.make("ApiReady", { url: Schema.String })

const builder = (name: string) =>
  Agent.make(name, { task: Build, run: ({ part }) => Effect.succeed(`${part} by ${name}`) })
const deployer = builder("deployer").pipe(Hierarchy.requires("deploy"))

// #region hierarchy
const backend = Hierarchy.make("backend", {
  reports: { api: builder("ann"), database: builder("bob"), deployer },
  permissions: ["deploy"],
  grants: { deployer: ["deploy"] },
  peers: ["web"],
  lead: (goal: string, { delegate, escalate, send }) =>
    Effect.gen(function* () {
      const parts = [delegate("api", { part: `API of ${goal}` }), delegate("database", { part: "tables" })]
      const built = yield* Effect.all(parts, { concurrency: "unbounded" })
      const server = (yield* escalate(Money, { amount: 80 })) ? "a server" : "a shelf"
      yield* send("web", ApiReady, { url: "/v1" })
      return [...built, yield* delegate("deployer", { part: server })]
    })
})

const web = Agent.compose("web", {
  run: (page: string) => Effect.map(Hierarchy.receive(ApiReady), ({ from, value }) => `${page} on ${from}${value.url}`)
})

const team = Hierarchy.make("team", {
  reports: { backend, web },
  permissions: ["deploy"],
  grants: { backend: ["deploy"] }, // a lead grants only what it holds itself
  channels: [["backend", "web"]], // leave it out, and `backend` does not fit in here
  resolves: [Hierarchy.resolve(Money, ({ amount }) => Effect.succeed(amount <= 100))],
  limits: { depth: 3, inFlight: 2 },
  lead: (goal: string, { delegate }) =>
    Effect.all([delegate("backend", goal), delegate("web", "front page")], { concurrency: "unbounded" })
})
// #endregion

export const program = Effect.gen(function* () {
  const [built, page] = yield* team.run("shop")
  const alone = yield* Effect.flip(deployer.run({ part: "a server" })) // outside of a team it may do nothing
  return [...built, page, `the deployer alone: ${alone._tag}`]
})

export const expected = [
  "API of shop by ann",
  "tables by bob",
  "a server by deployer",
  "front page on backend/v1",
  "the deployer alone: NotPermitted"
]

if (import.meta.main) console.log((await Effect.runPromise(program)).join("\n"))
