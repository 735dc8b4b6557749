import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import * as Routing from "../../src/patterns/supervisor/Routing.ts"
import { WorkerHeap } from "../../src/patterns/supervisor/WorkerHeap.ts"

const names = ["alice", "bob", "carol", "dave", "erin"]
const none: ReadonlySet<number> = new Set()

/** A roster that tests can change, and a router told of each change. */
const setUp = <In = unknown>(routing: Routing.Routing<In>, capabilities: ReadonlyArray<ReadonlyArray<string>> = []) => {
  const load = names.map(() => 0)
  const away = new Set<number>()
  const router = routing.makeRouter(
    {
      names,
      capabilities: (worker) => capabilities[worker] ?? [],
      inFlight: (worker) => load[worker]!,
      isAvailable: (worker) => !away.has(worker)
    },
    names.map((_, worker) => worker)
  )
  return {
    load,
    away,
    set: (worker: number, change: () => void) => {
      change()
      router.changed(worker)
    },
    choose: (input: In, excluded = none) => router.choose(input, excluded),
    name: (input: In, excluded = none) => {
      const choice = router.choose(input, excluded)
      return choice === undefined ? undefined : names[choice.worker]
    }
  }
}

const Worker = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: names.length - 1 }))
const Command = Schema.Union([
  Schema.TaggedStruct("Choose", { excluded: Schema.Array(Worker).check(Schema.isMaxLength(5)) }),
  Schema.TaggedStruct("Finish", { worker: Worker }),
  Schema.TaggedStruct("Leave", { worker: Worker }),
  Schema.TaggedStruct("Return", { worker: Worker })
])
const Commands = Schema.Array(Command).check(Schema.isMaxLength(60))

const builtIn: ReadonlyArray<Routing.Routing<unknown>> = [
  Routing.roundRobin,
  Routing.leastLoaded,
  Routing.weighted({ alice: 5, bob: 2 }),
  Routing.byCapability(() => []),
  Routing.byCapability(() => ["x"], Routing.roundRobin),
  Routing.make("first", (_, candidates) => candidates[0]?.name)
]

