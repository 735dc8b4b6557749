import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as DateTime from "effect/DateTime"
import * as Equal from "effect/Equal"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { type Tag, TaskCommand } from "../../src/core/TaskCommand.ts"
import * as TaskLifeCycle from "../../src/core/TaskLifeCycle.ts"
import { TaskEvent, TaskState } from "../../src/core/TaskLifeCycle.ts"

/** The law, written apart from the code: every step a task may take. */
const arrows: ReadonlyArray<string> = [
  "Unsubmitted → Pending",
  "Pending → Queued",
  "Queued → Assigned",
  "Assigned → Running",
  "Assigned → Queued",
  "Running → Completed",
  "Running → Failed",
  "Running → Queued",
  "Pending → Cancelled",
  "Queued → Cancelled",
  "Assigned → Cancelled",
  "Running → Cancelled"
]

const at = (millis: number) => DateTime.makeUnsafe(millis)
const taskId = "task-1"

const command = {
  create: { _tag: "CreateTask", taskId, task: "Review", input: { code: "1 + 1" }, priority: 0, at: at(1) },
  queue: { _tag: "QueueTask", taskId, at: at(2) },
  reject: { _tag: "RejectTask", taskId, issues: ["no code", "no author"], at: at(2) },
  assign: { _tag: "AssignTask", taskId, agent: "alice", confidence: 0.9, at: at(3) },
  execute: { _tag: "ExecuteStep", taskId, at: at(4) },
  complete: { _tag: "CompleteTask", taskId, attempt: 1, output: "fine", at: at(5) },
  fail: { _tag: "FailTask", taskId, attempt: 1, error: { _tag: "Rejected" }, at: at(5) },
  retry: { _tag: "RetryTask", taskId, attempt: 1, error: { _tag: "DbError" }, retryAt: at(9), at: at(5) },
  cancel: { _tag: "CancelTask", taskId, reason: "not needed", at: at(6) }
} as const satisfies Record<string, TaskCommand>

interface Step {
  readonly from: TaskState
  readonly to: TaskState
  readonly events: ReadonlyArray<TaskEvent>
}

/** Runs the commands; a refused one changes nothing. */
const run = (commands: ReadonlyArray<TaskCommand>) => {
  const steps: Array<Step> = []
  let state = TaskLifeCycle.initialState
  for (const command of commands) {
    const decided = TaskLifeCycle.decide(state, command)
    if (Result.isFailure(decided)) continue
    const to = decided.success.reduce(TaskLifeCycle.evolve, state)
    steps.push({ from: state, to, events: decided.success })
    state = to
  }
  return { state, steps, events: steps.flatMap((step) => step.events) }
}

const stateAfter = (...commands: ReadonlyArray<TaskCommand>): TaskState => run(commands).state

const everyState: { readonly [State in TaskState["_tag"]]: TaskState } = {
  Unsubmitted: TaskLifeCycle.initialState,
  Pending: stateAfter(command.create),
  Queued: stateAfter(command.create, command.queue),
  Assigned: stateAfter(command.create, command.queue, command.assign),
  Running: stateAfter(command.create, command.queue, command.assign, command.execute),
  Completed: stateAfter(command.create, command.queue, command.assign, command.execute, command.complete),
  Failed: stateAfter(command.create, command.queue, command.assign, command.execute, command.fail),
  Cancelled: stateAfter(command.create, command.cancel)
}

/** Commands as they come: most are meant for this task, and for the attempt that is likely the current one. */
const commands = Arbitrary.array(Arbitrary.all([Arbitrary.schema(TaskCommand), Arbitrary.schema(Schema.Int)]), {
  maxLength: 60
}).pipe(
  Arbitrary.map((drawn) =>
    drawn.map(([command, chance]) => ({
      ...command,
      ...(chance % 5 === 0 ? {} : { taskId }),
      ...("attempt" in command && chance % 3 !== 0 ? { attempt: 1 + Math.abs(chance % 2) } : {})
    }))
  )
)

