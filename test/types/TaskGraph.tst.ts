/** Types of `TaskGraph`: checked by `tsc -p test/types`. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { expectTypeOf } from "vitest"
import * as Agent from "../../src/core/Agent.ts"
import type { ContractViolation } from "../../src/core/AgentError.ts"
import * as Task from "../../src/core/Task.ts"
import * as Join from "../../src/patterns/task-graph/Join.ts"
import * as TaskGraph from "../../src/patterns/task-graph/TaskGraph.ts"

class Rejected extends Schema.TaggedError<Rejected>()("Rejected", { reason: Schema.String }) {}
class Db extends Context.Service<Db, { readonly read: Effect.Effect<string> }>()("test/Db") {}

const Fetch = Task.make("Fetch", { input: { repo: Schema.String }, output: { code: Schema.String } })
const Review = Task.make("Review", {
  input: { code: Schema.String },
  output: { ok: Schema.Boolean },
  error: Rejected
})
const Ship = Task.make("Ship", { input: { code: Schema.String }, output: { version: Schema.Int } })

const fetch = Agent.make("fetch", {
  task: Fetch,
  run: () => Effect.flatMap(Db, (db) => Effect.map(db.read, (code) => ({ code })))
})
const review = Agent.make("review", { task: Review, run: () => Effect.succeed({ ok: true }) })
const ship = Agent.make("ship", { task: Ship, run: () => Effect.succeed({ version: 1 }) })

type Code = { readonly code: string }
type Ok = { readonly ok: boolean }
type Version = { readonly version: number }

const release = TaskGraph.make("release", { input: { repo: Schema.String } })
  .add("fetch", fetch, {
    input: (dependencies, input) => {
      expectTypeOf(dependencies).toEqualTypeOf<{}>()
      expectTypeOf(input).toEqualTypeOf<{ readonly repo: string }>()
      return { repo: input.repo }
    }
  })
  .add("review", review, { after: ["fetch"], input: ({ fetch }) => ({ code: fetch.code }) })
  .add("ship", ship, {
    after: ["review", "fetch"],
    when: (dependencies) => {
      expectTypeOf(dependencies).toEqualTypeOf<{ readonly review: Ok; readonly fetch: Code }>()
      return dependencies.review.ok
    },
    priority: 1,
    input: ({ fetch }) => fetch
  })

// The graph is an agent: outputs by name, the union of errors and of services. A node with a condition may be skipped.
expectTypeOf(release.run).toEqualTypeOf<
  (input: {
    readonly repo: string
  }) => Effect.Effect<
    { readonly fetch: Code; readonly review: Ok; readonly ship: Version | undefined },
    Rejected | ContractViolation,
    Db
  >
>()
const asAgent: Agent.Agent<
  { readonly repo: string },
  { readonly fetch: Code; readonly review: Ok; readonly ship: Version | undefined },
  Rejected | ContractViolation,
  Db
> = release
expectTypeOf<Agent.Output<typeof release>>().toEqualTypeOf<Agent.Output<typeof asAgent>>()

// The displayed type.
expectTypeOf(release).toEqualTypeOf<
  TaskGraph.TaskGraph<
    { readonly repo: string },
    { readonly fetch: Code; readonly review: Ok; readonly ship: Version },
    Rejected | ContractViolation,
    Db,
    "ship"
  >
>()

// A dependent of a node that may be skipped sees its output whole, since it is skipped with it …
const announced = release.add("announce", fetch, {
  after: ["ship"],
  input: ({ ship }) => {
    expectTypeOf(ship).toEqualTypeOf<Version>()
    return { repo: String(ship.version) }
  }
})
expectTypeOf<Agent.Output<typeof announced>["announce"]>().toEqualTypeOf<Code | undefined>()

// … unless it accepts the skip.
const settled = release.add("report", fetch, {
  after: ["ship", "review"],
  join: Join.settled,
  input: ({ review, ship }) => {
    expectTypeOf(ship).toEqualTypeOf<Version | undefined>()
    expectTypeOf(review).toEqualTypeOf<Ok>()
    return { repo: String(ship?.version) }
  }
})
expectTypeOf<Agent.Output<typeof settled>["report"]>().toEqualTypeOf<Code>()

// With any and first, every dependency may be missing.
const raced = release.add("first", fetch, {
  after: ["fetch", "review"],
  join: Join.any,
  input: ({ fetch, review }) => {
    expectTypeOf(fetch).toEqualTypeOf<Code | undefined>()
    expectTypeOf(review).toEqualTypeOf<Ok | undefined>()
    return { repo: "" }
  }
})
expectTypeOf<Agent.Output<typeof raced>["first"]>().toEqualTypeOf<Code>()
expectTypeOf<Agent.Output<typeof raced>["fetch"]>().toEqualTypeOf<Code>()

// Losers that are interrupted may be missing from the output.
const interrupting = release.add("first", fetch, {
  after: ["fetch", "review"],
  join: Join.race,
  input: () => ({ repo: "" })
})
expectTypeOf<Agent.Output<typeof interrupting>["fetch"]>().toEqualTypeOf<Code | undefined>()
expectTypeOf<Agent.Output<typeof interrupting>["first"]>().toEqualTypeOf<Code>()

// Enough of `first(2)` may be skipped with one of its dependencies.
const two = release.add("two", fetch, { after: ["ship", "review"], join: Join.first(2), input: () => ({ repo: "" }) })
expectTypeOf<Agent.Output<typeof two>["two"]>().toEqualTypeOf<Code | undefined>()

// Fan-out: the item is inferred from `over`, the output is an array.
const measured = release.addEach("measure", fetch, {
  after: ["fetch"],
  over: ({ fetch }) => [fetch.code, fetch.code],
  input: (item, dependencies, input) => {
    expectTypeOf(item).toEqualTypeOf<string>()
    expectTypeOf(dependencies).toEqualTypeOf<{ readonly fetch: Code }>()
    expectTypeOf(input).toEqualTypeOf<{ readonly repo: string }>()
    return { repo: item }
  },
  key: (item, index) => `${item}${index}`,
  concurrency: 2
})
expectTypeOf<Agent.Output<typeof measured>["measure"]>().toEqualTypeOf<ReadonlyArray<Code>>()

// A graph is a node of another.
const nested = TaskGraph.make("outer", { input: Schema.String }).add("release", release, {
  input: (_, repo) => ({ repo })
})
expectTypeOf<Agent.Output<typeof nested>>().toEqualTypeOf<{ readonly release: Agent.Output<typeof release> }>()
expectTypeOf<Agent.Services<typeof nested>>().toEqualTypeOf<Db>()

// @ts-expect-error a node of that name is there already
release.add("fetch", fetch, { input: () => ({ repo: "" }) })
// @ts-expect-error an unknown dependency
release.add("more", fetch, { after: ["nowhere"], input: () => ({ repo: "" }) })
// @ts-expect-error the agent takes another input
release.add("more", fetch, { input: () => ({ url: "" }) })
// @ts-expect-error a dependency that is not named in `after`
release.add("more", fetch, { after: ["review"], input: ({ fetch }) => ({ repo: fetch.code }) })
// @ts-expect-error `race` may find no output
release.add("more", fetch, { after: ["fetch"], join: Join.race, input: ({ fetch }) => ({ repo: fetch.code }) })
// @ts-expect-error a condition is a boolean
release.add("more", fetch, { after: ["fetch"], when: ({ fetch }) => fetch.code, input: () => ({ repo: "" }) })
