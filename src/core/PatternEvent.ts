/**
 * What patterns state about themselves, each at its place in the program: the part of the vocabulary of the log that
 * belongs to them. Below an engine they become events of the run; outside of one nobody hears them.
 */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as Run from "./Run.ts"

// Supervisor
export const WorkerAssigned = Schema.TaggedStruct("WorkerAssigned", {
  worker: Schema.String,
  confidence: Schema.Number
})
export const WorkerRestarted = Schema.TaggedStruct("WorkerRestarted", { worker: Schema.String, error: Schema.String })
export const WorkerFailed = Schema.TaggedStruct("WorkerFailed", { worker: Schema.String, error: Schema.String })
export const WorkerRerouted = Schema.TaggedStruct("WorkerRerouted", { from: Schema.String, error: Schema.String })
export const CircuitOpened = Schema.TaggedStruct("CircuitOpened", { worker: Schema.String })

// TaskGraph
export const NodeSkipped = Schema.TaggedStruct("NodeSkipped", { node: Schema.String, reason: Schema.String })

// Saga
export const CompensationStarted = Schema.TaggedStruct("CompensationStarted", {
  transaction: Schema.String,
  steps: Schema.Array(Schema.String)
})
export const CompensationCompleted = Schema.TaggedStruct("CompensationCompleted", {
  transaction: Schema.String,
  undone: Schema.Array(Schema.String),
  notUndone: Schema.Array(Schema.String)
})

// Budget
export const BudgetExhausted = Schema.TaggedStruct("BudgetExhausted", {
  budget: Schema.String,
  resource: Schema.String,
  limit: Schema.Number,
  used: Schema.Number,
  requested: Schema.Number
})

// VerifyLoop
export const IterationStarted = Schema.TaggedStruct("IterationStarted", { loop: Schema.String, round: Schema.Int })
export const IterationCompleted = Schema.TaggedStruct("IterationCompleted", { loop: Schema.String, round: Schema.Int })
const RoundPart = Schema.Literals(["Attempt", "Verification"])
/** `part`: what failed of the round. `error`: its tag. */
export const IterationFailed = Schema.TaggedStruct("IterationFailed", {
  loop: Schema.String,
  round: Schema.Int,
  part: RoundPart,
  error: Schema.String
})
/** The round was given up in this part: by a limit, another round's failure, or whoever interrupted the loop. */
export const IterationInterrupted = Schema.TaggedStruct("IterationInterrupted", {
  loop: Schema.String,
  round: Schema.Int,
  part: RoundPart
})
export const VerificationStarted = Schema.TaggedStruct("VerificationStarted", {
  loop: Schema.String,
  round: Schema.Int,
  verifier: Schema.String
})
export const VerificationCompleted = Schema.TaggedStruct("VerificationCompleted", {
  loop: Schema.String,
  round: Schema.Int,
  verdict: Schema.Literals(["Accepted", "Rejected"]),
  score: Schema.optionalKey(Schema.Number)
})
/** `decision`: what the strategy said, or the limit that ended the loop. */
export const StrategyDecided = Schema.TaggedStruct("StrategyDecided", {
  loop: Schema.String,
  round: Schema.Int,
  strategy: Schema.String,
  decision: Schema.Literals([
    "Answer",
    "Continue",
    "Retry",
    "Stopped",
    "RoundsExhausted",
    "Stalled",
    "TimeExceeded",
    "BudgetExceeded"
  ])
})

// Approval
const ofRequest = { approval: Schema.String, key: Schema.String }
/** `to`: who may answer. Empty: anyone. `deadline`: milliseconds since the epoch. */
export const ApprovalRequested = Schema.TaggedStruct("ApprovalRequested", {
  ...ofRequest,
  signal: Schema.String,
  request: Schema.Json,
  to: Schema.Array(Schema.String),
  deadline: Schema.optionalKey(Schema.Number)
})
export const ApprovalReminded = Schema.TaggedStruct("ApprovalReminded", { ...ofRequest, reminder: Schema.Int })
export const ReminderFailed = Schema.TaggedStruct("ReminderFailed", {
  ...ofRequest,
  reminder: Schema.Int,
  error: Schema.String
})
export const ApprovalDelegated = Schema.TaggedStruct("ApprovalDelegated", {
  ...ofRequest,
  by: Schema.String,
  to: Schema.String
})
/** Somebody answered, or delegated, whom it was not addressed to: the wait goes on. */
export const ApprovalRefused = Schema.TaggedStruct("ApprovalRefused", { ...ofRequest, by: Schema.String })
export const ApprovalAnswered = Schema.TaggedStruct("ApprovalAnswered", { ...ofRequest, by: Schema.String })
export const ApprovalExpired = Schema.TaggedStruct("ApprovalExpired", ofRequest)
/** Nobody waits for the answer any more. */
export const ApprovalWithdrawn = Schema.TaggedStruct("ApprovalWithdrawn", ofRequest)

// Hierarchy
export const Delegated = Schema.TaggedStruct("Delegated", {
  from: Schema.String,
  to: Schema.String,
  permissions: Schema.Array(Schema.String)
})
export const PermissionDenied = Schema.TaggedStruct("PermissionDenied", {
  action: Schema.String,
  asker: Schema.String,
  holder: Schema.optionalKey(Schema.String)
})
export const Escalated = Schema.TaggedStruct("Escalated", {
  matter: Schema.String,
  from: Schema.String,
  to: Schema.String
})
export const MatterResolved = Schema.TaggedStruct("MatterResolved", {
  matter: Schema.String,
  raisedBy: Schema.String,
  by: Schema.String
})
export const EscalationExhausted = Schema.TaggedStruct("EscalationExhausted", {
  matter: Schema.String,
  chain: Schema.Array(Schema.String)
})
export const MessageSent = Schema.TaggedStruct("MessageSent", {
  from: Schema.String,
  to: Schema.String,
  message: Schema.String
})

