/** K3: an instance nests in itself, and its steps lie in a scope of its name wherever it stands. */
import { assert, it } from "@effect/vitest"
import { Effect, Exit, Result, Schema, Stream } from "effect"
import * as Memory from "../../src/backends/Memory.ts"
import { Agent, EventStore, Orchestration, Pattern, PatternLibrary, Step, Task } from "../../src/index.ts"
import { everywhere } from "../durable/everywhere.ts"
import { define, Refused, Say, type World } from "../durable/program.ts"

/** Asks all at once until somebody answers, and again if nobody does. */
const Insistent = Pattern.make("Insistent", {
  options: { rounds: Pattern.optional(Schema.Int, 2) },
  slots: { agents: Pattern.list(Say) },
  build: ({ agents, rounds }) =>
    Effect.fnUntraced(function* (input: { readonly text: string }) {
      for (let round = 1; round <= rounds; round++) {
        const answers = yield* Step.forEach(agents, (agent) => Effect.result(agent.run(input)), { concurrency: 3 })
        const said = answers.flatMap((answer) => (Result.isSuccess(answer) ? [answer.success] : []))
        if (said.length > 0) return said.join("+")
      }
      return yield* new Refused({ what: "everybody" })
    })
})

const nested = ({ agent }: World) => {
  const inner = Insistent.make("inner", {
    agents: [agent("bob", { takes: "1 second" }), agent("carol", { fails: true })]
  })
  const deaf = Insistent.make("deaf", { agents: [agent("dave", { fails: true })], rounds: 2 })
  return Insistent.make("outer", { agents: [inner, agent("alice"), deaf] })
}

everywhere(
  define("a pattern in itself", (world) => nested(world).run({ text: "hi" }), {
    expected: Exit.succeed("bob(hi)+alice(hi)"),
    effects: ["alice hi", "bob hi"]
  })
)

everywhere(
  define(
    "a pattern made from data",
    ({ agent }) => {
      const agents = [agent("alice"), agent("bob", { takes: "1 second" }), agent("carol", { fails: true })]
      const library = PatternLibrary.make([...PatternLibrary.builtIn.patterns, Insistent])
      const made = PatternLibrary.instantiate(
        library,
        {
          pattern: "Insistent",
          name: "outer",
          slots: {
            agents: ["shared", { pattern: "Insistent", name: "inner", slots: { agents: ["carol", "shared"] } }]
          },
          where: { shared: { pattern: "Race", slots: { agents: ["alice", "bob"] } } }
        },
        { agents, task: Say }
      )
      return Result.getOrThrow(made).run({ text: "hi" })
    },
    { expected: Exit.succeed("alice(hi)+alice(hi)"), effects: ["alice hi", "alice hi"] }
  )
)

it.effect("K3: the path of a step is the instances around it", () =>
  Effect.gen(function* () {
    const agent = (name: string) =>
      Agent.make(name, {
        task: Task.make("T", { input: Say.input, output: Schema.String }),
        run: () => Effect.succeed(name)
      })
    const inner = Insistent.make("inner", { agents: [agent("bob")] })
    const outer = Insistent.make("outer", { agents: [inner, agent("alice")] })
    const Job = Orchestration.make("Job", {
      input: Say.input,
      output: Schema.String,
      run: (input) => Effect.orDie(outer.run(input))
    })
    const paths = yield* Effect.gen(function* () {
      const handle = yield* Job.start({ text: "hi" }, { key: "one" })
      yield* handle.await
      const store = yield* EventStore.EventStore
      const events = yield* Stream.runCollect(store.read(`run/${handle.id}` as never))
      return events.filter(({ type }) => type === "StepCompleted").map(({ meta }) => meta.path)
    }).pipe(Effect.provide(Job.layer), Effect.provide(Memory.layer))
    assert.deepStrictEqual(paths.toSorted(), ["outer/[0]/inner/[0]/bob", "outer/[1]/alice"])
  })
)
