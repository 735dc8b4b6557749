import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Agent from "../../src/core/Agent.ts"
import * as Run from "../../src/core/Run.ts"
import * as StepPath from "../../src/core/StepPath.ts"
import * as Task from "../../src/core/Task.ts"
import * as Join from "../../src/patterns/task-graph/Join.ts"
import * as TaskGraph from "../../src/patterns/task-graph/TaskGraph.ts"

class Broken extends Schema.TaggedError<Broken>()("Broken", { node: Schema.String }) {}
class Torn extends Schema.TaggedError<Torn>()("Torn", { node: Schema.String }) {}

const leaf = Agent.make("leaf", {
  task: Task.make("Leaf", { input: Schema.String, output: Schema.String }),
  run: (input) => Effect.succeed(input)
})

/** Answers with its input. */
const echo = Agent.compose("echo", { run: (input: string) => Effect.succeed(input) })
const fails = Agent.compose("fails", { run: (node: string) => Effect.fail(new Broken({ node })) })

/** Calls that start when the graph says so and end when the test says so. */
const makeStage = <E = never>() => {
  const log: Array<string> = []
  const gates = new Map<string, Deferred.Deferred<string, E>>()
  const gate = (name: string) => {
    const made = gates.get(name) ?? Deferred.makeUnsafe<string, E>()
    gates.set(name, made)
    return made
  }
  let inFlight = 0
  let highest = 0
  const actor = Agent.compose("actor", {
    run: (name: string) =>
      Effect.suspend(() => {
        log.push(`+${name}`)
        highest = Math.max(highest, ++inFlight)
        return Deferred.await(gate(name))
      }).pipe(
        Effect.onExit((exit) =>
          Effect.sync(() => {
            inFlight--
            log.push(Exit.isSuccess(exit) ? `-${name}` : Cause.hasInterrupts(exit.cause) ? `!${name}` : `x${name}`)
          })
        )
      )
  })
  return {
    actor,
    log,
    /** What happened since the last look. */
    look: () => log.splice(0).join(" "),
    finish: (name: string) => Deferred.succeed(gate(name), name),
    fail: (name: string, error: E) => Deferred.fail(gate(name), error),
    inFlight: () => inFlight,
    highest: () => highest
  }
}

const input = { input: { seed: Schema.String } }
const start = <A, E>(graph: Agent.Agent<{ readonly seed: string }, A, E>) =>
  Effect.forkChild(graph.run({ seed: "s" }), { startImmediately: true })

/** A run that records where each step and note stands, and carries steps out. */
const makeRecorder = () => {
  const paths: Array<string> = []
  const run: Run.Run = {
    runId: "run",
    step: (scope, spec) =>
      Effect.suspend(() => {
        paths.push(StepPath.next(scope, spec.segment))
        return spec.attempt({ attempt: 1, idempotencyKey: "" })
      }),
    sleep: () => Effect.void,
    receive: () => Effect.succeed(undefined),
    note: (scope, note) =>
      Effect.sync(() => void paths.push(`${StepPath.next(scope, `~${note.type}`)}: ${JSON.stringify(note.data)}`)),
    patched: () => Effect.succeed(true),
    whileOwned: (effect) => effect,
    isAbandoned: () => false,
    time: { now: Effect.succeed(0), clock: Effect.succeed(0) }
  }
  const record = Effect.provideService(Run.CurrentRun, { run, scope: StepPath.makeScope("") })
  return { paths, record }
}

