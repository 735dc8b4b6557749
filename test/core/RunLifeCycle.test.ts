import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as OrchestrationEvent from "../../src/core/OrchestrationEvent.ts"
import * as RunLifeCycle from "../../src/core/RunLifeCycle.ts"
import { RunCommand, type RunEvent, RunState } from "../../src/core/RunLifeCycle.ts"

/** The law, written apart from the code: every step a run may take. */
const arrows: ReadonlyArray<string> = [
  "Created → Running",
  "Running → Running",
  "Running → Paused",
  "Running → Blocked",
  "Paused → Running",
  "Paused → Paused",
  "Paused → Blocked",
  "Blocked → Running",
  "Blocked → Paused",
  "Cancelling → Cancelling",
  "Cancelling → Blocked",
  "Cancelling → Cancelled",
  ...["Running", "Paused", "Blocked"].map((from) => `${from} → Cancelling`),
  ...["Running", "Paused", "Blocked", "Cancelling"].map((from) => `${from} → Failed`),
  ...["Running", "Paused", "Cancelling"].map((from) => `${from} → Completed`)
]

const command = {
  start: {
    _tag: "StartRun",
    definition: "Release",
    definitionVersion: 1,
    input: {},
    key: "tutti",
    owner: "a",
    epoch: 1
  },
  recover: { _tag: "RecoverRun", owner: "b", epoch: 2 },
  pause: { _tag: "PauseRun" },
  resume: { _tag: "ResumeRun" },
  block: { _tag: "BlockRun", path: "fetch", expected: "fetch", found: "build" },
  cancel: { _tag: "CancelRun", reason: "not needed" },
  confirm: { _tag: "ConfirmCancel" },
  complete: { _tag: "CompleteRun", output: 1 },
  fail: { _tag: "FailRun", error: { _tag: "Rejected" } },
  restart: { _tag: "ContinueRun", input: {}, definitionVersion: 2, started: {}, consumed: [] }
} as const satisfies Record<string, RunCommand>

const run = (commands: ReadonlyArray<RunCommand>) => {
  const steps: Array<{ readonly from: RunState; readonly to: RunState; readonly events: ReadonlyArray<RunEvent> }> = []
  let state = RunLifeCycle.initialState
  for (const command of commands) {
    const decided = RunLifeCycle.decide(state, command)
    if (Result.isFailure(decided)) continue
    const to = decided.success.reduce(RunLifeCycle.evolveState, state)
    steps.push({ from: state, to, events: decided.success })
    state = to
  }
  return { state, steps }
}

const stateAfter = (...commands: ReadonlyArray<RunCommand>): RunState => run(commands).state

const everyState: { readonly [State in RunState["_tag"]]: RunState } = {
  Created: RunLifeCycle.initialState,
  Running: stateAfter(command.start),
  Paused: stateAfter(command.start, command.pause),
  Blocked: stateAfter(command.start, command.block),
  Cancelling: stateAfter(command.start, command.cancel),
  Completed: stateAfter(command.start, command.complete),
  Failed: stateAfter(command.start, command.fail),
  Cancelled: stateAfter(command.start, command.cancel, command.confirm)
}

const commands = Arbitrary.array(Arbitrary.schema(RunCommand), { maxLength: 40 })
const runEvents = Schema.Array(
  Schema.Union(
    OrchestrationEvent.OrchestrationEvent.members.filter((member) =>
      (OrchestrationEvent.runTags as ReadonlyArray<string>).includes(member.fields._tag.schema.literal)
    )
  )
) as unknown as Schema.Codec<ReadonlyArray<RunEvent>>

