import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Random, Schedule, Schema } from "effect"
import { Agent, Handoff, Saga, Task, Verdict } from "../../src/index.ts"

class Broken extends Schema.TaggedError<Broken>()("Broken", {}) {}

const Write = Task.make("Write", { input: { text: Schema.String }, output: Schema.String, error: Broken })
const Judge = Task.make("Judge", { input: Schema.String, output: Verdict.schema(Schema.String) })

/** Agents that write down what they do. */
const world = () => {
  const log: Array<string> = []
  const say = (text: string) => Effect.sync(() => void log.push(text))
  const writer = (name: string) =>
    Agent.make(name, {
      task: Write,
      run: ({ text }) => Effect.as(say(`${name} ${text}`), `${name}(${text})`)
    })
  const failing = Agent.make("failing", { task: Write, run: () => Effect.fail(new Broken()) })
  const undo = (output: string) => say(`undo ${output}`)
  return { log, say, writer, failing, undo }
}

const make = (name: string, returns = 3) => Handoff.make(name, { input: { topic: Schema.String }, returns })
const turns = (count: number) => Effect.repeat(Effect.yieldNow, { times: count })
const once = Schedule.recurs(0)

/** Rejects so many times. */
const rejecting = (times: number, feedback = "again") => {
  let left = times
  return () => (left-- > 0 ? Verdict.rejected(`${feedback} ${left}`) : Verdict.accepted())
}

describe("B1: the baton accumulates", () => {
  it.effect("each leg sees the outputs before it, and the handoff answers with all", () =>
    Effect.gen(function* () {
      const { log, writer } = world()
      const seen: Array<unknown> = []
      const publish = make("publish")
        .leg("outline", writer("ann"), {
          input: (baton, { topic }) => {
            seen.push(baton)
            return { text: topic }
          }
        })
        .leg("draft", writer("bob"), {
          input: (baton) => {
            seen.push(baton)
            return { text: baton.outline }
          }
        })
        .leg("final", writer("cid"), {
          input: ({ draft, outline }, { topic }) => ({ text: `${topic} ${outline} ${draft}` })
        })
      const output = yield* publish.run({ topic: "x" })
      assert.deepStrictEqual(output, { outline: "ann(x)", draft: "bob(ann(x))", final: "cid(x ann(x) bob(ann(x)))" })
      assert.deepStrictEqual(seen, [{}, { outline: "ann(x)" }])
      assert.deepStrictEqual(log, ["ann x", "bob ann(x)", "cid x ann(x) bob(ann(x))"])
      assert.deepStrictEqual(publish.legs, ["outline", "draft", "final"])
    })
  )

  it.effect("without legs it answers at once, and each step of building stands alone", () =>
    Effect.gen(function* () {
      const { writer } = world()
      const empty = make("publish")
      const input = (_: unknown, { topic }: { readonly topic: string }) => ({ text: topic })
      const a = empty.leg("a", writer("a"), { input })
      const b = empty.leg("b", writer("b"), { input })
      assert.deepStrictEqual(yield* empty.run({ topic: "x" }), {})
      assert.deepStrictEqual(yield* a.run({ topic: "x" }), { a: "a(x)" })
      assert.deepStrictEqual(yield* b.run({ topic: "x" }), { b: "b(x)" })
    })
  )

  it.effect("a failure of a leg is that of the handoff", () =>
    Effect.gen(function* () {
      const { failing } = world()
      const publish = make("publish").leg("a", failing, { input: () => ({ text: "" }) })
      assert.instanceOf(yield* Effect.flip(publish.run({ topic: "x" })), Broken)
    })
  )
})

