/**
 * Asking a person: an agent from a request to a decision, which waits for it as long as it takes.
 *
 * It stands wherever an agent does, in parallel branches as well: many requests wait at once, each under its own key,
 * and are answered in any order, before and after a crash.
 *
 * Invariants (checked by `test/patterns/Approval.test.ts` and `test/patterns/Approval.durable.test.ts`):
 *
 *   A1. An answer ends the wait of its own request and of no other, in whichever order requests are answered.
 *   A2. An answer that comes before the request is asked for, or while the process is down, is kept.
 *   A3. Of several answers the first wins. Those that come later are refused where they are sent, or left in the inbox;
 *       no later request takes them.
 *   A4. What does not decode is refused where it is sent, and never ends or blocks a wait.
 *   A5. Only those a request is addressed to can answer it or delegate it. A delegation readdresses it, and ends nothing.
 *   A6. Without an answer it ends at the deadline that was fixed when it was asked for, with `ApprovalTimedOut`. An answer
 *       that arrived wins over a deadline that passed at the same moment.
 *   A7. Reminders come at whole multiples of their interval, those that were missed never, none after the end. One that
 *       fails ends nothing.
 *   A8. The open requests of a run are those that something waits for: one whose wait was interrupted is withdrawn.
 *   A9. It is asked for in the program of a run. In the body of a step, which hears no answer, it is a defect.
 *
 * **Durability** A request records a note for what is asked and one for what became of it, the signal, and, with a
 * timeout or reminders, the time; each reminder or delegation its own note and the time. A crash loses nothing.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Agent from "../../core/Agent.ts"
import type { ContractViolation } from "../../core/AgentError.ts"
import * as Task from "../../core/Task.ts"
import { Engine } from "../../durable/Engine.ts"
import type { EngineError, RunNotFound } from "../../durable/RunError.ts"
import * as Signal from "../../durable/Signal.ts"
import type { ApprovalClosed, ApprovalTimedOut, NotAddressed } from "./ApprovalError.ts"
import * as Requests from "./ApprovalRequests.ts"
import { type Answer, type Message, type Reminder, request, type Settings } from "./ApprovalWait.ts"

export { ApprovalClosed, ApprovalTimedOut, NotAddressed } from "./ApprovalError.ts"
export type { OpenRequest, RunReference } from "./ApprovalRequests.ts"
export type { Answer, Reminder } from "./ApprovalWait.ts"

/** How sending an answer or a delegation can fail. */
export type SendError = Signal.InvalidSignal | ApprovalClosed | NotAddressed | EngineError | RunNotFound

/**
 * An agent that asks a person, and the person's side of it.
 *
 * @category models
 * @stability experimental
 * @since 0.1.0
 */
export interface Approval<in Request, in out Decision, in out Person, out E, out R> extends Agent.Agent<
  Request,
  Answer<Decision, Person>,
  E,
  R
> {
  /**
   * Answers the request of this key. Succeeds once the answer is stored.
   *
   * **Details** A request that was not asked for yet gets its answer when it is. `id`, a UUID: sent twice, it counts once.
   */
  readonly answer: (
    run: Requests.RunReference,
    key: string,
    answer: Answer<Decision, Person> & Signal.SendOptions
  ) => Effect.Effect<void, SendError, Engine>
  /** Addresses the request of this key to somebody else instead of `by`. Succeeds once that is stored. */
  readonly delegate: (
    run: Requests.RunReference,
    key: string,
    delegation: { readonly by: Person; readonly to: Person } & Signal.SendOptions
  ) => Effect.Effect<void, SendError, Engine>
}

/**
 * What an approval is made of.
 *
 * @category models
 * @stability experimental
 * @since 0.1.0
 */
export interface Options<
  Request extends Task.SchemaOrFields,
  Decision extends Task.SchemaOrFields,
  Person extends string,
  Timeout extends Duration.Input,
  RemindIn,
  R
> {
  /** A schema, or the fields of a struct. */
  readonly request: Request
  /** A schema, or the fields of a struct. */
  readonly decision: Decision
  /** Tells the requests of a run apart. Default: the place in the program. Must be pure: it runs again on replay. */
  readonly key?: (request: Task.ToSchema<Request>["Type"]) => string
  /** Who can be addressed at all. Default: any string. */
  readonly person?: Schema.ConstraintCodec<Person, string>
  /** Whom a request is addressed to; any one of them may answer. Default, and if empty: anyone. Must be pure. */
  readonly to?: (request: Task.ToSchema<Request>["Type"]) => ReadonlyArray<NoInfer<Person>>
  /** Default: it waits for ever. */
  readonly timeout?: Timeout
  readonly remind?: {
    readonly every: Duration.Input
    readonly agent: Agent.Agent<RemindIn, unknown, unknown, R>
    /** Must be pure: it runs again on replay. */
    readonly input: (reminder: Reminder<Task.ToSchema<Request>["Type"], NoInfer<Person>>) => NoInfer<RemindIn>
  }
  readonly capabilities?: ReadonlyArray<string>
}