// Handoff
export const HandedOff = Schema.TaggedStruct("HandedOff", {
  from: Schema.String,
  to: Schema.String,
  attempt: Schema.Int
})
export const GateRejected = Schema.TaggedStruct("GateRejected", {
  gate: Schema.String,
  leg: Schema.String,
  back: Schema.String,
  feedback: Schema.Json
})

// Swarm
const OptionVotes = Schema.Struct({ option: Schema.String, votes: Schema.Number })
/** `votes`: of the leading options; `others`: how many are not listed. */
export const VotesCounted = Schema.TaggedStruct("VotesCounted", {
  round: Schema.Int,
  votes: Schema.Array(OptionVotes),
  others: Schema.Int,
  cast: Schema.Int,
  abstained: Schema.Int,
  unheard: Schema.Int
})
export const ConsensusReached = Schema.TaggedStruct("ConsensusReached", { option: Schema.String, rounds: Schema.Int })
export const ConsensusMissed = Schema.TaggedStruct("ConsensusMissed", {
  ending: Schema.String,
  reason: Schema.String,
  rounds: Schema.Int
})

// Auction
export const ContractAwarded = Schema.TaggedStruct("ContractAwarded", { contractor: Schema.String, bids: Schema.Int })

// Blackboard
export const EntriesPosted = Schema.TaggedStruct("EntriesPosted", {
  round: Schema.Int,
  entries: Schema.Int,
  sources: Schema.Int
})

// Gossip
export const StatesExchanged = Schema.TaggedStruct("StatesExchanged", {
  round: Schema.Int,
  states: Schema.Int,
  settled: Schema.Boolean
})

// Hook
/** `subject`: the agent whose call it was about, or the hooked scope. */
export const HookExecuted = Schema.TaggedStruct("HookExecuted", {
  hook: Schema.String,
  phase: Schema.String,
  subject: Schema.String,
  outcome: Schema.String
})

// Router
export const RouteChosen = Schema.TaggedStruct("RouteChosen", { route: Schema.String })

// Race
export const RaceWon = Schema.TaggedStruct("RaceWon", { winner: Schema.String })

// Debate
export const DebateEnded = Schema.TaggedStruct("DebateEnded", {
  rounds: Schema.Int,
  reason: Schema.Literals(["RoundsOver", "EnoughSaid"])
})

// Cascade
/** `reason`: `Unsure`, or the tag of the tier's failure. */
export const TierPassed = Schema.TaggedStruct("TierPassed", { tier: Schema.String, reason: Schema.String })
export const TierAnswered = Schema.TaggedStruct("TierAnswered", { tier: Schema.String })

/** Every event that a pattern of Tutti states. */
export const PatternEvent = Schema.Union([
  WorkerAssigned,
  WorkerRestarted,
  WorkerFailed,
  WorkerRerouted,
  CircuitOpened,
  NodeSkipped,
  VotesCounted,
  ConsensusReached,
  ConsensusMissed,
  ContractAwarded,
  EntriesPosted,
  StatesExchanged,
  CompensationStarted,
  CompensationCompleted,
  HookExecuted,
  BudgetExhausted,
  IterationStarted,
  IterationCompleted,
  IterationFailed,
  IterationInterrupted,
  VerificationStarted,
  VerificationCompleted,
  StrategyDecided,
  ApprovalRequested,
  ApprovalReminded,
  ReminderFailed,
  ApprovalDelegated,
  ApprovalRefused,
  ApprovalAnswered,
  ApprovalExpired,
  ApprovalWithdrawn,
  Delegated,
  PermissionDenied,
  Escalated,
  MatterResolved,
  EscalationExhausted,
  MessageSent,
  HandedOff,
  GateRejected,
  RouteChosen,
  RaceWon,
  DebateEnded,
  TierPassed,
  TierAnswered
])
export type PatternEvent = typeof PatternEvent.Type

/** States an event of the vocabulary in the log of the current run. Outside a run: nothing. */
export const state = (event: PatternEvent): Effect.Effect<void> =>
  Run.withCurrent(({ run, scope }) => run.note(scope, noteOf(event)), Effect.void)

/** As `state`, and goes on only once the event is durable: for what must be known before anything follows from it. */
export const record = (event: PatternEvent): Effect.Effect<void> =>
  Run.withCurrent(({ run, scope }) => run.note(scope, { ...noteOf(event), awaited: true }), Effect.void)

const noteOf = ({ _tag, ...data }: PatternEvent): Run.Note => ({ type: _tag, data })

/**
 * States what has begun, and when `self` has ended, what `ended` makes of that: between the two no interruption can strike.
 * An owner that has lost the run states no end: its successor goes on.
 */
export const during = <A, E, R>(
  begun: PatternEvent,
  ended: (exit: Exit.Exit<A, E>) => PatternEvent | undefined,
  self: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Run.InterruptibleBody, (reopen) =>
      Effect.andThen(
        Effect.provideService(state(begun), Run.InterruptibleBody, reopen ?? restore),
        Effect.onExitPrimitive(restore(self), (exit) => {
          const end = ended(exit)
          return end && stateAtEnd(end)
        })
      )
    )
  )

/** As `state`, for what is over, however it ended: nothing may interrupt it any more, except the loss of the run. */
export const stateAtEnd = (event: PatternEvent): Effect.Effect<void> =>
  Run.withCurrent(
    ({ run }) =>
      run.isAbandoned() ? Effect.void : Effect.provideService(state(event), Run.InterruptibleBody, run.whileOwned),
    Effect.void
  )
