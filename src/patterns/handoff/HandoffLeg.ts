/** The legs of a handoff as they are kept at run time. Their types are guarded by `Handoff` and forgotten here. */
import type * as Effect from "effect/Effect"
import type * as Agent from "../../core/Agent.ts"
import type * as Saga from "../saga/Saga.ts"
import type * as Verdict from "../Verdict.ts"

/** Outputs of the legs so far, by name. */
export type Baton = { readonly [leg: string]: unknown }

/** What decides whether the baton goes on. */
export interface Gate {
  readonly name: string
  /** Index of the leg that a rejected baton goes back to. */
  readonly back: number
  readonly judge: (baton: Baton, input: unknown) => Effect.Effect<Verdict.Verdict<unknown>, unknown, any>
}

/** One agent's turn, and the gates between it and the next. */
export interface Leg {
  readonly name: string
  readonly agent: Agent.Any
  readonly input: (baton: Baton, input: unknown, feedback: ReadonlyArray<unknown>) => unknown
  readonly undo: ((output: unknown, baton: Baton) => Effect.Effect<unknown, unknown, any>) | undefined
  readonly retry: Saga.UndoOptions["retry"]
  readonly gates: ReadonlyArray<Gate>
}

/**
 * What is undone and begun anew together. A block begins at a leg that the baton can come back to, and ends with the last
 * leg that it can come back from.
 */
export interface Block {
  readonly _tag: "Block"
  readonly head: number
  readonly parts: ReadonlyArray<Part>
}

export type Part = Block | { readonly _tag: "Leg"; readonly leg: number }

/** Puts the legs into blocks, one in the other where they overlap. */
export const parts = (legs: ReadonlyArray<Leg>): ReadonlyArray<Part> => {
  const ends = endsOf(legs)
  const from = (first: number, last: number): ReadonlyArray<Part> => {
    const found: Array<Part> = []
    for (let leg = first; leg <= last; leg++) {
      const end = ends[leg]!
      found.push(end < leg ? { _tag: "Leg", leg } : block(leg, end))
      leg = Math.max(leg, end)
    }
    return found
  }
  const block = (head: number, end: number): Block => ({
    _tag: "Block",
    head,
    parts: [{ _tag: "Leg", leg: head }, ...from(head + 1, end)]
  })
  return from(0, legs.length - 1)
}

/** Of each leg, the last one of the block that begins with it. -1: no gate leads back to it. */
const endsOf = (legs: ReadonlyArray<Leg>): ReadonlyArray<number> => {
  const ends = legs.map((_, head) => legs.findLastIndex(({ gates }) => gates.some(({ back }) => back === head)))
  for (let head = legs.length - 1; head >= 0; head--) {
    // A block that would end inside of another one ends with it.
    for (let inner = head + 1; inner <= ends[head]!; inner++) ends[head] = Math.max(ends[head]!, ends[inner]!)
  }
  return ends
}
