/** A1 to A8 in runs: whatever happens to the process, each request gets its own answer. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Schema, Stream } from "effect"
import * as Agent from "../../src/core/Agent.ts"
import type { Engine } from "../../src/durable/Engine.ts"
import type { RunHandle } from "../../src/durable/RunHandle.ts"
import * as Step from "../../src/durable/Step.ts"
import * as Timer from "../../src/durable/Timer.ts"
import * as Approval from "../../src/patterns/approval/Approval.ts"
import * as Verdict from "../../src/patterns/Verdict.ts"
import * as VerifyLoop from "../../src/patterns/verify-loop/VerifyLoop.ts"
import { CrashSweep } from "../../src/testing/index.ts"
import { everywhere } from "../durable/everywhere.ts"
import { define, world, type World } from "../durable/program.ts"

const expense = Approval.make("expense", {
  request: { id: Schema.Int },
  decision: { approved: Schema.Boolean },
  key: ({ id }) => `e${id}`
})
const run = (id: number) => Effect.catchTag(expense.run({ id }), "ContractViolation", Effect.die)

const uuid = (n: number) => `00000000-0000-7000-8000-${n.toString(16).padStart(12, "0")}`
/** Answers as a person would: an answer that was taken before the crash is refused after it. */
const answer = (handle: RunHandle<any, any>, id: number, by = "ann") =>
  expense
    .answer(handle, `e${id}`, { by, decision: { approved: id % 2 === 0 }, id: uuid(id) })
    .pipe(Effect.catchTag("ApprovalClosed", () => Effect.void))
const driven = (effect: Effect.Effect<unknown, unknown, Engine>) => effect as Effect.Effect<unknown, unknown>
/** Goes on once the run waits for so many answers. */
const untilOpen = (handle: RunHandle<any, any>, count: number) =>
  handle.events.pipe(
    Stream.filter(({ type }) => type === "ApprovalRequested"),
    Stream.take(count),
    Stream.runDrain
  )

const ids = Array.from({ length: 20 }, (_, id) => id)
/** A shuffle that is the same in every process. */
const shuffled = ids.toSorted((a, b) => ((a * 7 + 3) % 20) - ((b * 7 + 3) % 20))
const twenty = (world: World) =>
  Step.forEach(
    ids,
    (id) =>
      Effect.gen(function* () {
        const { by, decision } = yield* run(id)
        return yield* world.agent("file").run({ text: `${id} ${decision.approved} ${by}` })
      }),
    { concurrency: "unbounded" }
  )
const filed = ids.map((id) => `file ${id} ${id % 2 === 0} ann`)
const twentyFiled = {
  expected: Exit.succeed(ids.map((id) => `file(${id} ${id % 2 === 0} ann)`)),
  effects: filed.toSorted()
}

describe("twenty requests in parallel", () => {
  const sweep = (
    name: string,
    crashes: number,
    drive: (handle: RunHandle<any, any>) => Effect.Effect<unknown, unknown, Engine>
  ) =>
    it.effect(name, () =>
      Effect.gen(function* () {
        const program = define("twenty", twenty, { ...twentyFiled, drive: (handle) => driven(drive(handle)) })
        const report = yield* CrashSweep.check(() => {
          const made = program.make()
          const invariant = Effect.sync(() => assert.deepStrictEqual(made.outside.toSorted(), filed.toSorted()))
          return { ...made, input: {}, key: "one", invariant }
        })
        assert.isAbove(report.crashes, crashes)
      })
    )
  sweep("A1: answered in random order, crashed at every mutation", 50, (handle) =>
    Effect.andThen(
      untilOpen(handle, 20),
      Effect.forEach(shuffled, (id) => answer(handle, id))
    )
  )
  sweep("A1 A2: answered all at once and before they are asked for, crashed at every mutation", 10, (handle) =>
    Effect.forEach(shuffled, (id) => answer(handle, id), { concurrency: "unbounded" })
  )
})

everywhere(
  define(
    "A1: three in parallel, answered the other way round",
    (world) =>
      Step.forEach(
        [1, 2, 3],
        (id) => Effect.flatMap(run(id), ({ by }) => world.agent("file").run({ text: `${id} ${by}` })),
        { concurrency: "unbounded" }
      ),
    {
      drive: (handle) =>
        driven(
          Effect.andThen(
            untilOpen(handle, 3),
            Effect.forEach([3, 2, 1], (id) => answer(handle, id, `p${id}`))
          )
        ),
      expected: Exit.succeed(["file(1 p1)", "file(2 p2)", "file(3 p3)"]),
      effects: ["file 1 p1", "file 2 p2", "file 3 p3"]
    }
  )
)

everywhere(
  define(
    "A2: answered before it is asked for",
    (world) =>
      Effect.gen(function* () {
        yield* Timer.sleep("1 day")
        const { by } = yield* run(1)
        return yield* world.agent("file").run({ text: by })
      }),
    {
      drive: (handle) => driven(answer(handle, 1)),
      expected: Exit.succeed("file(ann)"),
      effects: ["file ann"]
    }
  )
)

everywhere(
  define(
    "A3: the same key twice, each with its own answer",
    (world) =>
      Effect.gen(function* () {
        const first = yield* run(1)
        yield* world.agent("file").run({ text: first.by })
        const second = yield* run(1)
        return [first.by, second.by]
      }),
    {
      drive: (handle) =>
        driven(
          Effect.gen(function* () {
            const send = (by: string, id: number) =>
              expense
                .answer(handle, "e1", { by, decision: { approved: true }, id: uuid(id) })
                .pipe(Effect.catchTag("ApprovalClosed", () => Effect.void))
            // The first two may both be stored; neither is for the second request, which is not asked for yet.
            const asked = (nth: number) => untilOpen(handle, nth)
            yield* asked(1)
            yield* send("ann", 1)
            yield* asked(2)
            yield* send("bob", 2)
          })
        ),
      expected: Exit.succeed(["ann", "bob"]),
      effects: ["file ann"]
    }
  )
)

