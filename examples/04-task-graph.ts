/** A graph of agents: typed dependencies, a fan-out over a list found on the way, and a step that may be skipped. */
import { Effect, Schema } from "effect"
import { Agent, Task, TaskGraph } from "tutti"

const Listing = Task.make("Listing", { input: { repo: Schema.String }, output: Schema.Array(Schema.String) })
const Checking = Task.make("Checking", { input: Schema.String, output: { file: Schema.String, issues: Schema.Int } })
const Shipping = Task.make("Shipping", { input: { repo: Schema.String, files: Schema.Int }, output: Schema.String })

const lister = Agent.make("lister", {
  task: Listing,
  run: ({ repo }) => Effect.succeed([`${repo}/a.ts`, `${repo}/b.ts`])
})
const checker = Agent.make("checker", {
  task: Checking,
  run: (file) => Effect.succeed({ file, issues: file.endsWith("b.ts") ? 2 : 0 })
})
const shipper = Agent.make("shipper", {
  task: Shipping,
  run: ({ files, repo }) => Effect.succeed(`shipped ${files} files of ${repo}`)
})

// #region graph
const release = TaskGraph.make("release", {
  input: { repo: Schema.String, tolerance: Schema.Int },
  concurrency: 4 // calls in flight, in the whole graph
})
  .add("list", lister, { input: (_, { repo }) => ({ repo }) })
  // One call for each file, in a scope of its own in the journal: release/check/app%2Fa.ts
  .addEach("check", checker, {
    after: ["list"],
    over: ({ list }) => list,
    input: (file) => file,
    key: (file) => file
  })
  .add("ship", shipper, {
    after: ["list", "check"],
    when: ({ check }, { tolerance }) => check.every(({ issues }) => issues <= tolerance),
    input: ({ list }, { repo }) => ({ repo, files: list.length })
  })
// #endregion

// The graph is an agent itself. A node that may be skipped may be undefined in its output.
export const program = Effect.gen(function* () {
  const strict = yield* release.run({ repo: "app", tolerance: 0 })
  const lenient = yield* release.run({ repo: "app", tolerance: 2 })
  return [
    TaskGraph.plan(release).levels.join(" -> "),
    `no tolerance: ${strict.ship ?? "not shipped"}`,
    `2 faults tolerated: ${lenient.ship}`
  ]
})

export const expected = [
  "list -> check -> ship",
  "no tolerance: not shipped",
  "2 faults tolerated: shipped 2 files of app"
]

if (import.meta.main) console.log((await Effect.runPromise(program)).join("\n"))
