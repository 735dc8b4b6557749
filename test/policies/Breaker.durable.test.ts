/**
 * B4 and B5 everywhere: around an effect, an agent that performs a task and a composed one. A new process begins with closed
 * circuits, so it may ask once more what an old one would have refused: which of the two happened is not part of the outcome.
 */
import { Effect, Exit } from "effect"
import { Agent, Breaker, Step } from "../../src/index.ts"
import { everywhere } from "../durable/everywhere.ts"
import { define } from "../durable/program.ts"

const told = <E, R>(effect: Effect.Effect<string, E, R>) =>
  Effect.match(effect, { onSuccess: (answer) => answer, onFailure: () => "not done" })

const trips = () => Breaker.make("callee", { trip: Breaker.consecutive(1), openFor: "1 hour" })

everywhere(
  define(
    "breakers around everything, of callees that are up and down",
    ({ agent }) => {
      const up = agent("up")
      const down = agent("down", { fails: true })
      const composed = (name: string, of: typeof up) => Agent.compose(name, { run: of.run })
      const calls = [
        up.pipe(Breaker.protect(trips())),
        down.pipe(Breaker.protect(trips())),
        composed("well", up).pipe(Breaker.protect(trips())),
        composed("ill", down).pipe(Breaker.protect(trips()))
      ]
      const effect = down.run({ text: "c" }).pipe(Breaker.protect(trips()))
      return Effect.gen(function* () {
        const first = yield* Step.forEach(calls, (call) => told(call.run({ text: "a" })), { concurrency: "unbounded" })
        const second = yield* Step.forEach(calls, (call) => told(call.run({ text: "b" })))
        return [...first, ...second, yield* told(effect), yield* told(effect)]
      })
    },
    {
      expected: Exit.succeed([
        "up(a)",
        "not done",
        "up(a)",
        "not done",
        "up(b)",
        "not done",
        "up(b)",
        "not done",
        "not done",
        "not done"
      ]),
      effects: ["up a", "up a", "up b", "up b"]
    }
  )
)