describe("TaskGraph", () => {
  it.effect("G1: nodes run after their dependencies and see their outputs", () =>
    Effect.gen(function* () {
      const graph = TaskGraph.make("letters", input)
        .add("a", echo, { input: (_, { seed }) => `${seed}a` })
        .add("b", echo, { after: ["a"], input: ({ a }) => `${a}b` })
        .add("c", echo, { after: ["a"], input: ({ a }) => `${a}c` })
        .add("d", echo, { after: ["b", "c"], input: ({ b, c }, { seed }) => `${b}+${c}+${seed}` })
      assert.deepStrictEqual(yield* graph.run({ seed: "s" }), { a: "sa", b: "sab", c: "sac", d: "sab+sac+s" })
      assert.strictEqual(graph.name, "letters")
      const again = graph.pipe(Agent.mapOutput(({ d }) => d.length))
      assert.strictEqual(yield* again.run({ seed: "s" }), 9)
    })
  )

  it.effect("G1: a node starts when its last dependency has completed, not before, and others do not wait for it", () =>
    Effect.gen(function* () {
      const { actor, finish, look } = makeStage()
      const graph = TaskGraph.make("g", input)
        .add("a", actor, { input: () => "a" })
        .add("b", actor, { input: () => "b" })
        .add("ab", actor, { after: ["a", "b"], input: () => "ab" })
        .add("a2", actor, { after: ["a"], input: () => "a2" })
      const fiber = yield* start(graph)
      assert.strictEqual(look(), "+a +b")
      yield* finish("a")
      assert.strictEqual(look(), "-a +a2")
      yield* finish("b")
      assert.strictEqual(look(), "-b +ab")
      yield* finish("ab")
      yield* finish("a2")
      assert.deepStrictEqual(yield* Fiber.join(fiber), { a: "a", b: "b", ab: "ab", a2: "a2" })
    })
  )

  it.effect("G1: the builder is immutable", () =>
    Effect.gen(function* () {
      const one = TaskGraph.make("g", input).add("a", echo, { input: () => "a" })
      const two = one.add("b", echo, { input: () => "b" })
      const other = one.add("c", echo, { input: () => "c" })
      assert.deepStrictEqual(yield* one.run({ seed: "" }), { a: "a" })
      assert.deepStrictEqual(yield* two.run({ seed: "" }), { a: "a", b: "b" })
      assert.deepStrictEqual(yield* other.run({ seed: "" }), { a: "a", c: "c" })
    })
  )

  it.effect("G1: a chain of 20,000 nodes that never wait runs without exhausting the stack", () =>
    Effect.gen(function* () {
      const size = 20_000
      const next = Agent.compose("next", { run: (n: number) => Effect.succeed(n + 1) })
      const { graph } = chain(size, next)
      const output = yield* graph.run({ seed: "" })
      assert.strictEqual(output[`n${size - 1}`], size)
    })
  )

  const RandomGraph = {
    seed: Schema.Int,
    size: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 25 })),
    concurrency: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 5 }))
  }
  it.effect.prop("G1, G2, G5: random graphs, ended in random order", RandomGraph, ({ concurrency, seed, size }) =>
    Effect.gen(function* () {
      const { actor, finish, highest, log } = makeStage()
      const { graph, ids, next, nodes } = randomGraph({ seed, size, concurrency, agent: actor })
      const fiber = yield* start(graph)
      const running = () => ids.filter((id) => log.includes(`+${id}`) && !log.includes(`-${id}`))
      for (let now = running(); now.length > 0; now = running()) yield* finish(now[next(now.length)]!)
      const output = yield* Fiber.join(fiber)
      assert.isAtMost(highest(), concurrency)
      assert.strictEqual(new Set(log).size, log.length)
      const completed = (id: string) => output[id] !== undefined
      for (const { after, id, join, skipped } of nodes) {
        const done = after.filter(completed).length
        const met = join._tag === "All" ? done === after.length : join._tag === "Settled" || done >= join.count
        assert.strictEqual(completed(id), met && !skipped, id)
        if (!completed(id)) continue
        const needed = join._tag === "First" ? join.count : done
        const before = after.filter((d) => completed(d) && log.indexOf(`-${d}`) < log.indexOf(`+${id}`)).length
        assert.isAtLeast(before, needed)
      }
    })
  )

  it.effect("G2: no more calls are in flight than the graph allows", () =>
    Effect.gen(function* () {
      const { actor, finish, highest, inFlight, look } = makeStage()
      const graph = TaskGraph.make("g", { ...input, concurrency: 2 })
        .add("a", actor, { input: () => "a" })
        .add("b", actor, { input: () => "b" })
        .add("c", actor, { input: () => "c" })
        .addEach("d", actor, { over: () => ["d1", "d2", "d3"], input: (name) => name })
      const fiber = yield* start(graph)
      assert.strictEqual(look(), "+a +b")
      for (const name of ["b", "a", "d1", "c", "d2", "d3"]) {
        yield* finish(name)
        assert.isAtMost(inFlight(), 2)
      }
      assert.strictEqual(look(), "-b +c -a +d1 -d1 +d2 -c +d3 -d2 -d3")
      assert.deepStrictEqual((yield* Fiber.join(fiber)).d, ["d1", "d2", "d3"])
      assert.strictEqual(highest(), 2)
    })
  )

  it.effect("G2: a fan-out keeps its own limit", () =>
    Effect.gen(function* () {
      const { actor, finish, highest, look } = makeStage()
      const graph = TaskGraph.make("g", input).addEach("d", actor, {
        over: () => ["1", "2", "3", "4"],
        input: (name) => name,
        concurrency: 2
      })
      const fiber = yield* start(graph)
      for (const name of ["2", "1", "4", "3"]) yield* finish(name)
      assert.strictEqual(look(), "+1 +2 -2 +3 -1 +4 -4 -3")
      assert.deepStrictEqual(yield* Fiber.join(fiber), { d: ["1", "2", "3", "4"] })
      assert.strictEqual(highest(), 2)
    })
  )

  it.effect("G3: higher priority first among the ready, then the order of addition", () =>
    Effect.gen(function* () {
      const { actor, finish, look } = makeStage()
      const graph = TaskGraph.make("g", { ...input, concurrency: 1 })
        .add("low", actor, { input: () => "low", priority: -1 })
        .add("a", actor, { input: () => "a" })
        .add("b", actor, { input: () => "b" })
        .add("high", actor, { input: () => "high", priority: 5 })
        .add("higher", actor, { after: ["high"], input: () => "higher", priority: 6 })
      const fiber = yield* start(graph)
      for (const name of ["high", "higher", "a", "b", "low"]) yield* finish(name)
      yield* Fiber.join(fiber)
      assert.strictEqual(look(), "+high -high +higher -higher +a -a +b -b +low -low")
    })
  )

  it.effect("G4: a fan-out's output is in the order of its items", () =>
    Effect.gen(function* () {
      const { actor, finish } = makeStage()
      const graph = TaskGraph.make("g", input)
        .add("list", echo, { input: () => "x,y,z" })
        .addEach("each", actor, { after: ["list"], over: ({ list }) => list.split(","), input: (item) => item })
        .addEach("none", actor, { after: ["list"], over: () => [], input: () => "never" })
        .add("end", echo, { after: ["each", "none"], input: ({ each, none }) => `${each.join("")}${none.length}` })
      const fiber = yield* start(graph)
      for (const name of ["z", "x", "y"]) yield* finish(name)
      const output = yield* Fiber.join(fiber)
      assert.deepStrictEqual(output, { list: "x,y,z", each: ["x", "y", "z"], none: [], end: "xyz0" })
    })
  )

  it.effect("G5: a skip spreads to what depends on it, unless that accepts it", () =>
    Effect.gen(function* () {
      const graph = TaskGraph.make("g", input)
        .add("a", echo, { input: () => "a" })
        .add("b", echo, { after: ["a"], when: ({ a }) => a !== "a", input: () => "b" })
        .add("c", echo, { after: ["b"], input: ({ b }) => `${b}c` })
        .add("d", echo, { after: ["c", "a"], join: Join.settled, input: ({ a, c }) => `${a}${String(c)}` })
        .add("e", echo, { after: ["c", "a"], join: Join.any, input: ({ a }) => `${a}e` })
        .add("f", echo, { after: ["c", "a"], join: Join.first(2), input: () => "f" })
        .addEach("g", echo, { after: ["a"], when: () => false, over: () => ["g"], input: (item) => item })
      assert.deepStrictEqual(yield* graph.run({ seed: "" }), {
        a: "a",
        b: undefined,
        c: undefined,
        d: "aundefined",
        e: "ae",
        f: undefined,
        g: undefined
      })
    })
  )

  it.effect("G6: any and first(n) start at the moment they are met, and losers go on", () =>
    Effect.gen(function* () {
      const { actor, finish, look } = makeStage()
      const graph = TaskGraph.make("g", input)
        .add("a", actor, { input: () => "a" })
        .add("b", actor, { input: () => "b" })
        .add("c", actor, { input: () => "c" })
        .add("any", echo, { after: ["a", "b", "c"], join: Join.any, input: (seen) => JSON.stringify(seen) })
        .add("two", echo, { after: ["a", "b", "c"], join: Join.first(2), input: (seen) => JSON.stringify(seen) })
      const fiber = yield* start(graph)
      for (const name of ["b", "a", "c"]) yield* finish(name)
      const output = yield* Fiber.join(fiber)
      assert.strictEqual(output.any, `{"b":"b"}`)
      assert.strictEqual(output.two, `{"a":"a","b":"b"}`)
      assert.strictEqual(output.c, "c")
      assert.strictEqual(look(), "+a +b +c -b -a -c")
    })
  )

  it.effect("G6: race interrupts the losers, except one that another node waits for", () =>
    Effect.gen(function* () {
      const { actor, finish, look } = makeStage()
      const graph = TaskGraph.make("g", { ...input, concurrency: 3 })
        .add("a", actor, { input: () => "a" })
        .add("b", actor, { input: () => "b" })
        .add("c", actor, { input: () => "c" })
        .add("late", actor, { input: () => "late" })
        .add("waits", actor, { after: ["c"], input: () => "waits" })
        .add("race", actor, { after: ["a", "b", "c", "late"], join: Join.race, input: () => "race" })
      const fiber = yield* start(graph)
      assert.strictEqual(look(), "+a +b +c")
      yield* finish("b")
      // Of the losers, a is interrupted, late never starts, c goes on.
      assert.strictEqual(look(), "-b !a +race")
      for (const name of ["race", "c", "waits"]) yield* finish(name)
      const output = yield* Fiber.join(fiber)
      assert.deepStrictEqual(output, { a: undefined, b: "b", c: "c", late: undefined, waits: "waits", race: "race" })
    })
  )

  it.effect("G7: a failure is the graph's, typed; the others are interrupted and waited for", () =>
    Effect.gen(function* () {
      const { actor, fail, look } = makeStage<Broken>()
      const cleaned = yield* Deferred.make<void>()
      const slow = Agent.compose("slow", {
        run: () => Effect.onInterrupt(Effect.never, () => Deferred.await(cleaned))
      })
      const graph = TaskGraph.make("g", { ...input, concurrency: 3 })
        .add("a", actor, { input: () => "a" })
        .add("b", actor, { input: () => "b" })
        .add("slow", slow, { input: () => "slow" })
        .add("queued", actor, { input: () => "queued" })
        .add("next", actor, { after: ["a"], input: () => "next" })
      const fiber = yield* start(
        Agent.transform(
          graph,
          Effect.catchTag("Broken", (error) => Effect.succeed(error.node))
        )
      )
      yield* fail("a", new Broken({ node: "a" }))
      assert.strictEqual(look(), "+a +b xa !b")
      assert.isUndefined(fiber.pollUnsafe())
      yield* Deferred.succeed(cleaned, undefined)
      assert.strictEqual(yield* Fiber.join(fiber), "a")
      assert.strictEqual(look(), "")
    })
  )

  it.effect("G7: an item's failure fails the fan-out and the graph", () =>
    Effect.gen(function* () {
      const { actor, fail, look } = makeStage<Broken>()
      const graph = TaskGraph.make("g", input).addEach("d", actor, {
        over: () => ["1", "2", "3"],
        input: (name) => name,
        concurrency: 2
      })
      const fiber = yield* start(graph)
      yield* fail("2", new Broken({ node: "2" }))
      assert.deepStrictEqual(yield* Effect.flip(Fiber.join(fiber)), new Broken({ node: "2" }))
      assert.strictEqual(look(), "+1 +2 x2 !1")
    })
  )

  it.effect("G7: finishIndependent runs all that does not need the failed node, and fails then", () =>
    Effect.gen(function* () {
      const torn = Agent.compose("torn", { run: (node: string) => Effect.fail(new Torn({ node })) })
      const { actor, finish, look } = makeStage()
      const graph = TaskGraph.make("g", { ...input, onFailure: "finishIndependent" })
        .add("a", fails, { input: () => "a" })
        .add("b", actor, { input: () => "b" })
        .add("c", torn, { after: ["b"], input: () => "c" })
        .add("d", actor, { after: ["a", "b"], input: () => "d" })
        .add("e", actor, { after: ["a", "b"], join: Join.any, input: () => "e" })
        .add("f", actor, { after: ["d", "e"], join: Join.settled, input: () => "f" })
      const fiber = yield* start(graph)
      yield* finish("b")
      yield* finish("e")
      const exit = yield* Fiber.await(fiber)
      assert.strictEqual(look(), "+b -b +e -e")
      const errors = Exit.isFailure(exit) ? exit.cause.reasons.filter(Cause.isFailReason).map(({ error }) => error) : []
      assert.deepStrictEqual(errors, [new Broken({ node: "a" }), new Torn({ node: "c" })])
    })
  )

  it.effect("G7: what a condition or an input throws is a defect of the graph", () =>
    Effect.gen(function* () {
      const bug = new Error("bug")
      const boom = (): never => {
        throw bug
      }
      const base = TaskGraph.make("g", input)
      const graphs: ReadonlyArray<Agent.Agent<{ readonly seed: string }, unknown>> = [
        base.add("a", echo, { when: (): boolean => boom(), input: () => "a" }),
        base.add("a", echo, { input: boom }),
        base.addEach("a", echo, { over: (): Array<string> => boom(), input: (item) => item }),
        base.addEach("a", echo, { over: () => ["x"], input: (item) => item, key: boom })
      ]
      for (const graph of graphs) {
        const exit = yield* Effect.exit(graph.run({ seed: "" }))
        assert.strictEqual(Exit.isFailure(exit) && Cause.hasDies(exit.cause) && Cause.squash(exit.cause), bug)
      }
    })
  )

  it.effect("G8: interruption reaches every node and waits for it", () =>
    Effect.gen(function* () {
      const { actor, look } = makeStage()
      const inner = TaskGraph.make("inner", input).add("deep", actor, { input: () => "deep" })
      const graph = TaskGraph.make("outer", { ...input, concurrency: 3 })
        .add("a", actor, { input: () => "a" })
        .add("inner", inner, { input: (_, i) => i })
        .addEach("each", actor, { over: () => ["1", "2"], input: (name) => name })
      const fiber = yield* start(graph)
      assert.strictEqual(look(), "+a +deep +1")
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(look(), "!a !deep !1")
    })
  )

  it.effect("G9: every node, item and skip has its place in the run", () =>
    Effect.gen(function* () {
      const { paths, record } = makeRecorder()
      const inner = TaskGraph.make("inner", input).add("deep", leaf, { input: () => "deep" })
      const graph = TaskGraph.make("release", { ...input, concurrency: 1 })
        .add("fetch", leaf, { input: () => "fetch" })
        .add("inner", inner, { input: (_, i) => i })
        .addEach("measure", leaf, {
          after: ["fetch"],
          over: () => ["web", "api"],
          input: (item) => item,
          key: (item) => item
        })
        .add("ship", leaf, { after: ["fetch"], when: () => false, input: () => "ship" })
        .add("announce", leaf, { after: ["ship"], input: () => "announce" })
      yield* record(graph.run({ seed: "" }))
      assert.deepStrictEqual(paths.toSorted(), [
        `release/announce/~NodeSkipped: {"node":"announce","reason":"its dependency \\"ship\\" was skipped"}`,
        "release/fetch/leaf",
        "release/inner/inner/deep/leaf",
        "release/measure/api/leaf",
        "release/measure/web/leaf",
        `release/ship/~NodeSkipped: {"node":"ship","reason":"its condition does not hold"}`
      ])
    })
  )

  it("G2: limits, joins and costs that make no sense are defects where they are stated", () => {
    const base = TaskGraph.make("g", input).add("a", echo, { input: () => "a" })
    assert.throws(
      () => TaskGraph.make("g", { ...input, concurrency: 0 }),
      /concurrency must be an integer from 1, got 0/
    )
    assert.throws(() => base.addEach("b", echo, { over: () => [], input: () => "b", concurrency: 1.5 }), /got 1.5/)
    assert.throws(() => Join.first(0), /count must be an integer from 1, got 0/)
    assert.throws(
      () => base.add("b", echo, { after: ["a"], join: Join.first(2), input: () => "b" }),
      /waits for 2 of 1/
    )
    assert.throws(() => base.add("b", echo, { cost: -1, input: () => "b" }), /cost of node "b"/)
    assert.throws(() => base.add("a" as never, echo, { input: () => "a" }), /is in the graph already/)
    assert.throws(
      () => base.add("b", echo, { after: ["x" as "a"], input: () => "b" }),
      /"x", which is not in the graph/
    )
  })

  it("plans and draws itself", () => {
    const graph = TaskGraph.make("g", input)
      .add("a", echo, { input: () => "a", cost: 3 })
      .add("b", echo, { after: ["a"], when: () => true, input: () => "b" })
      .addEach("c", echo, { after: ["a", "b"], join: Join.any, over: () => ["c"], input: (item) => item, cost: 2 })
    const plan = TaskGraph.plan(graph)
    assert.deepStrictEqual(plan.levels, [["a"], ["b"], ["c"]])
    assert.deepStrictEqual(plan.criticalPath, { nodes: ["a", "b", "c"], length: 6 })
    assert.deepStrictEqual(
      TaskGraph.toMermaid(graph)
        .split("\n")
        .map((line) => line.trim()),
      [
        "flowchart TD",
        `0["a"]`,
        `1{"b"}`,
        `2[["c"]]`,
        "0 --> 1",
        `0 -->|"any"| 2`,
        `1 -->|"any"| 2`,
        "linkStyle 1,2 stroke-dasharray:4"
      ]
    )
  })
})

