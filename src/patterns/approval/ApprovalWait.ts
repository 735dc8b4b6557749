/**
 * One request for approval, from the question to the answer.
 *
 * It waits at one place for one signal, which brings answers and delegations alike, and wakes for reminders and for the
 * deadline. When it wakes it reads the time once, as a step; nothing else depends on when things happen.
 */
import * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import type * as Agent from "../../core/Agent.ts"
import * as AgentCodec from "../../core/AgentCodec.ts"
import type { ContractViolation } from "../../core/AgentError.ts"
import * as PatternEvent from "../../core/PatternEvent.ts"
import * as Run from "../../core/Run.ts"
import type * as Task from "../../core/Task.ts"
import * as Signal from "../../durable/Signal.ts"
import * as Step from "../../durable/Step.ts"
import { ApprovalTimedOut } from "./ApprovalError.ts"
import { delegated, signalOf } from "./ApprovalRequests.ts"
import * as Directive from "../supervisor/Directive.ts"

/**
 * The decision, and whose it is.
 *
 * @category models
 * @stability experimental
 * @since 0.1.0
 */
export interface Answer<out Decision, out Person> {
  readonly by: Person
  readonly decision: Decision
}

/**
 * What a reminder is about.
 *
 * @category models
 * @stability experimental
 * @since 0.1.0
 */
export interface Reminder<out Request, out Person> {
  readonly request: Request
  readonly key: string
  /** Who may answer now. Empty: anyone. */
  readonly to: ReadonlyArray<Person>
  /** 1 for the first. */
  readonly number: number
  readonly deadline: DateTime.Utc | undefined
}

export type Message =
  | { readonly _tag: "Answer"; readonly by: string; readonly decision: unknown }
  | { readonly _tag: "Delegation"; readonly by: string; readonly to: string }

/** An approval with its options checked and its types forgotten. */
export interface Settings {
  readonly name: string
  readonly task: Task.Any
  readonly message: Signal.Signal<Message>
  readonly key: ((request: any) => string) | undefined
  readonly to: (request: any) => ReadonlyArray<string>
  readonly timeout: Duration.Duration | undefined
  readonly remind:
    | { readonly every: number; readonly agent: Agent.Any; readonly input: (reminder: any) => unknown }
    | undefined
}

/** A request that is waited for. */
interface Asked {
  readonly settings: Settings
  readonly request: unknown
  readonly key: string
  readonly signal: Signal.Signal<Message>
  /** When it was asked, and when its time is up. 0: nothing depends on the time. */
  readonly at: number
  readonly deadline: number | undefined
  to: ReadonlyArray<string>
  reminders: number
  /** The log says what has become of it. */
  closed: boolean
}

/** Asks, and waits for the answer. */
export const request = (settings: Settings, request: unknown): Effect.Effect<Answer<any, any>, any, any> =>
  Effect.gen(function* () {
    if (yield* Run.isStepBody) return yield* Effect.die(new Error(misplaced(settings.name)))
    const encoded = yield* encode(settings, request)
    const current = yield* Run.CurrentRun
    const key = settings.key?.(request) ?? current?.scope.path ?? settings.name
    return yield* Effect.acquireUseRelease(
      Effect.sync(() => takePlace(current, settings.name, key)),
      ({ nth }) => askAndWait(settings, request, { key, encoded, signal: signalOf(settings.name, key, nth) }),
      (place) =>
        Effect.sync(() => {
          place.taken = false
        })
    )
  })

const misplaced = (approval: string) =>
  `approval "${approval}" cannot be asked for in the body of a step, where no answer arrives: ${Signal.elsewhere}`

const encode = ({ name, task }: Settings, request: unknown): Effect.Effect<Schema.Json, ContractViolation> => {
  const { checkInput, encodeInput } = AgentCodec.ofTask(task)
  const checked = checkInput(request)
  const encoded = Exit.isSuccess(checked) ? encodeInput(checked.value) : checked
  if (Exit.isSuccess(encoded)) return Effect.succeed(encoded.value)
  const issue = Cause.findErrorOption(encoded.cause)
  return issue._tag === "Some"
    ? Effect.fail(AgentCodec.violation({ agent: name, task: task.name }, "input", issue.value))
    : Effect.failCause(encoded.cause as Cause.Cause<never>)
}

/** Requests of one key in a run: one at a time, each with a signal of its own. */
interface Place {
  nth: number
  taken: boolean
}

const places = new WeakMap<Run.Run, Map<string, Place>>()

const takePlace = (current: Run.Current | undefined, approval: string, key: string): Place => {
  if (current === undefined) return { nth: 1, taken: true }
  const ofRun = places.get(current.run) ?? new Map<string, Place>()
  places.set(current.run, ofRun)
  const name = signalOf(approval, key, 1)
  const place = ofRun.get(name) ?? { nth: 0, taken: false }
  if (place.taken) {
    throw new Error(
      `approval "${approval}" is asked for twice at once with key "${key}": an answer could be for either`
    )
  }
  ofRun.set(name, place)
  place.nth++
  place.taken = true
  return place
}

