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
import * as AnyError from "../core/AnyError.ts"
import * as Run from "../core/Run.ts"
import { sleepUntil } from "./Alarm.ts"
import type { Entry, Unfinished } from "./RunHistory.ts"
import type { RunJournal } from "./RunJournal.ts"

/** The run, as its steps need it. */
export interface Host {
  /** Run and generation: what makes a path unique. After `continueAsNew` the same path is another step. */
  readonly keyPrefix: string
  readonly journal: RunJournal
  readonly startMarkers: boolean
  /** What follows once an answer is recorded. */
  recorded<A, E>(answer: Effect.Effect<A, E>): Effect.Effect<A, E>
  /** To be called once for each step: when its outcome is recorded, or when there is none. */
  ended(spec: Run.StepSpec<any, any, any>): void
  /** Waits for the next try. Nothing is under way meanwhile; an engine that stops does not wait for it, and begins none. */
  untilNextTry(spec: Run.StepSpec<any, any, any>, wait: Effect.Effect<void>, open: Run.Reopen): Effect.Effect<void>
}

/** What a step is carried out with. */
export interface StepCall<A, E, R> {
  readonly host: Host
  readonly spec: Run.StepSpec<A, E, R>
  readonly path: string
  readonly digest: string
  /** Makes a part of the call interruptible again. */
  readonly open: <A2, E2, R2>(effect: Effect.Effect<A2, E2, R2>) => Effect.Effect<A2, E2, R2>
}

/** Runs and records. To be called uninterruptibly. */
export const execute = <A, E, R>(
  call: StepCall<A, E, R>,
  unfinished: Unfinished | undefined
): Effect.Effect<A, E, R> => {
  const { host, path, spec } = call
  host.journal.causes.asked(path, unfinished?.lastId)
  if (unfinished?.started !== undefined && !spec.idempotent) return reconcile(call, unfinished.started.at)
  const tried = spec.retry === undefined ? attempt(call, 1) : attempts(call, spec.retry, unfinished?.attempts ?? [])
  return Effect.matchCauseEffect(tried, {
    onSuccess: (value) => succeeded(call, value),
    onFailure: (cause) => failed(call, cause)
  })
}

const idempotencyKey = ({ host, path }: StepCall<any, any, any>) => `${host.keyPrefix}/${path}`

const attempt = <A, E, R>(call: StepCall<A, E, R>, number: number): Effect.Effect<A, E, R> => {
  const { digest, host, open, path, spec } = call
  const body = open(
    Run.detached(
      Effect.suspend(() => {
        const causationId = host.journal.causes.of(path)
        return spec.attempt({ attempt: number, idempotencyKey: idempotencyKey(call), causationId })
      })
    )
  )
  if (!spec.idempotent) {
    return Effect.andThen(host.journal.announce({ type: "StepStarted", path, data: { digest } }, open), body)
  }
  return host.startMarkers ? Effect.andThen(host.journal.submit("StepStarted", path, { digest }), body) : body
}

/** Tries until the schedule ends, with every failure and the moment of the next try in the journal. */
const attempts = <A, E, R>(
  call: StepCall<A, E, R>,
  schedule: Schedule.Schedule<unknown, E, never, R>,
  before: Unfinished["attempts"]
): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    const next = yield* Schedule.toStep(schedule)
    const waitUntil = (time: number) => call.host.untilNextTry(call.spec, sleepUntil(time), call.open)
    for (const { at, error } of before) {
      const decoded = call.spec.codec.decodeError(error)
      if (Exit.isSuccess(decoded)) yield* Effect.exit(next(at, decoded.value))
    }
    const last = before.at(-1)
    if (last !== undefined) yield* waitUntil(last.retryAt)
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
      const data = { attempt: number, error: encoded.value, retryAt }
      yield* call.host.journal.announce({ type: "StepAttemptFailed", path: call.path, data }, call.open)
      yield* waitUntil(retryAt)
    }
  }) as Effect.Effect<A, E, R>

const reconcile = <A, E, R>(call: StepCall<A, E, R>, startedAt: number): Effect.Effect<A, E, R> => {
  const { spec } = call
  const unknown = Effect.suspend(() => {
    const error = spec.onUnknown?.({ path: call.path, idempotencyKey: idempotencyKey(call), startedAt })
    return error === undefined ? execute(call, undefined) : failed(call, Cause.fail(error))
  })
  if (spec.reconcile === undefined) return unknown
  return Effect.matchCauseEffect(call.open(Run.detached(spec.reconcile(idempotencyKey(call)))), {
    onSuccess: (answer) => {
      switch (answer._tag) {
        case "Done":
          return succeeded(call, answer.value)
        case "NeverRan":
          return execute(call, undefined)
        case "Unknown":
          return unknown
      }
    },
    onFailure: (cause) => failed(call, cause)
  })
}

const succeeded = <A, E, R>(call: StepCall<A, E, R>, value: A): Effect.Effect<A, E, R> => {
  const encoded = call.spec.codec.encodeSuccess(value)
  if (Exit.isFailure(encoded)) {
    const issue = Cause.findErrorOption(encoded.cause)
    return failed(
      call,
      issue._tag === "Some" ? Cause.fail(call.spec.onUnencodable(issue.value)) : (encoded.cause as never)
    )
  }
  const { digest, host, path, spec } = call
  return host.journal.record({ type: "StepCompleted", path, data: { digest, output: encoded.value } }, () => {
    host.ended(spec)
    return host.recorded(Effect.succeed(value))
  })
}

/** An interruption is no outcome: who caused it says how the program goes on. */
const failed = <A, E, R>(call: StepCall<A, E, R>, cause: Cause.Cause<E>): Effect.Effect<A, E, R> => {
  if (Cause.hasInterrupts(cause)) {
    call.host.ended(call.spec)
    return Effect.failCause(cause)
  }
  const error = Cause.findErrorOption(cause)
  const encoded = error._tag === "Some" ? call.spec.codec.encodeError(error.value) : undefined
  const outcome =
    encoded !== undefined && Exit.isSuccess(encoded)
      ? { digest: call.digest, error: encoded.value }
      : { digest: call.digest, defect: AnyError.encode(Cause.squash(cause)) }
  const { host, path, spec } = call
  return host.journal.record({ type: "StepFailed", path, data: outcome }, () => {
    host.ended(spec)
    return host.recorded(Effect.failCause(cause))
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
  if (!("error" in entry.data)) return Effect.die(AnyError.decode(entry.data.defect))
  const error = spec.codec.decodeError(entry.data.error)
  return Exit.isSuccess(error) ? Effect.fail(error.value) : undefined
}