describe("Routing", () => {
  for (const routing of builtIn) {
    it.prop(`T1, T3, T6: ${routing.name} follows the model`, [Commands], ([commands]) => {
      const capable = routing.name === "byCapability(roundRobin)" ? [0, 2, 3] : [0, 1, 2, 3, 4]
      const { away, choose, load, set } = setUp(routing, [["x"], [], ["x"], ["x", "y"], []])
      for (const command of commands) {
        switch (command._tag) {
          case "Choose": {
            const excluded = new Set(command.excluded)
            const open = capable.filter((worker) => !away.has(worker) && !excluded.has(worker))
            const choice = choose(undefined, excluded)
            if (open.length === 0) {
              assert.isUndefined(choice)
              break
            }
            assert.include(open, choice?.worker)
            assert.isTrue(choice!.confidence >= 0 && choice!.confidence <= 1)
            if (routing.name.includes("leastLoaded") || routing.name === "byCapability(leastLoaded)") {
              const least = Math.min(...open.map((worker) => load[worker]!))
              assert.strictEqual(
                choice!.worker,
                open.find((worker) => load[worker] === least)
              )
            }
            set(choice!.worker, () => load[choice!.worker]!++)
            break
          }
          case "Finish":
            set(command.worker, () => (load[command.worker] = Math.max(0, load[command.worker]! - 1)))
            break
          case "Leave":
            set(command.worker, () => away.add(command.worker))
            break
          case "Return":
            set(command.worker, () => away.delete(command.worker))
        }
      }
    })
  }

  it("T2: roundRobin takes turns in the order of declaration", () => {
    const { away, name, set } = setUp(Routing.roundRobin)
    const turns = (count: number) => Array.from({ length: count }, () => name(undefined))
    assert.deepStrictEqual(turns(7), [...names, "alice", "bob"])
    set(2, () => away.add(2))
    assert.deepStrictEqual(turns(4), ["dave", "erin", "alice", "bob"])
  })

  it("T2: who comes back does not catch up on missed turns", () => {
    const { away, name, set } = setUp(Routing.roundRobin)
    set(0, () => away.add(0))
    for (let turn = 0; turn < 40; turn++) name(undefined)
    set(0, () => away.delete(0))
    // One turn at once, for the round it comes into; then one a round, and none of the ten it missed.
    const turns = Array.from({ length: 21 }, () => name(undefined))
    assert.strictEqual(turns.filter((worker) => worker === "alice").length, 5)
  })

  it.prop(
    "T4: weighted gives each worker its weight in each cycle",
    [
      Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 9 }))).check(
        Schema.isMinLength(5),
        Schema.isMaxLength(5)
      )
    ],
    ([weights]) => {
      const total = weights.reduce((sum, weight) => sum + weight, 0)
      const { name } = setUp(Routing.weighted(Object.fromEntries(names.map((worker, i) => [worker, weights[i]!]))))
      for (let cycle = 0; cycle < 5; cycle++) {
        const counts = new Map<string | undefined, number>()
        for (let turn = 0; turn < total; turn++) {
          const worker = name(undefined)
          counts.set(worker, (counts.get(worker) ?? 0) + 1)
        }
        names.forEach((worker, i) => assert.strictEqual(counts.get(worker) ?? 0, weights[i]))
      }
    }
  )

  it("T4: weighted spreads the turns of a heavy worker", () => {
    const { name } = setUp(Routing.weighted({ alice: 4, bob: 2, carol: 2, dave: 0, erin: 0 }))
    const turns = Array.from({ length: 8 }, () => name(undefined))
    assert.deepStrictEqual(turns, ["alice", "bob", "carol", "alice", "alice", "bob", "carol", "alice"])
    const heavy = setUp(Routing.weighted({ alice: 4, bob: 1, carol: 1, dave: 0, erin: 0 }))
    const cycle = Array.from({ length: 6 }, () => heavy.name(undefined))
    assert.deepStrictEqual(cycle, ["alice", "alice", "bob", "carol", "alice", "alice"])
  })

  it("T5: byCapability asks for all capabilities, and breaks ties as told", () => {
    const has = [["ts"], ["ts", "sql"], ["sql", "ts"], ["sql"], []]
    const { name } = setUp(
      Routing.byCapability((input: ReadonlyArray<string>) => input, Routing.roundRobin),
      has
    )
    assert.deepStrictEqual([name(["ts", "sql"]), name(["sql", "ts"]), name(["ts", "sql"])], ["bob", "carol", "bob"])
    assert.strictEqual(name(["ts"]), "alice")
    assert.isUndefined(name(["cobol"]))
    assert.strictEqual(name([]), "alice")
  })

  it("T5: many different needs are forgotten again, and still answered", () => {
    const all = Array.from({ length: 200 }, (_, i) => `skill ${i}`)
    const { load, name, set } = setUp(
      Routing.byCapability((input: string) => [input]),
      [all, all]
    )
    for (const need of all) assert.strictEqual(name(need), "alice")
    set(0, () => load[0]!++)
    for (const need of all) assert.strictEqual(name(need), "bob")
  })

  it("T6: confidence tells the idle from the busy, and the share of turns", () => {
    const least = setUp(Routing.leastLoaded)
    assert.strictEqual(least.choose(undefined)?.confidence, 1)
    names.forEach((_, worker) => least.set(worker, () => (least.load[worker] = 3)))
    assert.strictEqual(least.choose(undefined)?.confidence, 0.25)
    assert.strictEqual(setUp(Routing.roundRobin).choose(undefined)?.confidence, 0.2)
    assert.strictEqual(setUp(Routing.weighted({ alice: 6 })).choose(undefined)?.confidence, 0.6)
  })

  it("mistakes are named where they are made", () => {
    assert.throws(() => Routing.weighted({ alice: -1 }), 'weight of "alice" must be >= 0, got -1')
    assert.throws(() => setUp(Routing.weighted({ zoe: 1 })), 'a weight is given for "zoe", which is no worker')
    assert.throws(() => setUp(Routing.make("odd", () => "zoe")).name(undefined), 'routing "odd" chose "zoe"')
  })
})

describe("WorkerHeap", () => {
  const Worker = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 31 }))
  /** 16 and more: take it out. */
  const Change = Schema.Tuple([Worker, Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 31 }))])

  it.prop(
    "gives back what was put in, smallest key first, ties by number",
    [Schema.Array(Change).check(Schema.isMinLength(100), Schema.isMaxLength(200))],
    ([changes]) => {
      const heap = new WorkerHeap(32)
      const model = new Map<number, number>()
      for (const [worker, key] of changes) {
        if (key > 15) {
          heap.remove(worker)
          model.delete(worker)
        } else {
          heap.set(worker, key)
          model.set(worker, key)
        }
        assert.strictEqual(heap.size, model.size)
      }
      const expected = [...model].toSorted(([a, x], [b, y]) => x - y || a - b).map(([worker]) => worker)
      assert.strictEqual(heap.first(new Set(expected.slice(0, 5))), expected[5])
      const drained: Array<number> = []
      for (let next = heap.first(new Set()); next !== undefined; next = heap.first(new Set())) {
        drained.push(next)
        heap.remove(next)
      }
      assert.deepStrictEqual(drained, expected)
    }
  )
})
