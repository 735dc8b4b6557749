/**
 * Carries out one step that has no recorded outcome yet, and records it.
 *
 * At least once, recorded once: a step whose owner died between its effect and its record is *unknown*. An idempotent
 * one is run again with the same idempotency key. One that is not has a start marker in the journal: its `reconcile` is
 * asked, and without an answer it fails with `UnknownOutcome`.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as SchemaParser from "effect/SchemaParser"
import * as Run from "../core/Run.ts"
import type { Entry, Unfinished } from "./RunHistory.ts"
import type { RunJournal } from "./RunJournal.ts"

const defects = Schema.toCodecJson(Schema.Defect())
export const encodeDefect = SchemaParser.encodeUnknownSync(defects)
export const decodeDefect = SchemaParser.decodeUnknownSync(defects)

/** What a step is carried out with. */
export interface StepCall<A, E, R> {
  readonly spec: Run.StepSpec<A, E, R>
  readonly path: string
  readonly digest: string
  /** Run and generation: what makes the path unique. */
  readonly keyPrefix: string
  readonly journal: RunJournal
  readonly unfinished: Unfinished | undefined
  readonly startMarkers: boolean
  /** Makes a part of the call interruptible again. */
  readonly open: <A2, E2, R2>(effect: Effect.Effect<A2, E2, R2>) => Effect.Effect<A2, E2, R2>
  readonly recorded: <A2, E2>(answer: Effect.Effect<A2, E2>) => Effect.Effect<A2, E2>
  /** To be called once: when the outcome is recorded, or when there is none. */
  readonly ended: () => void
}

/** Runs and records. To be called uninterruptibly. */
export const execute = <A, E, R>(call: StepCall<A, E, R>): Effect.Effect<A, E, R> => {
  const { spec, unfinished } = call
  if (unfinished?.started !== undefined && !spec.idempotent) return reconcile(call, unfinished.started.at)
  if (spec.retry !== undefined)
    return Effect.flatMap(Effect.exit(attempts(call, spec.retry)), (exit) => settle(call, exit))
  return Effect.matchCauseEffect(attempt(call, 1), {
    onSuccess: (value) => succeeded(call, value),
    onFailure: (cause) => failed(call, cause)
  })
}

const idempotencyKey = (call: StepCall<any, any, any>) => `${call.keyPrefix}/${call.path}`

const attempt = <A, E, R>(call: StepCall<A, E, R>, number: number): Effect.Effect<A, E, R> => {
  const { digest, journal, open, path, spec } = call
  const body = open(
    Run.detached(Effect.suspend(() => spec.attempt({ attempt: number, idempotencyKey: idempotencyKey(call) })))
  )
  if (!spec.idempotent) return Effect.andThen(journal.append("StepStarted", path, { digest }), body)
  return call.startMarkers ? Effect.andThen(journal.submit("StepStarted", path, { digest }), body) : body
}

/** Tries until the schedule ends, with every failure and the moment of the next try in the journal. */
const attempts = <A, E, R>(
  call: StepCall<A, E, R>,
  schedule: Schedule.Schedule<unknown, E, never, R>
): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    const next = yield* Schedule.toStep(schedule)
    const before = call.unfinished?.attempts ?? []
    for (const { at, error } of before) {
      const decoded = call.spec.codec.decodeError(error)
      if (Exit.isSuccess(decoded)) yield* Effect.exit(next(at, decoded.value))
    }
    const last = before.at(-1)
    if (last !== undefined) yield* call.open(sleepUntil(last.retryAt))
    for (let number = before.length + 1; ; number++) {
      const exit = yield* Effect.exit(attempt(call, number))
      if (Exit.isSuccess(exit) || Cause.hasInterrupts(exit.cause)) return yield* exit
      const error = Cause.findErrorOption(exit.cause)
      if (error._tag === "None") return yield* exit
      const now = yield* Clock.currentTimeMillis
      const decided = yield* Effect.exit(next(now, error.value))
      const encoded = call.spec.codec.encodeError(error.value)
      if (Exit.isFailure(decided) || Exit.isFailure(encoded)) return yield* exit
      const retryAt = now + Duration.toMillis(decided.value[1])
      yield* call.journal.append("StepAttemptFailed", call.path, { attempt: number, error: encoded.value, retryAt })
      yield* call.open(sleepUntil(retryAt))
    }
  }) as Effect.Effect<A, E, R>

