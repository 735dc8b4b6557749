/** The auditor of the chaos suite is audited: a sound log passes, and each kind of damage is named by its invariant. */
import { assert, describe, it } from "@effect/vitest"
import type { StoredEvent } from "../../src/event-store/Envelope.ts"
import * as Invariants from "./Invariants.ts"
import type { Witness } from "./Workload.ts"

const event = (position: number, stream: string, version: number, type: string, path?: string): StoredEvent =>
  ({
    id: `id-${position}`,
    stream,
    version,
    position,
    type,
    schemaVersion: 1,
    data: {},
    meta: { timestamp: 0, ...(path === undefined ? {} : { path }) }
  }) as unknown as StoredEvent

const log: ReadonlyArray<StoredEvent> = [
  event(1, "chaos/0", 1, "Appended"),
  event(2, "run/Chaos/a", 1, "RunStarted"),
  event(3, "run/Chaos/a", 2, "StepCompleted", "work"),
  event(4, "chaos/0", 2, "Appended"),
  event(5, "run/Chaos/a", 3, "RunCompleted")
]

const witness: Witness = {
  acknowledged: new Map([
    ["id-1", { stream: "chaos/0", version: 1 }],
    ["id-4", { stream: "chaos/0", version: 2 }]
  ]),
  runs: new Map([["Chaos/a", { expected: "done", outcome: "done" }]]),
  heard: log.flatMap((one) => (one.position === 3 ? [one, log[1]!] : [one])),
  // Streams side by side, each in its order.
  handled: [log[3]!, log[1]!].flatMap((one) => log.filter(({ stream }) => stream === one.stream)),
  refused: 0
}

/** Somebody who was told all that is in this log. */
const toldAll = (log: Array<StoredEvent>): Witness => ({ ...witness, heard: log, handled: log })

/** The invariants that are broken, each once. */
const broken = (witness: Witness, log: ReadonlyArray<StoredEvent>) => [
  ...new Set(Invariants.problems(witness, log).map((problem) => problem.slice(0, 2)))
]

const without = (position: number) => log.filter((one) => one.position !== position)

describe("invariants of the chaos suite", () => {
  it("a sound log passes, heard at least once", () => {
    assert.deepStrictEqual(Invariants.problems(witness, log), [])
  })

  it("X1: an acknowledged event that is lost, or lies elsewhere", () => {
    assert.include(broken(toldAll(without(4)), without(4)), "X1")
    const moved = new Map([...witness.acknowledged, ["id-4", { stream: "chaos/0", version: 3 }] as const])
    assert.deepStrictEqual(broken({ ...witness, acknowledged: moved }, log), ["X1"])
  })

  it("X2: a gap, two outcomes of a step, a run that begins twice, a log out of order", () => {
    const gap = log.map((one) => (one.position === 5 ? { ...one, version: 4 } : one)) as ReadonlyArray<StoredEvent>
    assert.deepStrictEqual(broken(witness, gap), ["X2"])
    const twice = [
      ...log.slice(0, 4),
      event(6, "run/Chaos/a", 3, "StepCompleted", "work"),
      event(7, "run/Chaos/a", 4, "RunCompleted")
    ]
    assert.deepStrictEqual(broken(toldAll(twice), twice), ["X2"])
    const again = [...log, event(6, "run/Chaos/a", 4, "RunStarted")]
    assert.deepStrictEqual(broken(toldAll(again), again), ["X2"])
    const swapped = [log[1]!, log[0]!, ...log.slice(2)]
    assert.deepStrictEqual(broken(witness, swapped), ["X2"])
  })

  it("X3: an accepted run without an end, or with another", () => {
    assert.deepStrictEqual(broken(toldAll(without(5)), without(5)), ["X3"])
    const other = new Map([["Chaos/a", { expected: "done", outcome: "undone" }]])
    assert.deepStrictEqual(broken({ ...witness, runs: other }, log), ["X3"])
  })

  it("X4: an event that nobody was told of, or that occurs twice", () => {
    const stranger = [...log, event(6, "chaos/0", 3, "Appended")]
    assert.deepStrictEqual(broken(toldAll(stranger), stranger), ["X4"])
    const twice = [...log, { ...log[3]!, version: 3, position: 6 } as StoredEvent]
    assert.include(broken(witness, twice), "X4")
  })

  it("X5: an event that the subscriber missed, heard too early, or dreamt", () => {
    assert.deepStrictEqual(broken({ ...witness, heard: without(4) }, log), ["X5"])
    const early = [log[0]!, log[2]!, log[1]!, ...log.slice(3)]
    assert.deepStrictEqual(broken({ ...witness, heard: early }, log), ["X5"])
    const ghost = [...log, event(9, "chaos/0", 9, "Appended")]
    assert.deepStrictEqual(broken({ ...witness, heard: ghost }, log), ["X5"])
  })
  it("X6: an event that the durable subscriber missed, or handled too early for its stream", () => {
    assert.deepStrictEqual(broken({ ...witness, handled: without(4) }, log), ["X6"])
    const early = [log[3]!, log[0]!, log[1]!, log[2]!, log[4]!]
    assert.deepStrictEqual(broken({ ...witness, handled: early }, log), ["X6"])
  })
})