describe("TaskLifeCycle", () => {
  it("T1: every state is reached", () => {
    for (const [tag, state] of Object.entries(everyState)) assert.strictEqual(state._tag, tag)
  })

  it.prop(
    "T1: random commands lead only along the arrows, to well-formed states and events",
    { commands },
    ({ commands }) => {
      const isState = Schema.is(TaskState)
      const isEvent = Schema.is(TaskEvent)
      for (const { events, from, to } of run(commands).steps) {
        assert.include(arrows, `${from._tag} → ${to._tag}`)
        assert.isTrue(isState(to), JSON.stringify(to))
        for (const event of events) assert.isTrue(isEvent(event), JSON.stringify(event))
      }
    }
  )

  it("T1: a state accepts a command exactly if `accepted` says so", () => {
    for (const state of Object.values(everyState)) {
      for (const each of Object.values(command)) {
        const decided = TaskLifeCycle.decide(state, each)
        assert.strictEqual(
          Result.isSuccess(decided),
          TaskLifeCycle.accepted(state).includes(each._tag),
          `${state._tag} ${each._tag}`
        )
      }
    }
  })

  it("T1: commands that skip a state are refused by name", () => {
    const refused = TaskLifeCycle.decide(everyState.Pending, command.execute)
    assert(Result.isFailure(refused))
    assert.strictEqual(
      refused.failure.message,
      "A task in state Pending refuses ExecuteStep: it accepts QueueTask, RejectTask, CancelTask."
    )
  })

  it.prop(
    "T2: final states are final, whatever is asked and whatever is in the log",
    { commands, events: Schema.Array(TaskEvent) },
    ({ commands, events }) => {
      for (const state of [everyState.Completed, everyState.Failed, everyState.Cancelled]) {
        assert.isTrue(TaskLifeCycle.isFinal(state))
        for (const command of commands) assert.isTrue(Result.isFailure(TaskLifeCycle.decide(state, command)))
        assert.strictEqual(events.reduce(TaskLifeCycle.evolve, state), state)
      }
    }
  )

  it.prop(
    "evolve never throws, and folds the same log to the same state",
    { events: Schema.Array(TaskEvent) },
    ({ events }) => {
      const fold = () => events.reduce(TaskLifeCycle.evolve, TaskLifeCycle.initialState)
      assert.deepStrictEqual(fold(), fold())
    }
  )

  it("T3: attempts count up, and one that never began does not count", () => {
    const again = stateAfter(command.create, command.queue, command.assign, command.execute, command.retry)
    assert.deepInclude(again, { _tag: "Queued", attempt: 2, readyAt: at(9) })
    const unbegun = stateAfter(command.create, command.queue, command.assign, command.retry)
    assert.deepInclude(unbegun, { _tag: "Queued", attempt: 1 })
    const { events } = run([
      command.create,
      command.queue,
      command.assign,
      command.execute,
      command.retry,
      command.assign,
      command.execute
    ])
    assert.deepInclude(events.at(-1), { _tag: "TaskStarted", attempt: 2 })
  })

  it("T4: the late report of a worker that was given up is refused", () => {
    const second = stateAfter(
      command.create,
      command.queue,
      command.assign,
      command.execute,
      command.retry,
      command.assign,
      command.execute
    )
    for (const late of [command.complete, command.fail, command.retry]) {
      const refused = TaskLifeCycle.decide(second, late)
      assert(Result.isFailure(refused))
      assert.strictEqual(
        refused.failure.message,
        `A task in state Running refuses ${late._tag}: it reports on attempt 1, and attempt 2 is the current one.`
      )
    }
    assert.isTrue(Result.isSuccess(TaskLifeCycle.decide(second, { ...command.complete, attempt: 2 })))
  })

  it("T5: a command for another task is refused", () => {
    const refused = TaskLifeCycle.decide(everyState.Running, { ...command.cancel, taskId: "task-2" })
    assert(Result.isFailure(refused))
    assert.include(refused.failure.message, `addressed to task "task-2", and this is "task-1"`)
  })

  it("a whole life, as its subscribers hear it", () => {
    const { events, state } = run([command.create, command.queue, command.assign, command.execute, command.complete])
    assert.deepStrictEqual(
      events.map(({ _tag }) => _tag),
      ["TaskSubmitted", "TaskValidated", "TaskRouted", "TaskStarted", "TaskCompleted"]
    )
    assert.deepStrictEqual(state, {
      _tag: "Completed",
      taskId,
      task: "Review",
      input: { code: "1 + 1" },
      priority: 0,
      agent: "alice",
      attempt: 1,
      output: "fine",
      startedAt: at(4),
      completedAt: at(5)
    })
  })

  it("a rejected task is cancelled and keeps every issue", () => {
    assert.deepInclude(stateAfter(command.create, command.reject), {
      _tag: "Cancelled",
      reason: "rejected",
      issues: ["no code", "no author"]
    })
    assert.deepInclude(stateAfter(command.create, command.cancel), {
      _tag: "Cancelled",
      reason: "not needed",
      issues: []
    })
  })

  it("every state but the first has a status", () => {
    const statuses = Object.values(everyState).map(TaskLifeCycle.statusOf)
    assert.deepStrictEqual(statuses, [undefined, ...TaskLifeCycle.TaskStatus.literals])
  })

  it.prop("commands and events survive JSON", { command: TaskCommand, event: TaskEvent }, ({ command, event }) => {
    const through = <S extends Schema.ConstraintCodec<any, any>>(schema: S, value: S["Type"]) => {
      const codec = Schema.toCodecJson(schema)
      return Schema.decodeUnknownSync(codec)(JSON.parse(JSON.stringify(Schema.encodeSync(codec)(value))))
    }
    assert.isTrue(Equal.equals(through(TaskCommand, command), command))
    assert.isTrue(Equal.equals(through(TaskEvent, event), event))
  })

  it("the samples of this test name every command", () => {
    const named: ReadonlyArray<Tag> = Object.values(command).map(({ _tag }) => _tag)
    assert.deepStrictEqual(
      named,
      TaskCommand.members.map((member) => member.fields._tag.schema.literal)
    )
  })
})