export const sleepUntil = (deadline: number): Effect.Effect<void> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) => (deadline > now ? Effect.sleep(deadline - now) : Effect.void))

const reconcile = <A, E, R>(call: StepCall<A, E, R>, startedAt: number): Effect.Effect<A, E, R> => {
  const { spec } = call
  const unknown = Effect.suspend(() => {
    const error = spec.onUnknown?.({ path: call.path, idempotencyKey: idempotencyKey(call), startedAt })
    return error === undefined ? execute({ ...call, unfinished: undefined }) : failed(call, Cause.fail(error))
  })
  if (spec.reconcile === undefined) return unknown
  return Effect.flatMap(call.open(Run.detached(spec.reconcile(idempotencyKey(call)))), (answer) => {
    switch (answer._tag) {
      case "Done":
        return succeeded(call, answer.value)
      case "NeverRan":
        return execute({ ...call, unfinished: undefined })
      case "Unknown":
        return unknown
    }
  })
}

const settle = <A, E, R>(call: StepCall<A, E, R>, exit: Exit.Exit<A, E>): Effect.Effect<A, E, R> =>
  Exit.isSuccess(exit) ? succeeded(call, exit.value) : failed(call, exit.cause)

const succeeded = <A, E, R>(call: StepCall<A, E, R>, value: A): Effect.Effect<A, E, R> => {
  const encoded = call.spec.codec.encodeSuccess(value)
  if (Exit.isFailure(encoded)) {
    const issue = Cause.findErrorOption(encoded.cause)
    return failed(
      call,
      issue._tag === "Some" ? Cause.fail(call.spec.onUnencodable(issue.value)) : (encoded.cause as never)
    )
  }
  return Effect.flatMap(
    call.journal.append("StepCompleted", call.path, { digest: call.digest, output: encoded.value }),
    () => {
      call.ended()
      return call.recorded(Effect.succeed(value))
    }
  )
}

/** An interruption is no outcome: who caused it says how the program goes on. */
const failed = <A, E, R>(call: StepCall<A, E, R>, cause: Cause.Cause<E>): Effect.Effect<A, E, R> => {
  if (Cause.hasInterrupts(cause)) {
    call.ended()
    return Effect.failCause(cause)
  }
  const error = Cause.findErrorOption(cause)
  const encoded = error._tag === "Some" ? call.spec.codec.encodeError(error.value) : undefined
  const outcome =
    encoded !== undefined && Exit.isSuccess(encoded)
      ? { digest: call.digest, error: encoded.value }
      : { digest: call.digest, defect: encodeDefect(Cause.squash(cause)) }
  return Effect.flatMap(call.journal.append("StepFailed", call.path, outcome), () => {
    call.ended()
    return call.recorded(Effect.failCause(cause))
  })
}

/** The answer that a recorded outcome gives. `undefined`: it does not fit the step as it is now. */
export const answer = <A, E>(
  spec: Run.StepSpec<A, E, any>,
  digest: string,
  entry: Entry
): Effect.Effect<A, E> | undefined => {
  if (entry.data.digest !== digest) return undefined
  if (entry.type === "StepCompleted") {
    const value = spec.codec.decodeSuccess(entry.data.output)
    return Exit.isSuccess(value) ? Effect.succeed(value.value) : undefined
  }
  if (entry.type !== "StepFailed") return undefined
  if (!("error" in entry.data)) return Effect.die(decodeDefect(entry.data.defect))
  const error = spec.codec.decodeError(entry.data.error)
  return Exit.isSuccess(error) ? Effect.fail(error.value) : undefined
}
