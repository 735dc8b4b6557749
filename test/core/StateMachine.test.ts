import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as StateMachine from "../../src/core/StateMachine.ts"

type Door =
  | { readonly _tag: "Open" }
  | { readonly _tag: "Shut"; readonly locked: boolean }
  | { readonly _tag: "Walled" }
type Command = { readonly _tag: "Close" } | { readonly _tag: "Wall" }
type Event = { readonly _tag: "Closed"; readonly locked: boolean } | { readonly _tag: "Walled" }

const door = StateMachine.make<Door, Command, Event>("door", {
  initialState: { _tag: "Open" },
  decide: {
    Open: {
      Close: () => [{ _tag: "Closed", locked: true }],
      Wall: () => [{ _tag: "Closed", locked: true }, { _tag: "Walled" }]
    },
    Shut: { Wall: () => [{ _tag: "Walled" }] },
    Walled: {}
  },
  evolve: {
    Open: { Closed: (_, { locked }) => ({ _tag: "Shut", locked }) },
    Shut: { Walled: () => ({ _tag: "Walled" }) },
    Walled: {}
  }
})

describe("StateMachine", () => {
  it("M1: a command the table does not name is refused, and the refusal says what is accepted", () => {
    const refused = door.decide({ _tag: "Shut", locked: true }, { _tag: "Close" })
    assert(Result.isFailure(refused))
    assert.instanceOf(refused.failure, StateMachine.IllegalTransition)
    assert.deepInclude(refused.failure, { machine: "door", from: "Shut", command: "Close" })
    assert.strictEqual(refused.failure.message, "A door in state Shut refuses Close: it accepts Wall.")
  })

  it("M1: the refusal of a final state and of a wrong content are full sentences", () => {
    const final = door.refusal({ _tag: "Walled" }, { _tag: "Close" })
    assert.strictEqual(final.message, "A door in state Walled refuses Close: the state is final.")
    const wrong = door.refusal({ _tag: "Open" }, { _tag: "Close" }, "the key is lost")
    assert.strictEqual(wrong.message, "A door in state Open refuses Close: the key is lost.")
  })

  it("M1: names of Object.prototype are no commands", () => {
    const refused = door.decide({ _tag: "Open" }, { _tag: "toString" } as never)
    assert.isTrue(Result.isFailure(refused))
  })

  it("M2: an event the table does not name leaves the state as it is", () => {
    const open: Door = { _tag: "Open" }
    assert.strictEqual(door.evolve(open, { _tag: "Walled" }), open)
  })

  it("M3: a state that accepts nothing is final", () => {
    assert.isTrue(door.isFinal({ _tag: "Walled" }))
    assert.isFalse(door.isFinal({ _tag: "Open" }))
  })

  it("events of one decision apply in order", () => {
    const decided = Result.getOrThrow(door.decide(door.initialState, { _tag: "Wall" }))
    assert.deepStrictEqual(decided.reduce(door.evolve, door.initialState), { _tag: "Walled" })
  })
})
