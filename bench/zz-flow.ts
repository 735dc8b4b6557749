import { Effect, Schema } from "effect"
import { Agent, Task } from "tutti"
import * as AgentCodec from "../src/core/AgentCodec.ts"
const Work = Task.make("Work", {
  input: { step: Schema.Int, value: Schema.Int },
  output: { step: Schema.Int, ok: Schema.Boolean, value: Schema.Int, note: Schema.String }
})
const worker = Agent.make("worker", { task: Work, run: ({ step, value }) => Effect.succeed({ step, ok: true, value: value + 1, note: "step-result" }) })
export const makeFlow = { worker, codec: AgentCodec.ofTask(Work) }