describe("B2, B3: gates", () => {
  it.effect("a check sends the baton back to its leg, with feedback", () =>
    Effect.gen(function* () {
      const { log, writer } = world()
      const publish = make("publish")
        .leg("draft", writer("ann"), { input: (_, { topic }, feedback) => ({ text: [topic, ...feedback].join() }) })
        .check("long enough", ({ draft }) => (draft.length > 14 ? Verdict.accepted() : Verdict.rejected("longer")))
        .leg("print", writer("bob"), { input: ({ draft }) => ({ text: draft }) })
      yield* publish.run({ topic: "x" })
      assert.deepStrictEqual(log, ["ann x", "ann x,longer", "ann x,longer,longer", "bob ann(x,longer,longer)"])
    })
  )

  it.effect("a verifier is an agent, and its failure is the handoff's", () =>
    Effect.gen(function* () {
      const { writer } = world()
      const chief = (verdict: Effect.Effect<Verdict.Verdict<string>>) =>
        Agent.make("chief", { task: Judge, run: (draft) => (draft === "" ? Effect.die("no draft") : verdict) })
      const publish = (verdict: Effect.Effect<Verdict.Verdict<string>>, draft = "x") =>
        make("publish", 0)
          .leg("draft", writer("ann"), { input: () => ({ text: "x" }) })
          .verify("chief", chief(verdict), { input: () => draft })
          .run({ topic: "x" })
      assert.deepStrictEqual(yield* publish(Effect.succeed(Verdict.accepted(1))), { draft: "ann(x)" })
      assert.strictEqual((yield* Effect.flip(publish(Effect.succeed(Verdict.rejected("no")))))._tag, "HandoffRejected")
      const wrong = publish(Effect.succeed("fine" as unknown as Verdict.Verdict<string>))
      assert.strictEqual((yield* Effect.flip(wrong))._tag, "ContractViolation")
      assert.isTrue(Exit.isFailure(yield* Effect.exit(publish(Effect.never, ""))))
    })
  )

  it.effect("back to an earlier leg: those after it run again, and hear of it", () =>
    Effect.gen(function* () {
      const { log, writer } = world()
      const heard = (_: unknown, __: unknown, feedback: ReadonlyArray<string>) => ({ text: feedback.join("/") })
      yield* make("publish")
        .leg("a", writer("a"), { input: heard })
        .leg("b", writer("b"), { input: heard })
        .check("own", rejecting(1, "own"))
        .leg("c", writer("c"), { input: heard })
        .check("first", rejecting(1, "first"), { back: "a" })
        .check("second", rejecting(1, "second"), { back: "b" })
        .run({ topic: "x" })
      assert.deepStrictEqual(log, [
        "a ",
        "b ",
        "b own 0",
        "c ",
        "a first 0",
        "b own 0/first 0",
        "c first 0",
        "b own 0/first 0/second 0",
        "c first 0/second 0"
      ])
    })
  )

  it.effect("a schema makes a gate", () =>
    Effect.gen(function* () {
      const { writer } = world()
      const Short = Schema.String.check(Schema.isMaxLength(6))
      const publish = make("publish", 0)
        .leg("draft", writer("ann"), { input: (_, { topic }) => ({ text: topic }) })
        .check("short", ({ draft }) => Handoff.conforms(Short)(draft))
      assert.deepStrictEqual(yield* publish.run({ topic: "x" }), { draft: "ann(x)" })
      const error = yield* Effect.flip(publish.run({ topic: "long" }))
      assert.strictEqual(error._tag === "HandoffRejected" && error.rejections.length, 1)
      assert.include(JSON.stringify(error), "length of at most 6")
    })
  )
})

describe("B4: the baton goes back so often and no more", () => {
  it.effect("then the handoff fails with every rejection", () =>
    Effect.gen(function* () {
      const { writer } = world()
      const Feedback = { score: Schema.Int, at: Schema.DateFromString }
      const at = new Date(0)
      const error = yield* Handoff.make("publish", { input: {}, feedback: Feedback, returns: 1 })
        .leg("a", writer("a"), { input: (_, __, feedback) => ({ text: String(feedback[0]?.at.getTime()) }) })
        .leg("b", writer("b"), { input: ({ a }) => ({ text: a }) })
        .check("good", ({ a }) => Verdict.rejected({ score: a.length, at }), { back: "a" })
        .run({})
        .pipe(Effect.flip)
      const rejection = { gate: "good", leg: "b", back: "a" }
      const rejections = [12, 4].map((score) => ({ ...rejection, feedback: { score, at: at.toJSON() } }))
      assert.deepStrictEqual(
        error,
        new Handoff.HandoffRejected({ handoff: "publish", leg: "b", gate: "good", returns: 1, rejections })
      )
      assert.strictEqual(
        error.message,
        `Handoff "publish" ended: gate "good" rejected the output of leg "b", after 1 returns.`
      )
    })
  )
})

