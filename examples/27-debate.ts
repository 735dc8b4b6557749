/** Two sides argue before a judge, who decides when both of them say the same, or after four rounds. */
import { Effect, Schema } from "effect"
import { Agent, Debate, Task } from "tutti"

// #region debate
const Estimate = Schema.Struct({ days: Schema.Number })

const Argue = Task.make("Argue", { input: Debate.turn(Schema.String, Estimate), output: Estimate })
const Judge = Task.make("Judge", { input: Debate.hearing(Schema.String, Estimate), output: Schema.String })

/** Starts with an opinion of its own, and moves half the way to whoever spoke last. */
const estimator = (name: string, opinion: number) =>
  Agent.make(name, {
    task: Argue,
    run: ({ speaker, transcript }) => {
      const own = transcript.findLast((entry) => entry.speaker === speaker)?.argument.days ?? opinion
      const other = transcript.findLast((entry) => entry.speaker !== speaker)?.argument.days ?? own
      return Effect.succeed({ days: Math.round((own + other) / 2) })
    }
  })

const judge = Agent.make("judge", {
  task: Judge,
  run: ({ question, transcript }) => Effect.succeed(`${question} ${transcript.at(-1)!.argument.days} days.`)
})

const estimate = Debate.make("estimate", {
  debaters: { builder: estimator("optimist", 3), tester: estimator("pessimist", 11) },
  judge,
  rounds: 4,
  until: ({ transcript }) => transcript.at(-1)!.argument.days === transcript.at(-2)!.argument.days
})
// #endregion

export const program = estimate.run("How long does it take?")

export const expected = "How long does it take? 6 days."

if (import.meta.main) console.log(await Effect.runPromise(program))
