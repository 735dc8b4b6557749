/** What one execution of a program owes to the outside world: the last one has heard everything that was recorded. */
import { Cause, Exit } from "effect"
import { Saga } from "../../../src/index.ts"

/** A transaction that was begun. `failed`: `undefined` until it has ended. */
export interface Frame {
  readonly outer: Frame | undefined
  failed: boolean | undefined
}

/** A step that has a compensation. */
interface Debt {
  readonly name: string
  readonly frame: Frame
  undone: number
}

export class Ledger {
  readonly debts: Array<Debt> = []
  readonly broken: Array<string> = []
  private readonly irreversible: Array<Frame> = []

  owe(name: string, frame: Frame): Debt {
    const debt: Debt = { name, frame, undone: 0 }
    this.debts.push(debt)
    return debt
  }

  leave(frame: Frame): void {
    this.irreversible.push(frame)
  }

  /** Does anything stay behind that no compensation takes away? */
  get staysBehind(): boolean {
    return this.irreversible.some(isDue)
  }

  /** A failed transaction names the irreversible steps of itself, and of those inside it that succeeded. */
  concluded(name: string, frame: Frame, exit: Exit.Exit<unknown, unknown>): void {
    if (Exit.isSuccess(exit) || Cause.hasInterrupts(exit.cause)) return
    const error = Cause.squash(exit.cause)
    const own = error instanceof Saga.CompensationFailed && error.transaction === name
    const named = own ? error.irreversible.length : 0
    const left = this.irreversible.filter((of) => belongsTo(of, frame)).length
    if (named !== left) this.broken.push(`${name} names ${named} irreversible steps instead of ${left}`)
  }
}

const belongsTo = (frame: Frame, to: Frame): boolean =>
  frame === to || (frame.failed === false && frame.outer !== undefined && belongsTo(frame.outer, to))

/** Is the compensation of a step due, now that its transactions have ended? Nested ones are undone with the outer ones. */
export const isDue = (frame: Frame | undefined): boolean =>
  frame !== undefined && (frame.failed === true || isDue(frame.outer))
