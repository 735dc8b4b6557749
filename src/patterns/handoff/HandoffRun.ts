/** Carries the baton from leg to leg. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaParser from "effect/SchemaParser"
import * as PatternEvent from "../../core/PatternEvent.ts"
import * as Run from "../../core/Run.ts"
import type * as Task from "../../core/Task.ts"
import { HandoffRejected, type Rejection } from "./HandoffError.ts"
import { type Baton, type Block, type Gate, type Leg, type Part, parts } from "./HandoffLeg.ts"
import * as Saga from "../saga/Saga.ts"
import type * as Verdict from "../Verdict.ts"

export interface Settings {
  readonly name: string
  readonly input: Task.DataSchema
  readonly feedback: Task.DataSchema
  readonly returns: number
}

/** A handoff, ready to be run. */
export interface Course extends Settings {
  readonly legs: ReadonlyArray<Leg>
  readonly parts: ReadonlyArray<Part>
  readonly encodeFeedback: (feedback: unknown) => Schema.Json
}

export const course = (legs: ReadonlyArray<Leg>, settings: Settings): Course => ({
  ...settings,
  legs,
  parts: parts(legs),
  encodeFeedback: SchemaParser.encodeUnknownSync(Schema.toCodecJson(settings.feedback))
})

/** Fails the block in which the baton was rejected, so that it is undone, and is caught by the block it goes back to. */
class SentBack extends Schema.TaggedError<SentBack>()("SentBack", {
  gate: Schema.String,
  /** Index of the leg it goes back to, and name. */
  back: Schema.Int,
  leg: Schema.String
}) {
  override get message(): string {
    return `gate "${this.gate}" sent the baton back to "${this.leg}"`
  }
}

/** One run of the course. */
interface Journey {
  readonly course: Course
  readonly input: unknown
  readonly attempts: Array<number>
  readonly rejections: Array<Rejection>
  /** What each leg was told, by those who sent the baton back over it. */
  readonly feedback: Array<ReadonlyArray<unknown>>
  holder: string
}

export const run = (course: Course, input: unknown): Effect.Effect<Baton, any, any> =>
  Effect.suspend(() => {
    const journey: Journey = {
      course,
      input,
      attempts: course.legs.map(() => 0),
      rejections: [],
      feedback: course.legs.map(() => []),
      holder: course.name
    }
    return runParts(journey, course.parts, {}).pipe(Saga.transaction(course.name))
  })

type Carried = Effect.Effect<Baton, any, any>

const runParts = (journey: Journey, parts: ReadonlyArray<Part>, baton: Baton): Carried =>
  Effect.gen(function* () {
    let carried = baton
    for (const part of parts) {
      carried = yield* part._tag === "Block" ? runBlock(journey, part, carried) : runScoped(journey, part.leg, carried)
    }
    return carried
  })

/** Runs the block as a transaction of its own: undone as a whole, and begun anew, when the baton comes back to its head. */
const runBlock = (journey: Journey, block: Block, baton: Baton): Carried => {
  const [, ...rest] = block.parts
  // The scope of the transaction is that of its first leg.
  const attempt = Effect.flatMap(runLeg(journey, block.head, baton), (carried) =>
    runParts(journey, rest, carried)
  ).pipe(Saga.transaction(journey.course.legs[block.head]!.name))
  const again: Carried = Effect.catchIf(
    attempt,
    (error) => error instanceof SentBack && error.back === block.head,
    () => again
  )
  return again
}

const runScoped = (journey: Journey, leg: number, baton: Baton): Carried =>
  Run.scoped(journey.course.legs[leg]!.name)(runLeg(journey, leg, baton))

const runLeg = (journey: Journey, index: number, baton: Baton): Carried =>
  Effect.gen(function* () {
    const leg = journey.course.legs[index]!
    yield* takeOver(journey, index)
    const call = leg.agent.run(leg.input(baton, journey.input, journey.feedback[index]!))
    const output = yield* undoable(leg, baton, call)
    const carried = { ...baton, [leg.name]: output }
    for (const gate of leg.gates) {
      const verdict = yield* Run.scoped(gate.name)(gate.judge(carried, journey.input))
      if (verdict._tag === "Rejected") return yield* sendBack(journey, { gate, leg: index, verdict })
    }
    return carried
  })

/** From here on, the leg holds the baton, and nobody else. */
const takeOver = (journey: Journey, index: number): Effect.Effect<void> =>
  Effect.suspend(() => {
    const from = journey.holder
    journey.holder = journey.course.legs[index]!.name
    const attempt = ++journey.attempts[index]!
    return PatternEvent.record({ _tag: "HandedOff", from, to: journey.holder, attempt })
  })

const undoable = (leg: Leg, baton: Baton, call: Effect.Effect<unknown, any, any>): Effect.Effect<unknown, any, any> => {
  const { name, retry, undo } = leg
  if (undo === undefined) return call
  return call.pipe(Saga.undo((output) => undo(output, baton), { name, ...(retry === undefined ? {} : { retry }) }))
}

interface Rejecting {
  readonly gate: Gate
  readonly leg: number
  readonly verdict: Verdict.Rejected<unknown>
}

/** Fails, up to the block that the baton goes back to, or to the end if it may go back no more. */
const sendBack = (
  journey: Journey,
  { gate, leg, verdict }: Rejecting
): Effect.Effect<never, SentBack | HandoffRejected> =>
  Effect.suspend(() => {
    const { encodeFeedback, legs, name, returns } = journey.course
    const feedback = encodeFeedback(verdict.feedback)
    const rejection: Rejection = { gate: gate.name, leg: legs[leg]!.name, back: legs[gate.back]!.name, feedback }
    journey.rejections.push(rejection)
    for (let index = gate.back; index <= leg; index++) {
      journey.feedback[index] = [...journey.feedback[index]!, verdict.feedback]
    }
    const failure =
      journey.rejections.length > returns
        ? new HandoffRejected({
            handoff: name,
            leg: rejection.leg,
            gate: gate.name,
            returns,
            rejections: [...journey.rejections]
          })
        : new SentBack({ gate: gate.name, back: gate.back, leg: rejection.back })
    return Effect.andThen(PatternEvent.state({ _tag: "GateRejected", ...rejection }), Effect.fail(failure))
  })
