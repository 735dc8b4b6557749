/**
 * The life of a run, from its acceptance to its end, told by the `Run…` events of the log.
 *
 * ```
 *             StartRun
 *                ▼        PauseRun, ResumeRun
 *             Running ◀───────────────────────▶ Paused
 *                ▲                                          CancelRun, from each of the three ─▶ Cancelling
 *                └────────────────────────────▶ Blocked     From each of the four ─▶ Completed | Failed | Cancelled
 *                    BlockRun, RecoverRun
 * ```
 *
 * `Blocked`: the program does not match its journal. `Cancelling`: the run undoes what it did.
 *
 * Invariants (checked by `test/core/RunLifeCycle.test.ts`):
 *
 *   R1. Every state is reached, and only along the arrows.
 *   R2. `Completed`, `Failed` and `Cancelled` are final.
 *   R3. `evolve` over statuses and `evolveState` over states tell the same.
 *   R4. A run that is taken over goes on where it stood: a paused run stays paused, also if it was blocked meanwhile.
 *   R5. Epochs grow: an owner cannot take over from its successor.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Struct from "effect/Struct"
import * as OrchestrationEvent from "./OrchestrationEvent.ts"
import * as StateMachine from "./StateMachine.ts"

/**
 * The word for a state of a run in lists, filters and metrics.
 *
 * @category models
 * @stability stable
 * @since 0.1.0
 */
export const RunStatus = Schema.Literals([
  "running",
  "paused",
  "blocked",
  "cancelling",
  "completed",
  "failed",
  "cancelled"
])
export type RunStatus = typeof RunStatus.Type

const payload = <Fields extends Schema.Struct.Fields>(event: {
  readonly fields: Fields
}): Struct.Simplify<Omit<Fields, "_tag">> => Struct.omit(event.fields, ["_tag"])

/** Which program it runs, and who owns it now. */
const identity = Struct.pick(OrchestrationEvent.RunStarted.fields, [
  "definition",
  "definitionVersion",
  "key",
  "owner",
  "epoch"
])

/** Nothing is in the log yet. */
export const Created = Schema.TaggedStruct("Created", {})
export const Running = Schema.TaggedStruct("Running", identity)
export const Paused = Schema.TaggedStruct("Paused", identity)
export const Blocked = Schema.TaggedStruct("Blocked", {
  ...identity,
  ...payload(OrchestrationEvent.RunBlocked),
  /** What it was when it was blocked. */
  within: Schema.Literals(["Running", "Paused", "Cancelling"])
})
export const Cancelling = Schema.TaggedStruct("Cancelling", {
  ...identity,
  ...payload(OrchestrationEvent.RunCancelRequested)
})
export const Completed = Schema.TaggedStruct("Completed", { ...identity, ...payload(OrchestrationEvent.RunCompleted) })
export const Failed = Schema.TaggedStruct("Failed", { ...identity, ...payload(OrchestrationEvent.RunFailed) })
export const Cancelled = Schema.TaggedStruct("Cancelled", { ...identity, ...payload(OrchestrationEvent.RunCancelled) })

/**
 * A run as its events tell it.
 *
 * @category models
 * @stability stable
 * @since 0.1.0
 */
export const RunState = Schema.Union([Created, Running, Paused, Blocked, Cancelling, Completed, Failed, Cancelled])
export type RunState = typeof RunState.Type

export const StartRun = Schema.TaggedStruct("StartRun", payload(OrchestrationEvent.RunStarted))
/** Take the run over from an owner that is gone. */
export const RecoverRun = Schema.TaggedStruct("RecoverRun", payload(OrchestrationEvent.RunRecovered))
export const PauseRun = Schema.TaggedStruct("PauseRun", {})
export const ResumeRun = Schema.TaggedStruct("ResumeRun", {})
export const BlockRun = Schema.TaggedStruct("BlockRun", payload(OrchestrationEvent.RunBlocked))
export const CancelRun = Schema.TaggedStruct("CancelRun", payload(OrchestrationEvent.RunCancelRequested))
/** All is undone: the cancelled run ends. */
export const ConfirmCancel = Schema.TaggedStruct("ConfirmCancel", payload(OrchestrationEvent.RunCancelled))
export const CompleteRun = Schema.TaggedStruct("CompleteRun", payload(OrchestrationEvent.RunCompleted))
export const FailRun = Schema.TaggedStruct("FailRun", payload(OrchestrationEvent.RunFailed))
/** Begin anew with another input. */
export const ContinueRun = Schema.TaggedStruct("ContinueRun", payload(OrchestrationEvent.RunContinued))

