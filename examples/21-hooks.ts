/** Hooks: redacted inputs, a curfew that is switched on while the program runs, a report of every call, and a session. */
import { Effect, Layer, Queue, Schema } from "effect"
import { Agent, Hook, Task } from "tutti"
import * as Memory from "tutti/memory"

const Review = Task.make("Review", { input: { code: Schema.String }, output: Schema.String })
const reviewer = Agent.make("reviewer", { task: Review, run: ({ code }) => Effect.succeed(`reviewed ${code}`) })

// #region hooks
const Redact = Hook.pre("redact", {
  input: Review.input,
  required: true, // better no review than one of a secret
  run: ({ input }) => Hook.change({ code: input.code.replace(/sk-\w+/g, "…") })
})

const Curfew = Hook.pre("curfew", {
  enabled: false,
  run: () => Hook.refuse("reviewers are asleep")
})

const report = (sent: Queue.Queue<string>) =>
  Hook.post("report", {
    delivery: "queue", // retried from there, and a dead letter in the end
    run: ({ agent, outcome }) => Queue.offer(sent, `${agent}: ${outcome._tag}`)
  })

const tenant = (log: Array<string>) =>
  Hook.session("tenant", {
    open: ({ scope }) => Effect.addFinalizer((exit) => Effect.sync(() => log.push(`${scope} closed: ${exit._tag}`)))
  })

const hooked = reviewer.pipe(Agent.transform(Hook.hooked("review"))) // fails with HookRefused and HookFailed, too
// #endregion

export const program = Effect.gen(function* () {
  const sent = yield* Queue.unbounded<string>()
  const log: Array<string> = []
  const use = Effect.gen(function* () {
    const reviewed = yield* hooked.run({ code: "connect('sk-12345')" })
    // #region configure
    const hooks = yield* Hook.Hooks
    yield* hooks.configure("curfew", { enabled: true }) // for all processes of the deployment
    const refused = yield* Effect.flip(hooked.run({ code: "x" }))
    // #endregion
    return [reviewed, refused.message, yield* Queue.take(sent), ...log]
  })
  const hooks = Hook.layer([Redact, Curfew, report(sent), tenant(log)])
  return yield* Effect.provide(use, Layer.provide(hooks, Memory.layer))
})

export const expected = [
  "reviewed connect('…')",
  'Hook "curfew" refused the call of agent "reviewer": reviewers are asleep.',
  "reviewer: Success",
  "review closed: Success",
  "review closed: Failure"
]

if (import.meta.main) console.log((await Effect.runPromise(program)).join("\n"))
