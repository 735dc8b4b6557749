/** M8 and D1 across runs: a child is told what it may spend and until when, and tells what it has spent. */
import { Effect, Exit, Option, Schema } from "effect"
import { Agent, Budget, Deadline, Orchestration, Task, Timer } from "../../src/index.ts"
import { everywhere } from "../durable/everywhere.ts"
import { define, Refused, type World } from "../durable/program.ts"
import { told } from "./policies.ts"

const Spend = Task.make("Spend", { input: { tokens: Schema.Int }, output: Schema.String })

/** Spends as much around its call as in its body. */
const spender = Agent.make("spender", {
  task: Spend,
  errors: Budget.BudgetExceeded,
  run: ({ tokens }) => Budget.charge(Effect.succeed("spent"), { reserve: { tokens } })
}).pipe(Budget.charge({ reserve: ({ tokens }) => ({ tokens }) }))

const Share = Orchestration.make("Share", {
  input: { tokens: Schema.Finite, calls: Schema.Int },
  output: { value: Schema.Int, spent: Budget.Spent },
  error: Budget.BudgetExceeded,
  run: ({ calls, tokens }) =>
    Effect.orDie(Effect.forEach(Array.from({ length: calls }), () => spender.run({ tokens: 5 }))).pipe(
      Effect.map((answers) => answers.length),
      Budget.within("share", { tokens }),
      Budget.metered
    )
})

const share = (calls: number) =>
  Share.run({ tokens: 100, calls }).pipe(
    Budget.charge({ reserve: { tokens: 100 }, settle: ({ spent }) => spent, settleFailure: () => ({ tokens: 100 }) })
  )

everywhere(
  define(
    "M8: what a child run has spent is spent from its parent's budget",
    () =>
      Effect.gen(function* () {
        const { value } = yield* share(3)
        const afterOne = yield* Budget.remaining("tokens")
        yield* share(2)
        const second = yield* Effect.flip(share(1).pipe(Budget.within("too little", { tokens: 99 })))
        return [value, afterOne, yield* Budget.remaining("tokens"), second._tag]
      }).pipe(Budget.within("parent", { tokens: 1000 })),
    {
      children: () => [Share],
      expected: Exit.succeed([3, 970, 950, "BudgetExceeded"]),
      effects: [],
      error: Budget.BudgetExceeded
    }
  )
)

/** Goes on for ten hours, if it is let. */
const longChild = ({ agent }: World) =>
  Orchestration.make("Long", {
    input: { until: Schema.optionalKey(Schema.DateTimeUtcFromMillis) },
    output: Schema.String,
    error: Schema.Union([Refused, Deadline.DeadlineExceeded]),
    run: ({ until }) => {
      const work = agent("early")
        .run({ text: "a" })
        .pipe(Effect.andThen(Timer.sleep("10 hours")), Effect.andThen(agent("late").run({ text: "b" })))
      return until === undefined ? work : Deadline.at(until)(work)
    }
  })

everywhere(
  define(
    "D2: a child run that is told its parent's deadline ends by it, also if its parent could not cancel it",
    (world) =>
      Effect.gen(function* () {
        const until = Option.getOrThrow(yield* Deadline.current)
        return yield* longChild(world).run({ until })
      }).pipe(
        Deadline.within("2 hours"),
        told,
        Effect.tap(() => Timer.sleep("1 day"))
      ),
    { children: (world) => [longChild(world)], expected: Exit.succeed("DeadlineExceeded"), effects: ["early a"] }
  )
)