/**
 * What can be asked of a run.
 *
 * @category models
 * @stability stable
 * @since 0.1.0
 */
export const RunCommand = Schema.Union([
  StartRun,
  RecoverRun,
  PauseRun,
  ResumeRun,
  BlockRun,
  CancelRun,
  ConfirmCancel,
  CompleteRun,
  FailRun,
  ContinueRun
])
export type RunCommand = typeof RunCommand.Type

/** The events that change the state of a run. */
export type RunEvent = OrchestrationEvent.Of<
  | "RunStarted"
  | "RunRecovered"
  | "RunPaused"
  | "RunResumed"
  | "RunBlocked"
  | "RunCancelRequested"
  | "RunCancelled"
  | "RunCompleted"
  | "RunFailed"
  | "RunContinued"
>

type Identity = Omit<typeof Running.Type, "_tag">
type Open = Exclude<RunState, typeof Created.Type>
type Command<Tag extends RunCommand["_tag"]> = Extract<RunCommand, { readonly _tag: Tag }>
type Event<Tag extends RunEvent["_tag"]> = Extract<RunEvent, { readonly _tag: Tag }>

const identityOf = (run: Identity): Identity => ({
  definition: run.definition,
  definitionVersion: run.definitionVersion,
  owner: run.owner,
  epoch: run.epoch,
  ...(run.key === undefined ? {} : { key: run.key })
})

/** Every open run can be taken over, and can end. */
const whileOpen = {
  decide: {
    RecoverRun: (_: Open, { epoch, owner }: Command<"RecoverRun">): ReadonlyArray<RunEvent> => [
      { _tag: "RunRecovered", owner, epoch }
    ],
    CompleteRun: (_: Open, { output }: Command<"CompleteRun">): ReadonlyArray<RunEvent> => [
      { _tag: "RunCompleted", output }
    ],
    FailRun: (_: Open, { _tag, ...data }: Command<"FailRun">): ReadonlyArray<RunEvent> => [
      { _tag: "RunFailed", ...data }
    ]
  },
  evolve: {
    RunRecovered: <S extends Open>(state: S, { epoch, owner }: Event<"RunRecovered">): S => ({
      ...state,
      owner,
      epoch
    }),
    RunCompleted: (state: Open, { output }: Event<"RunCompleted">): RunState => ({
      ...identityOf(state),
      _tag: "Completed",
      output
    }),
    RunFailed: (state: Open, event: Event<"RunFailed">): RunState => ({
      ...identityOf(state),
      ...event,
      _tag: "Failed"
    }),
    RunCancelled: (state: Open, event: Event<"RunCancelled">): RunState => ({
      ...identityOf(state),
      ...event,
      _tag: "Cancelled"
    })
  }
}

const block = (_: Open, { _tag, ...data }: Command<"BlockRun">): ReadonlyArray<RunEvent> => [
  { _tag: "RunBlocked", ...data }
]
const cancel = (_: Open, { _tag, ...data }: Command<"CancelRun">): ReadonlyArray<RunEvent> => [
  { _tag: "RunCancelRequested", ...data }
]

const blocked = (
  state: typeof Running.Type | typeof Paused.Type | typeof Cancelling.Type,
  event: Event<"RunBlocked">
): RunState => ({ ...identityOf(state), ...event, _tag: "Blocked", within: state._tag })
const cancelling = (state: Open, event: Event<"RunCancelRequested">): RunState => ({
  ...identityOf(state),
  ...event,
  _tag: "Cancelling"
})
const running = (state: Identity): RunState => ({ ...identityOf(state), _tag: "Running" })

const decodeStarted = Schema.decodeUnknownOption(OrchestrationEvent.RunStarted)