describe("RunLifeCycle", () => {
  it("R1: every state is reached", () => {
    for (const [tag, state] of Object.entries(everyState)) assert.strictEqual(state._tag, tag)
  })

  it.prop(
    "R1: random commands lead only along the arrows, to well-formed states and events",
    { commands },
    ({ commands }) => {
      const isState = Schema.is(RunState)
      const isEvent = Schema.is(OrchestrationEvent.OrchestrationEvent)
      for (const { events, from, to } of run(commands).steps) {
        assert.include(arrows, `${from._tag} → ${to._tag}`)
        assert.isTrue(isState(to), JSON.stringify(to))
        for (const event of events) assert.isTrue(isEvent(event), JSON.stringify(event))
      }
    }
  )

  it("R1: a state accepts a command exactly if `accepted` says so", () => {
    for (const state of Object.values(everyState)) {
      for (const each of Object.values(command)) {
        const decided = RunLifeCycle.decide(state, each)
        assert.strictEqual(
          Result.isSuccess(decided),
          RunLifeCycle.accepted(state).includes(each._tag),
          `${state._tag} ${each._tag}`
        )
      }
    }
  })

  it.prop(
    "R2: final states are final, whatever is asked and whatever is in the log",
    { commands, events: runEvents },
    ({ commands, events }) => {
      for (const state of [everyState.Completed, everyState.Failed, everyState.Cancelled]) {
        assert.isTrue(RunLifeCycle.isFinal(state))
        for (const command of commands) assert.isTrue(Result.isFailure(RunLifeCycle.decide(state, command)))
        assert.strictEqual(events.reduce(RunLifeCycle.evolveState, state), state)
      }
    }
  )

  it("R2: no tag leads out of a final status", () => {
    for (const status of ["completed", "failed", "cancelled"] as const) {
      for (const tag of OrchestrationEvent.runTags) assert.strictEqual(RunLifeCycle.evolve(status, tag), status)
    }
  })

  it.prop("R3: statuses and states tell the same, for every log", { events: runEvents }, ({ events }) => {
    let state = RunLifeCycle.initialState
    let status = RunLifeCycle.statusOf(state)
    for (const event of events) {
      // The start that a continued run carries is the JSON of a real one.
      const told =
        event._tag === "RunContinued" ? { ...event, started: { ...command.start, _tag: "RunStarted" } } : event
      state = RunLifeCycle.evolveState(state, told)
      status = RunLifeCycle.evolve(status, told._tag)
      assert.strictEqual(status, RunLifeCycle.statusOf(state))
    }
  })

  it("R3: statuses and states tell the same, for every state and event", () => {
    for (const state of Object.values(everyState)) {
      for (const event of sampleEvents) {
        const told = RunLifeCycle.statusOf(RunLifeCycle.evolveState(state, event))
        assert.strictEqual(
          RunLifeCycle.evolve(RunLifeCycle.statusOf(state), event._tag),
          told,
          `${state._tag} ${event._tag}`
        )
      }
    }
  })

  it("R3: other events of the log do not concern the status", () => {
    for (const status of [undefined, ...RunLifeCycle.RunStatus.literals]) {
      for (const tag of ["StepCompleted", "PauseRequested", "CancelRequested", "toString", "OrderPlaced"]) {
        assert.strictEqual(RunLifeCycle.evolve(status, tag), status)
      }
    }
  })

  it("R4: a paused run that is taken over stays paused", () => {
    assert.deepInclude(stateAfter(command.start, command.pause, command.recover), {
      _tag: "Paused",
      owner: "b",
      epoch: 2
    })
  })

  it("R4: a paused run that was blocked is paused again when it is taken over, and runs when it is resumed", () => {
    const paused = stateAfter(command.start, command.pause, command.block)
    assert.deepInclude(paused, { _tag: "Blocked", within: "Paused", expected: "fetch", found: "build" })
    const recovered = RunLifeCycle.decide(paused, command.recover)
    assert.deepStrictEqual(
      recovered,
      Result.succeed([{ _tag: "RunRecovered", owner: "b", epoch: 2 }, { _tag: "RunPaused" }])
    )
    assert.strictEqual(stateAfter(command.start, command.pause, command.block, command.resume)._tag, "Running")
    assert.strictEqual(stateAfter(command.start, command.block, command.recover)._tag, "Running")
  })

  it("R5: an owner does not take over from its successor", () => {
    const recovered = stateAfter(command.start, { ...command.recover, epoch: 7 })
    for (const epoch of [6, 7]) {
      const refused = RunLifeCycle.decide(recovered, { ...command.recover, epoch })
      assert(Result.isFailure(refused))
      assert.strictEqual(
        refused.failure.message,
        `A run in state Running refuses RecoverRun: epoch ${epoch} is not after epoch 7.`
      )
    }
  })

  it("a run that began anew is known from its truncated stream", () => {
    assert.strictEqual(RunLifeCycle.evolve(undefined, "RunContinued"), "running")
    const { _tag, ...started } = command.start
    const continued: RunEvent = {
      _tag: "RunContinued",
      input: 2,
      definitionVersion: 2,
      started: { _tag: "RunStarted", ...started },
      consumed: []
    }
    assert.deepStrictEqual(RunLifeCycle.evolveState(RunLifeCycle.initialState, continued), {
      _tag: "Running",
      definition: "Release",
      definitionVersion: 2,
      key: "tutti",
      owner: "a",
      epoch: 1
    })
    const torn = RunLifeCycle.evolveState(RunLifeCycle.initialState, { ...continued, started: null })
    assert.strictEqual(torn, RunLifeCycle.initialState)
  })

  it("every state but the first has a status", () => {
    const statuses = Object.values(everyState).map(RunLifeCycle.statusOf)
    assert.deepStrictEqual(statuses, [undefined, ...RunLifeCycle.RunStatus.literals])
  })

  it("the events that change a run are those of `runTags`", () => {
    assert.sameMembers(
      sampleEvents.map(({ _tag }) => _tag),
      [...OrchestrationEvent.runTags]
    )
  })
})

const sampleEvents: ReadonlyArray<RunEvent> = [
  { ...command.start, _tag: "RunStarted" },
  { ...command.recover, _tag: "RunRecovered" },
  { _tag: "RunPaused" },
  { _tag: "RunResumed" },
  { ...command.block, _tag: "RunBlocked" },
  { _tag: "RunCancelRequested" },
  { _tag: "RunCancelled" },
  { _tag: "RunCompleted", output: 1 },
  { _tag: "RunFailed", defect: "bug" },
  { ...command.restart, _tag: "RunContinued", started: { ...command.start, _tag: "RunStarted" } }
]