/** A graph too long to be written down, so without its names in its type. */
const chain = (size: number, agent: Agent.Agent<number, number>) => {
  let graph: any = TaskGraph.make("chain", input)
  for (let i = 0; i < size; i++) {
    graph = graph.add(
      `n${i}`,
      agent,
      i === 0
        ? { input: () => 0 }
        : { after: [`n${i - 1}`], input: (seen: Record<string, number>) => seen[`n${i - 1}`] }
    )
  }
  return { graph: graph as Agent.Agent<{ readonly seed: string }, Record<string, number>> }
}

/** A random graph, with conditions that do not hold and joins of every kind. */
const randomGraph = (options: {
  readonly seed: number
  readonly size: number
  readonly concurrency: number
  readonly agent: Agent.Agent<string, string>
}) => {
  let state = options.seed | 0
  const next = (below: number) => {
    state = (Math.imul(state ^ (state >>> 15), 2246822519) + 0x9e3779b9) | 0
    return (state >>> 0) % below
  }
  const nodes = Array.from({ length: options.size }, (_, number) => {
    const after = [...new Set(Array.from({ length: number === 0 ? 0 : next(4) }, () => `n${next(number)}`))]
    const joins =
      after.length === 0 ? [Join.all] : [Join.all, Join.all, Join.settled, Join.any, Join.first(after.length)]
    return { id: `n${number}`, after, join: joins[next(joins.length)]!, skipped: next(6) === 0, priority: next(3) }
  })
  let graph: any = TaskGraph.make("random", { ...input, concurrency: options.concurrency })
  for (const { after, id, join, priority, skipped } of nodes) {
    graph = graph.add(id, options.agent, { after, join, priority, when: () => !skipped, input: () => id })
  }
  return {
    graph: graph as Agent.Agent<{ readonly seed: string }, Record<string, string | undefined>>,
    ids: nodes.map(({ id }) => id),
    next,
    nodes
  }
}