const machine = StateMachine.make<RunState, RunCommand, RunEvent>("run", {
  initialState: { _tag: "Created" },
  decide: {
    Created: {
      StartRun: (_, { _tag, ...data }) => [{ _tag: "RunStarted", ...data }]
    },
    Running: {
      ...whileOpen.decide,
      PauseRun: () => [{ _tag: "RunPaused" }],
      BlockRun: block,
      CancelRun: cancel,
      ContinueRun: (_, { _tag, ...data }) => [{ _tag: "RunContinued", ...data }]
    },
    Paused: {
      ...whileOpen.decide,
      ResumeRun: () => [{ _tag: "RunResumed" }],
      BlockRun: block,
      CancelRun: cancel
    },
    Blocked: {
      // R4: `RunRecovered` alone says that it runs.
      RecoverRun: ({ within }, { epoch, owner }) => [
        { _tag: "RunRecovered", owner, epoch },
        ...(within === "Paused" ? [{ _tag: "RunPaused" } as const] : [])
      ],
      ResumeRun: () => [{ _tag: "RunResumed" }],
      CancelRun: cancel,
      FailRun: whileOpen.decide.FailRun
    },
    Cancelling: {
      ...whileOpen.decide,
      BlockRun: block,
      ConfirmCancel: (_, { _tag, ...data }) => [{ _tag: "RunCancelled", ...data }]
    },
    Completed: {},
    Failed: {},
    Cancelled: {}
  },
  evolve: {
    Created: {
      RunStarted: (_, event) => running(event),
      // What was before it is truncated away.
      RunContinued: (created, { definitionVersion, started }) => {
        const decoded = decodeStarted(started)
        return decoded._tag === "None" ? created : running({ ...decoded.value, definitionVersion })
      }
    },
    Running: {
      ...whileOpen.evolve,
      RunPaused: (state) => ({ ...state, _tag: "Paused" }),
      RunBlocked: blocked,
      RunCancelRequested: cancelling,
      RunContinued: (state, { definitionVersion }) => ({ ...state, definitionVersion })
    },
    Paused: { ...whileOpen.evolve, RunResumed: running, RunBlocked: blocked, RunCancelRequested: cancelling },
    Blocked: {
      ...whileOpen.evolve,
      RunRecovered: (state, { epoch, owner }) => running({ ...state, owner, epoch }),
      RunResumed: running,
      RunCancelRequested: cancelling
    },
    Cancelling: { ...whileOpen.evolve, RunBlocked: blocked },
    Completed: {},
    Failed: {},
    Cancelled: {}
  }
})

/**
 * The events that a command leads to. Pure: append them, then `evolveState`.
 *
 * **Errors** `IllegalTransition` — the state does not accept the command, or an owner takes over with an old epoch.
 *
 * @category models
 * @stability stable
 * @since 0.1.0
 */
export const decide = (
  state: RunState,
  command: RunCommand
): Result.Result<ReadonlyArray<RunEvent>, StateMachine.IllegalTransition> => {
  const decided = machine.decide(state, command)
  if (command._tag !== "RecoverRun" || state._tag === "Created" || Result.isFailure(decided)) return decided
  return command.epoch > state.epoch
    ? decided
    : Result.fail(machine.refusal(state, command, `epoch ${command.epoch} is not after epoch ${state.epoch}`))
}

/** The state after an event. An event that does not fit the state changes nothing. */
export const evolveState: (state: RunState, event: RunEvent) => RunState = machine.evolve

/** Before the first event. */
export const initialState: RunState = machine.initialState

/** Tags of the commands that the state accepts: what a user may do now. */
export const accepted: (state: RunState) => ReadonlyArray<RunCommand["_tag"]> = machine.accepted

/** `Completed`, `Failed` or `Cancelled`. */
export const isFinal: (state: RunState) => boolean = machine.isFinal

/** The word for the state. `undefined`: nothing is in the log yet. */
export const statusOf = (state: RunState): RunStatus | undefined =>
  state._tag === "Created" ? undefined : (state._tag.toLowerCase() as Lowercase<typeof state._tag>)

type Successors = { readonly [tag: string]: RunStatus }

const ends: Successors = { RunCompleted: "completed", RunFailed: "failed", RunCancelled: "cancelled" }

const successors: { readonly [Status in RunStatus | "created"]: Successors } = {
  created: { RunStarted: "running", RunContinued: "running" },
  running: { ...ends, RunPaused: "paused", RunBlocked: "blocked", RunCancelRequested: "cancelling" },
  paused: { ...ends, RunResumed: "running", RunBlocked: "blocked", RunCancelRequested: "cancelling" },
  blocked: { ...ends, RunRecovered: "running", RunResumed: "running", RunCancelRequested: "cancelling" },
  cancelling: { ...ends, RunBlocked: "blocked" },
  completed: {},
  failed: {},
  cancelled: {}
}

/**
 * The status after an event, known by its tag alone: what a list of runs is made of.
 *
 * **Details** `undefined` is a run that does not exist yet. Tags that do not concern the status leave it as it is.
 *
 * @category models
 * @stability stable
 * @since 0.1.0
 */
export const evolve = (status: RunStatus | undefined, tag: string): RunStatus | undefined => {
  const next = successors[status ?? "created"]
  return Object.hasOwn(next, tag) ? next[tag] : status
}