const askAndWait = Effect.fnUntraced(function* (
  settings: Settings,
  request: unknown,
  { encoded, key, signal }: { readonly key: string; readonly encoded: Schema.Json; readonly signal: string }
): Effect.fn.Return<Answer<any, any>, any, any> {
  const { remind, timeout } = settings
  const at = timeout === undefined && remind === undefined ? 0 : yield* Step.now
  const asked: Asked = {
    settings,
    request,
    key,
    signal: { ...settings.message, name: signal },
    at,
    deadline: timeout === undefined ? undefined : at + Duration.toMillis(timeout),
    to: settings.to(request),
    reminders: 0,
    closed: false
  }
  const { deadline, to } = asked
  const event = { request: encoded, signal, to, ...(deadline === undefined ? {} : { deadline }) }
  return yield* PatternEvent.during(
    { _tag: "ApprovalRequested", ...nameOf(asked), ...event },
    () => (asked.closed ? undefined : { _tag: "ApprovalWithdrawn", ...nameOf(asked) }),
    wait(asked)
  )
})

const nameOf = ({ key, settings }: Asked) => ({ approval: settings.name, key })

const wait = Effect.fnUntraced(function* (asked: Asked): Effect.fn.Return<Answer<any, any>, any, any> {
  const { at: began, deadline, signal } = asked
  let now = began
  while (true) {
    const wake = wakeAt(asked, now)
    const message =
      wake === undefined
        ? Option.some(yield* Signal.await(signal))
        : yield* Signal.awaitFor(signal, Math.max(0, wake - now))
    if (Option.isSome(message)) {
      if (yield* take(asked, message.value)) {
        const { by, decision } = message.value as Extract<Message, { readonly _tag: "Answer" }>
        return { by, decision }
      }
    } else if (wake === deadline) {
      return yield* expire(asked)
    } else {
      yield* remind(asked)
    }
    // A timer may fire early by the grain of a clock.
    if (wake !== undefined) now = Math.max(yield* Step.now, Option.isNone(message) ? wake : now)
  }
})

/** When to wake without a message: at the deadline, or for the next reminder. Those that were missed are left out. */
const wakeAt = ({ at, deadline, settings: { remind } }: Asked, now: number): number | undefined => {
  if (remind === undefined) return deadline
  const next = at + (Math.floor((now - at) / remind.every) + 1) * remind.every
  return deadline === undefined ? next : Math.min(next, deadline)
}

/** `true`: it is the answer. */
const take = (asked: Asked, message: Message): Effect.Effect<boolean> =>
  Effect.suspend(() => {
    const { by } = message
    const name = nameOf(asked)
    if (asked.to.length > 0 && !asked.to.includes(by)) {
      return Effect.as(PatternEvent.state({ _tag: "ApprovalRefused", ...name, by }), false)
    }
    if (message._tag === "Delegation") {
      asked.to = delegated(asked.to, message)
      return Effect.as(PatternEvent.state({ _tag: "ApprovalDelegated", ...name, by, to: message.to }), false)
    }
    asked.closed = true
    return Effect.as(PatternEvent.state({ _tag: "ApprovalAnswered", ...name, by }), true)
  })

const expire = (asked: Asked): Effect.Effect<never, ApprovalTimedOut> =>
  Effect.suspend(() => {
    const { reminders, settings, to } = asked
    asked.closed = true
    return Effect.andThen(
      PatternEvent.state({ _tag: "ApprovalExpired", ...nameOf(asked) }),
      Effect.fail(new ApprovalTimedOut({ ...nameOf(asked), timeout: settings.timeout!, to, reminders }))
    )
  })

/** A reminder that fails is said so, and no reason to stop waiting. */
const remind = (asked: Asked): Effect.Effect<void, never, any> =>
  Effect.suspend(() => {
    const { agent, input } = asked.settings.remind!
    const reminder = ++asked.reminders
    const name = nameOf(asked)
    const about: Reminder<unknown, string> = {
      request: asked.request,
      key: asked.key,
      to: asked.to,
      number: reminder,
      deadline: asked.deadline === undefined ? undefined : DateTime.makeUnsafe(asked.deadline)
    }
    return Effect.matchEffect(agent.run(input(about)), {
      onSuccess: () => PatternEvent.state({ _tag: "ApprovalReminded", ...name, reminder }),
      onFailure: (failure: unknown) => {
        const error = Directive.tagOf(failure)
        const text = `reminder ${reminder} of request "${asked.key}" of approval "${name.approval}" failed`
        const outside = Run.withCurrent(() => Effect.void, Effect.logWarning(text, failure))
        return Effect.andThen(outside, PatternEvent.state({ _tag: "ReminderFailed", ...name, reminder, error }))
      }
    })
  })