describe("B5, B6: undo", () => {
  it.effect("of what is run again, the latest first, and not of what is not", () =>
    Effect.gen(function* () {
      const { log, undo, writer } = world()
      const input = (_: unknown, __: unknown, feedback: ReadonlyArray<string>) => ({ text: String(feedback.length) })
      yield* make("publish")
        .leg("a", writer("a"), { input, undo })
        .leg("b", writer("b"), { input, undo })
        .leg("c", writer("c"), { input, undo })
        .check("gate", rejecting(1), { back: "b" })
        .leg("d", writer("d"), { input, undo })
        .run({ topic: "x" })
      assert.deepStrictEqual(log, ["a 0", "b 0", "c 0", "undo c(0)", "undo b(0)", "b 1", "c 1", "d 0"])
    })
  )

  it.effect("of everything, when a leg fails or the bound is reached", () =>
    Effect.gen(function* () {
      const { failing, log, undo, writer } = world()
      const input = () => ({ text: "" })
      const start = make("publish", 1).leg("a", writer("a"), { input, undo }).leg("b", writer("b"), { input, undo })
      assert.instanceOf(yield* Effect.flip(start.leg("c", failing, { input }).run({ topic: "" })), Broken)
      assert.deepStrictEqual(log.splice(0), ["a ", "b ", "undo b()", "undo a()"])
      yield* Effect.flip(start.check("gate", rejecting(9)).run({ topic: "" }))
      assert.deepStrictEqual(log, ["a ", "b ", "undo b()", "b ", "undo b()", "undo a()"])
    })
  )

  it.effect("sees the output and the baton before it", () =>
    Effect.gen(function* () {
      const { failing, writer } = world()
      const seen: Array<unknown> = []
      const input = () => ({ text: "" })
      yield* make("publish")
        .leg("a", writer("a"), { input })
        .leg("b", writer("b"), { input, undo: (output, baton) => Effect.sync(() => void seen.push(output, baton)) })
        .leg("c", failing, { input })
        .run({ topic: "" })
        .pipe(Effect.flip)
      assert.deepStrictEqual(seen, ["b()", { a: "a()" }])
    })
  )

  it.effect("that fails ends the handoff, says what is left, and undoes the rest", () =>
    Effect.gen(function* () {
      const { log, undo, writer } = world()
      const input = () => ({ text: "" })
      const error = yield* make("publish")
        .leg("a", writer("a"), { input, undo })
        .leg("b", writer("b"), { input, undo: () => Effect.fail("stuck"), retry: once })
        .check("gate", rejecting(1))
        .run({ topic: "" })
        .pipe(Effect.flip)
      assert.isTrue(error._tag === "CompensationFailed" && error.notUndone[0]!.step === "b")
      assert.include(error.message, `gate "gate" sent the baton back to "b"`)
      assert.deepStrictEqual(log, ["a ", "b ", "undo a()"])
    })
  )

  it.effect("with the transaction around it", () =>
    Effect.gen(function* () {
      const { failing, log, say, undo, writer } = world()
      const input = () => ({ text: "" })
      const publish = make("publish")
        .leg("a", writer("a"), { input, undo })
        .leg("b", writer("b"), { input, undo })
        .check("gate", rejecting(1))
      yield* say("book").pipe(
        Saga.undo(() => say("unbook")),
        Effect.andThen(publish.run({ topic: "" })),
        Effect.andThen(failing.run({ text: "" })),
        Saga.transaction("outer"),
        Effect.flip
      )
      assert.deepStrictEqual(log, ["book", "a ", "b ", "undo b()", "b ", "undo b()", "undo a()", "unbook"])
    })
  )
})

describe("mistakes in options throw where the handoff is made", () => {
  it("names the rule", () => {
    const { writer } = world()
    assert.throws(() => make("publish", -1), /returns of handoff "publish" must be an integer from 0, got -1/)
    assert.throws(
      () => make("publish").check("early", () => Verdict.accepted()),
      /"early" of handoff "publish" stands before the first leg/
    )
    const a = make("publish").leg("a", writer("a"), { input: () => ({ text: "" }) })
    assert.throws(() => a.leg("a" as "b", writer("a"), { input: () => ({ text: "" }) }), /has a leg "a" already/)
    assert.throws(
      () => a.check("gate", () => Verdict.accepted(), { back: "b" as "a" }),
      /goes back to "b", which is no leg/
    )
  })
})

/** A random course: of each leg, the legs that its gates go back to. */
type Course = ReadonlyArray<ReadonlyArray<number>>

const randomCourse = Effect.gen(function* () {
  const length = yield* Random.nextIntBetween(1, 6)
  return yield* Effect.forEach(Array(length).keys(), (leg) =>
    Effect.flatMap(Random.nextIntBetween(0, 2), (gates) =>
      Effect.forEach(Array(gates).keys(), () => Random.nextIntBetween(0, leg))
    )
  )
})

