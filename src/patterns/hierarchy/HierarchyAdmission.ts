/**
 * How many delegations one call of a lead may make, and have in flight.
 *
 * Plain synchronous state of this process. In a run, whoever is admitted is recorded: branches that race for a place meet
 * another order on replay.
 */
import * as Effect from "effect/Effect"
import { recorded } from "./HierarchyRecord.ts"

export interface Limits {
  /** Levels of delegation below a lead. */
  readonly depth: number
  /** Delegations in one call of a lead. */
  readonly fanOut: number
  /** Delegations in flight in one call of a lead. */
  readonly inFlight: number
  /** Delegations that wait for one of those to end. */
  readonly waiting: number
  /** Unread messages of a member. */
  readonly mailbox: number
}

const defaults: Limits = { depth: 32, fanOut: Infinity, inFlight: Infinity, waiting: 1024, mailbox: 1024 }

/** Fills in what was left out. A limit that is no number from its minimum is a mistake. */
export const limitsOf = (hierarchy: string, options: Partial<Limits> = {}): Limits => {
  const limits = { ...defaults, ...options }
  for (const [name, limit] of Object.entries(limits)) {
    const least = name === "waiting" ? 0 : 1
    if (!(limit >= least && (limit === Infinity || Number.isInteger(limit)))) {
      throw new RangeError(`limit "${name}" of hierarchy "${hierarchy}" must be an integer from ${least}, got ${limit}`)
    }
  }
  return limits
}

export type Verdict = "admitted" | "fanOut" | "waiting"

/** One delegation, from its admission to its end. */
interface Ticket {
  state: "Outside" | "Inside"
  wake: (() => void) | undefined
}

export class Admission {
  private readonly limits: Limits
  private readonly line = new Set<Ticket>()
  private delegations = 0
  private inFlight = 0

  constructor(limits: Limits) {
    this.limits = limits
  }

  /** Runs the effect if, and as soon as, the limits allow. Gives its place back however it ends. */
  admit<A, E, R, E2>(
    self: Effect.Effect<A, E, R>,
    refused: (limit: Exclude<Verdict, "admitted">) => Effect.Effect<never, E2>
  ): Effect.Effect<A, E | E2, R> {
    if (this.limits.fanOut === Infinity && this.limits.inFlight === Infinity) return self
    return Effect.suspend((): Effect.Effect<A, E | E2, R> => {
      const ticket: Ticket = { state: "Outside", wake: undefined }
      const admission = recorded<Verdict>("admission", {
        live: (changed) =>
          Effect.map(
            Effect.suspend(() => this.request(ticket)),
            changed
          ),
        replayed: (verdict) => {
          if (verdict === "admitted") this.enter(ticket)
        }
      })
      const answered = Effect.flatMap(admission, (verdict): Effect.Effect<A, E | E2, R> =>
        verdict === "admitted" ? self : refused(verdict)
      )
      return Effect.ensuring(
        answered,
        Effect.sync(() => this.leave(ticket))
      )
    })
  }

  private request(ticket: Ticket): Effect.Effect<Verdict> {
    const { fanOut, inFlight, waiting } = this.limits
    if (this.delegations + this.line.size >= fanOut) return Effect.succeed("fanOut")
    if (this.inFlight < inFlight) {
      this.enter(ticket)
      return Effect.succeed("admitted")
    }
    if (this.line.size >= waiting) return Effect.succeed("waiting")
    // In line before anything else can run: whoever comes next counts it.
    this.line.add(ticket)
    return Effect.as(entered(ticket), "admitted")
  }

  /** Takes a place whatever the limits say: they were asked. */
  private enter(ticket: Ticket): void {
    ticket.state = "Inside"
    this.delegations++
    this.inFlight++
  }

  private leave(ticket: Ticket): void {
    this.line.delete(ticket)
    if (ticket.state !== "Inside") return
    ticket.state = "Outside"
    this.inFlight--
    const [next] = this.line
    if (next === undefined || this.inFlight >= this.limits.inFlight) return
    this.line.delete(next)
    this.enter(next)
    next.wake?.()
  }
}

const entered = (ticket: Ticket): Effect.Effect<void> =>
  Effect.callback((resume) => {
    ticket.wake = () => resume(Effect.void)
    if (ticket.state === "Inside") ticket.wake()
  })
