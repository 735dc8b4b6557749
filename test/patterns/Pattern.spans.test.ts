/** K3: an instance is traced as a pattern of this package is: a span of its name, below what calls it, above what it calls. */
import { assert, it } from "@effect/vitest"
import { Effect, Exit, Schema } from "effect"
import * as Memory from "../../src/backends/Memory.ts"
import { Agent, Orchestration, Pattern, Race, Task } from "../../src/index.ts"
import { recordingTracer } from "../core/recordingTracer.ts"

class Mute extends Schema.TaggedError<Mute>()("Mute", {}) {}
const Say = Task.make("Say", { input: { text: Schema.String }, output: Schema.String, error: Mute })
const speaker = (name: string) =>
  Agent.make(name, { task: Say, run: ({ text }) => (text === "" ? Effect.fail(new Mute()) : Effect.succeed(name)) })

/** As a race is: the first answer. */
const Sequence = Pattern.make("Sequence", {
  slots: { agents: Pattern.list(Say) },
  build:
    ({ agents }) =>
    (input: { readonly text: string }) =>
      Effect.map(
        Effect.forEach(agents, (agent) => agent.run(input)),
        ([first]) => first!
      )
})

/** One instance in another, of patterns that look the same from outside. */
const own = Sequence.make("outer", { agents: [Sequence.make("inner", { agents: [speaker("bob")] })] })
const builtIn = Race.make("outer", { agents: [Race.make("inner", { agents: [speaker("bob")] })] })

/** `name < parent` for each span of the effect, in the order in which they begin; those that failed are marked. */
const spansOf = Effect.fnUntraced(function* <A, E>(effect: Effect.Effect<A, E>) {
  const { spans, tracer } = recordingTracer()
  yield* Effect.exit(effect).pipe(Effect.withTracer(tracer))
  return spans.map(({ name, parent, status }) => {
    const above = spans.find(({ spanId }) => parent._tag === "Some" && parent.value.spanId === spanId)
    const end = status._tag === "Ended" ? (Exit.isFailure(status.exit) ? " failed" : "") : " never ended"
    return `${name} < ${above?.name ?? "nothing"}${end}`
  })
})

it.effect("K3: outside of runs, whether the instance succeeds or fails", () =>
  Effect.gen(function* () {
    const spans = yield* spansOf(own.run({ text: "hi" }))
    assert.deepStrictEqual(spans, ["outer < nothing", "inner < outer", "bob < inner"])
    assert.deepStrictEqual(yield* spansOf(builtIn.run({ text: "hi" })), spans)
    const failed = yield* spansOf(own.run({ text: "" }))
    assert.deepStrictEqual(failed, ["outer < nothing failed", "inner < outer failed", "bob < inner failed"])
    assert.deepStrictEqual(yield* spansOf(builtIn.run({ text: "" })), failed)
  })
)

it.effect("K3: in a run, and in another pattern", () =>
  Effect.gen(function* () {
    const inRun = <E>(agent: Agent.Agent<{ readonly text: string }, string, E>) => {
      const Job = Orchestration.make("Job", {
        input: Say.input,
        output: Schema.String,
        run: (input) => Effect.orDie(agent.run(input))
      })
      return spansOf(
        Effect.flatMap(Job.start({ text: "hi" }), (handle) => handle.await).pipe(
          Effect.provide(Job.layer),
          Effect.provide(Memory.layer)
        )
      )
    }
    const spans = yield* inRun(own)
    assert.deepStrictEqual(spans, ["Job < nothing", "outer < Job", "inner < outer", "bob < inner"])
    assert.deepStrictEqual(yield* inRun(builtIn), spans)
    assert.deepStrictEqual(
      yield* inRun(Race.make("outer", { agents: [Sequence.make("inner", { agents: [speaker("bob")] })] })),
      spans
    )
  })
)