/**
 * Makes an approval.
 *
 * **Details**
 *
 * - In a run it waits for a signal of its own, named by the approval and the key. A person answers with `answer`, from
 *   any process, and finds what waits with `open`.
 * - The same key may be asked again in a run once the request before it is closed; a late answer to that one is not taken
 *   for it. Asked twice at once it is a bug, and dies.
 * - A reminder is an agent's call, and so a step. Its failure is noted (`ReminderFailed`) and the wait goes on.
 * - Outside a run nobody can answer: it waits until its time is up, and reminds.
 *
 * **Gotchas**
 *
 * - Not in the body of a step (`run` of `Agent.make`, `Step.run`), which is a defect: an agent that asks is a program, made
 *   with `Agent.compose`.
 * - `by` is what the sender says: who may speak for whom is checked where people log in, not here.
 * - While a reminder is under way, answers wait: give its agent a timeout.
 * - Two answers that are sent at the same moment may both be stored. The first is taken, the other one stays in the inbox.
 *
 * **Errors** `ApprovalTimedOut` — only with a `timeout`. `ContractViolation` — the request is not what its schema says.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const make = <
  const Request extends Task.SchemaOrFields,
  const Decision extends Task.SchemaOrFields,
  Person extends string = string,
  Timeout extends Duration.Input = never,
  RemindIn = never,
  R = never
>(
  name: string,
  options: Options<Request, Decision, Person, Timeout, RemindIn, R>
): Approval<
  Task.ToSchema<Request>["Type"],
  Task.ToSchema<Decision>["Type"],
  Person,
  ContractViolation | ([Timeout] extends [never] ? never : ApprovalTimedOut),
  R
> => {
  const { request: requested, decision, remind, timeout } = options
  const message = messageOf(name, Task.toSchema(decision), options.person ?? Schema.String)
  const settings: Settings = {
    name,
    task: Task.make(name, { input: requested, output: decision }) as Task.Any,
    message,
    key: options.key,
    to: options.to ?? (() => []),
    timeout: timeout === undefined ? undefined : positive(`timeout of approval "${name}"`, timeout),
    remind: remind && {
      ...remind,
      every: Duration.toMillis(positive(`remind.every of approval "${name}"`, remind.every))
    }
  }
  const agent: Agent.Any = Agent.compose(name, {
    pattern: "Approval",
    capabilities: options.capabilities ?? [],
    run: (input: unknown) => request(settings, input)
  })
  return {
    ...agent,
    answer: (run, key, { by, decision, id }) =>
      send(message, { run, approval: name, key, id }, { _tag: "Answer", by, decision }),
    delegate: (run, key, { by, id, to }) =>
      send(message, { run, approval: name, key, id }, { _tag: "Delegation", by, to })
  }
}

/** Answers and delegations come by one signal, so that they keep their order. */
const messageOf = (
  name: string,
  decision: Task.DataSchema,
  person: Schema.ConstraintCodec<string, string>
): Signal.Signal<Message> =>
  Signal.make(
    name,
    Schema.Union([
      Schema.TaggedStruct("Answer", { by: person, decision }),
      Schema.TaggedStruct("Delegation", { by: person, to: person })
    ])
  ) as Signal.Signal<Message>

interface Addressed {
  readonly run: Requests.RunReference
  readonly approval: string
  readonly key: string
  readonly id: string | undefined
}

/** Sends to the request that is open, or to the first one if none was asked for yet. */
const send = (
  message: Signal.Signal<Message>,
  { approval, id, key, run }: Addressed,
  value: Message
): Effect.Effect<void, SendError, Engine> =>
  Effect.gen(function* () {
    const payload = yield* Signal.encode(message, value)
    const signal = yield* Requests.signalFor(run, { approval, key, by: value.by })
    const engine = yield* Engine
    yield* engine.signal(Requests.idOfRun(run), { name: signal, payload, id })
  })

const encoded = messageOf("answer", Schema.Json, Schema.String)

/**
 * Answers a request with a decision that is encoded already: for those who know `open` and not the approval itself.
 *
 * **Gotchas** Nothing checks the decision here. One that does not decode is set aside by the run (`SignalRejected`), which
 * waits on. Prefer the approval's own `answer`.
 *
 * @category running
 * @stability experimental
 * @since 0.1.0
 */
export const answerEncoded = (
  run: Requests.RunReference,
  answer: Answer<Schema.Json, string> & Signal.SendOptions & { readonly approval: string; readonly key: string }
): Effect.Effect<void, SendError, Engine> =>
  send(
    encoded,
    { run, approval: answer.approval, key: answer.key, id: answer.id },
    { _tag: "Answer", by: answer.by, decision: answer.decision }
  )

/**
 * The requests of a run that wait for an answer, oldest first, of all its approvals: what an inbox shows.
 *
 * **Details** Reads the events of the run once. A run that has ended waits for nothing.
 *
 * @category observing
 * @stability experimental
 * @since 0.1.0
 */
export const open = (
  run: Requests.RunReference
): Effect.Effect<ReadonlyArray<Requests.OpenRequest>, EngineError | RunNotFound, Engine> =>
  Effect.map(Requests.read(run), ({ ended, requests }) => (ended ? [] : requests.open))

const positive = (what: string, duration: Duration.Input): Duration.Duration => {
  const limit = Duration.fromInputUnsafe(duration)
  if (Duration.toMillis(limit) > 0 && Duration.isFinite(limit)) return limit
  throw new RangeError(`${what} must be positive and finite, got ${Duration.format(limit)}`)
}