/** What happens, as simply as it can be said. A verdict is drawn at each gate that is passed. */
const model = (course: Course, verdicts: ReadonlyArray<boolean>, returns: number): ReadonlyArray<string> => {
  const log: Array<string> = []
  const heard = course.map(() => 0)
  const done: Array<string> = []
  const undo = (down: number) => {
    while (done.length > down) log.push(`undo ${done.pop()}`)
  }
  let drawn = 0
  let rejections = 0
  for (let leg = 0; leg < course.length; leg++) {
    log.push(`leg${leg} ${heard[leg]}`)
    done.push(`leg${leg}(${heard[leg]})`)
    const back = course[leg]!.find(() => verdicts[drawn++] === false)
    if (back === undefined) continue
    if (++rejections > returns) {
      undo(0)
      return [...log, "rejected"]
    }
    undo(back)
    for (let index = back; index <= leg; index++) heard[index]!++
    leg = back - 1
  }
  return [...log, "done"]
}

const handoffOf = (course: Course, verdicts: ReadonlyArray<boolean>, returns: number) => {
  const { log, undo, writer } = world()
  let drawn = 0
  const judge = () => (verdicts[drawn++] === false ? Verdict.rejected("no") : Verdict.accepted())
  const verifier = Agent.make("verifier", { task: Judge, run: () => Effect.map(turns(2), judge) })
  const slow = (name: string) => writer(name).pipe(Agent.transform((call) => Effect.andThen(turns(2), call)))
  let handoff: Handoff.Handoff<{ readonly topic: string }, any, string, any> = make("course", returns)
  for (const [leg, gates] of course.entries()) {
    handoff = handoff.leg(`leg${leg}` as never, slow(`leg${leg}`), {
      input: (_, __, feedback) => ({ text: String(feedback.length) }),
      undo: (output) => Effect.andThen(turns(2), undo(output as string))
    })
    for (const [number, back] of gates.entries()) {
      const options = { back: `leg${back}` }
      handoff =
        number % 2 === 0
          ? handoff.check(`check${number}`, judge, options)
          : handoff.verify(`verify${number}`, verifier, { ...options, input: () => "" })
    }
  }
  return { log, run: handoff.run({ topic: "" }) }
}

const randomCase = Effect.gen(function* () {
  const course = yield* randomCourse
  const verdicts = yield* Effect.forEach(Array(40).keys(), () => Effect.map(Random.next, (n) => n < 0.75))
  return { course, verdicts, returns: yield* Random.nextIntBetween(0, 6) }
})

describe("at random", () => {
  it.effect("B1 to B6: verdicts lead to what a simple model says", () =>
    Effect.gen(function* () {
      const ends = new Map<string, number>()
      for (let round = 0; round < 500; round++) {
        const { course, returns, verdicts } = yield* randomCase
        const { log, run } = handoffOf(course, verdicts, returns)
        const exit = yield* Effect.exit(run)
        const end = Exit.isSuccess(exit) ? "done" : "rejected"
        assert.deepStrictEqual([...log, end], model(course, verdicts, returns))
        ends.set(end, (ends.get(end) ?? 0) + 1)
      }
      assert.isTrue([...ends.values()].every((count) => count > 50) && ends.size === 2)
    }).pipe(Random.withSeed("verdicts"))
  )

  it.effect("B6: interrupted at any moment, every leg is undone once, and no fiber is left", () =>
    Effect.gen(function* () {
      let interrupted = 0
      for (let round = 0; round < 300; round++) {
        const { course, returns, verdicts } = yield* randomCase
        const { log, run } = handoffOf(course, verdicts, returns)
        const fiber = yield* Effect.forkChild(run)
        yield* turns(yield* Random.nextIntBetween(0, 60))
        yield* Fiber.interrupt(fiber)
        const before = [...log]
        yield* turns(20)
        assert.deepStrictEqual(log, before)
        const exit = yield* Fiber.await(fiber)
        if (Exit.isSuccess(exit)) continue
        if (Cause.hasInterrupts(exit.cause)) interrupted++
        const done: Array<string> = []
        for (const line of log) {
          if (line.startsWith("undo ")) assert.strictEqual(line, `undo ${done.pop()}`)
          else done.push(line.replace(/ (\d+)/, "($1)"))
        }
        assert.deepStrictEqual(done, [])
      }
      assert.isAbove(interrupted, 100)
    }).pipe(Random.withSeed("interrupted"))
  )
})
