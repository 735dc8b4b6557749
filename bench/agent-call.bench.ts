/** What the name, the span and the checked contract of an agent cost, beside calling its effect. Outside any run. */
import { Effect, Schema } from "effect"
import { Agent, Task } from "tutti"
import { compare, microsEach, printMachine } from "./harness.ts"

const calls = 20_000

const Input = Schema.Struct({ step: Schema.Int, value: Schema.Int })
const Output = Schema.Struct({ step: Schema.Int, ok: Schema.Boolean, value: Schema.Int, note: Schema.String })

const body = ({ step, value }: typeof Input.Type) =>
  Effect.succeed({ step, ok: true, value: value + 1, note: "step-result" })

const agent = Agent.make("worker", { task: Task.make("Work", { input: Input, output: Output }), run: body })

const checkInput = Schema.decodeUnknownSync(Schema.toType(Input))
const checkOutput = Schema.decodeUnknownSync(Schema.toType(Output))

const each = <E>(call: (value: number) => Effect.Effect<unknown, E>) => {
  const all = Effect.suspend(() => {
    let done = 0
    return Effect.whileLoop({ while: () => done < calls, body: () => call(done++), step: () => {} })
  })
  return () => microsEach(calls, () => Effect.runPromise(all))
}

const reference = "the effect itself"

printMachine()
await compare("An agent call outside a run", { unit: "µs per call", rounds: 15, notes: [`${calls} calls each`] }, [
  { name: reference, run: each((value) => Effect.flatMap(body({ step: 1, value }), Effect.succeed)) },
  {
    name: "+ its input and output checked",
    run: each((value) => Effect.map(body(checkInput({ step: 1, value })), checkOutput)),
    reference
  },
  { name: "+ Effect.withSpan", run: each((value) => Effect.withSpan(body({ step: 1, value }), "worker")), reference },
  {
    name: "+ both",
    run: each((value) => Effect.withSpan(Effect.map(body(checkInput({ step: 1, value })), checkOutput), "worker")),
    reference
  },
  {
    name: "Agent.run",
    run: each((value) => agent.run({ step: 1, value })),
    reference: "+ both",
    aim: { of: "ratio", atMost: 1 }
  }
])