const reminded = (world: World) =>
  Approval.make("deploy", {
    request: { version: Schema.String },
    decision: Schema.Boolean,
    person: Schema.Literals(["ann", "bob"]),
    to: () => ["ann"],
    timeout: "10 days",
    remind: {
      every: "3 days",
      agent: world.agent("mail", { takes: "1 hour" }),
      input: ({ number, request, to }) => ({ text: `${request.version} ${to.join("+")} ${number}` })
    }
  })

everywhere(
  define(
    "A6 A7: reminded three times, then out of time",
    (world) =>
      Effect.gen(function* () {
        const end = yield* Effect.catchTag(reminded(world).run({ version: "v1" }), "ApprovalTimedOut", (error) =>
          Effect.succeed(error.message)
        )
        // The clock begins at 0: the deadline is the one that was fixed when it was asked for.
        const days = (yield* Step.now) / (24 * 3600 * 1000)
        return yield* world.agent("after").run({ text: `${days} days: ${String(end)}` })
      }),
    {
      needsEngine: false,
      expected: Exit.succeed('after(10 days: None of ann answered request "deploy" of approval "deploy" within 10d.)'),
      effects: [
        'after 10 days: None of ann answered request "deploy" of approval "deploy" within 10d.',
        "mail v1 ann 1",
        "mail v1 ann 2",
        "mail v1 ann 3"
      ]
    }
  )
)

everywhere(
  define(
    "A5 A6: delegated, then answered after a reminder to the other one",
    (world) =>
      Effect.gen(function* () {
        const { by, decision } = yield* reminded(world).run({ version: "v1" })
        return yield* world.agent("after").run({ text: `${by} ${decision}` })
      }),
    {
      drive: (handle) =>
        driven(
          Effect.gen(function* () {
            const deploy = reminded(world())
            yield* untilOpen(handle, 1)
            const quiet = (sent: Effect.Effect<void, Approval.SendError, Engine>) =>
              Effect.catchTag(sent, ["ApprovalClosed", "NotAddressed"], () => Effect.void)
            yield* quiet(deploy.delegate(handle, "deploy", { by: "ann", to: "bob", id: uuid(1) }))
            yield* handle.events.pipe(
              Stream.takeUntil(({ type }) => type === "ApprovalReminded"),
              Stream.runDrain
            )
            yield* quiet(deploy.answer(handle, "deploy", { by: "bob", decision: true, id: uuid(2) }))
          })
        ),
      expected: Exit.succeed("after(bob true)"),
      effects: ["after bob true", "mail v1 bob 1"]
    }
  )
)

everywhere(
  define(
    "A8: the loser of a race withdraws",
    (world) =>
      Effect.gen(function* () {
        const winner = yield* Step.race({
          asked: Effect.map(run(1), ({ by }) => by),
          late: Effect.as(Timer.sleep("1 day"), "nobody")
        })
        return yield* world.agent("after").run({ text: winner })
      }),
    { expected: Exit.succeed("after(nobody)"), effects: ["after nobody"] }
  )
)

class Cancelled extends Schema.TaggedError<Cancelled>()("Cancelled", {}) {}
everywhere(
  define(
    "A8: a failure beside it withdraws, and the next request of the key is another one",
    (world) =>
      Effect.gen(function* () {
        const failed = Effect.andThen(Timer.sleep("1 day"), Effect.fail(new Cancelled()))
        yield* Step.all({ failed, asked: run(1) }).pipe(Effect.catchTag("Cancelled", () => Effect.void))
        const { by } = yield* run(1)
        return yield* world.agent("after").run({ text: by })
      }),
    {
      drive: (handle) => driven(Effect.andThen(untilOpen(handle, 2), answer(handle, 1))),
      expected: Exit.succeed("after(ann)"),
      effects: ["after ann"]
    }
  )
)

const review = Approval.make("review", {
  request: { text: Schema.String },
  decision: Verdict.schema(Schema.String),
  timeout: "30 days"
})
everywhere(
  define(
    "A1: a person as the verifier of a loop, each round under a key of its own",
    (world) =>
      VerifyLoop.make("essay", {
        attempt: {
          agent: world.agent("writer"),
          input: (topic: string, last) => ({ text: `${topic}${last?.feedback ?? ""}` })
        },
        verify: { agent: review.pipe(Agent.mapOutput(({ decision }) => decision)), input: (text) => ({ text }) }
      }).run("a"),
    {
      error: Schema.Union([Approval.ApprovalTimedOut, VerifyLoop.NotAccepted.schema(Schema.String, Schema.String)]),
      drive: (handle) =>
        driven(
          Effect.forEach([Verdict.rejected("!"), Verdict.accepted()], (decision, index) =>
            Effect.andThen(
              untilOpen(handle, index + 1),
              review
                .answer(handle, index === 0 ? "essay/round/review" : "essay/round#2/review", {
                  by: "ann",
                  decision,
                  id: uuid(index)
                })
                .pipe(Effect.catchTag("ApprovalClosed", () => Effect.void))
            )
          )
        ),
      expected: Exit.succeed("writer(a!)"),
      effects: ["writer a", "writer a!"]
    }
  )
)
