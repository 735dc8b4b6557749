import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import * as Circuit from "../../src/policies/Circuit.ts"

const Command = Schema.Union([
  Schema.TaggedStruct("Call", {}),
  Schema.TaggedStruct("End", {
    which: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 5 })),
    outcome: Schema.Literals(["Success", "Failure", "Ignored"])
  }),
  Schema.TaggedStruct("Wait", { millis: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 60 })) })
])
type Command = typeof Command.Type

/** The same breaker, written as naively as possible: it remembers everything that ever happened. */
class Model {
  readonly rules: Circuit.Rules
  phase: "Closed" | "Open" | "HalfOpen" = "Closed"
  since = 0
  outcomes: Array<"Success" | "Failure"> = []
  running = 0
  epoch = 0
  constructor(rules: Circuit.Rules) {
    this.rules = rules
  }
  private enter(phase: Model["phase"], now: number) {
    this.phase = phase
    this.since = now
    this.outcomes = []
    this.running = 0
    this.epoch++
  }
  admit(now: number): number | undefined {
    if (this.phase !== "Closed" && now - this.since >= this.rules.openFor) this.enter("HalfOpen", now)
    if (this.phase === "Open") return undefined
    if (this.phase === "HalfOpen") {
      if (this.running + this.outcomes.length >= this.rules.probes) return undefined
      this.running++
    }
    return this.epoch
  }
  private trips(): boolean {
    const { trip } = this.rules
    if (trip._tag === "Consecutive") {
      const last = this.outcomes.slice(-trip.failures)
      return last.length === trip.failures && last.every((outcome) => outcome === "Failure")
    }
    const last = this.outcomes.slice(-trip.size)
    const failures = last.filter((outcome) => outcome === "Failure").length
    return last.length >= trip.minimumCalls && failures / last.length >= trip.threshold
  }
  end(epoch: number, outcome: Circuit.Outcome, now: number): void {
    if (epoch !== this.epoch) return
    if (this.phase === "HalfOpen") this.running--
    if (outcome === "Ignored") return
    this.outcomes.push(outcome)
    if (this.phase === "HalfOpen") {
      if (outcome === "Failure") this.enter("Open", now)
      else if (this.outcomes.length === this.rules.probes) this.enter("Closed", now)
    } else if (outcome === "Failure" && this.trips()) this.enter("Open", now)
  }
}

const follow = (rules: Circuit.Rules, commands: ReadonlyArray<Command>): void => {
  const model = new Model(rules)
  let state = Circuit.initial
  let now = 0
  const calls: Array<{ model: number; machine: number }> = []
  for (const command of commands) {
    switch (command._tag) {
      case "Wait":
        now += command.millis
        break
      case "Call": {
        const expected = model.admit(now)
        const admission = Circuit.admit(rules, state, now)
        assert.strictEqual(admission._tag, expected === undefined ? "Refused" : "Admitted")
        if (admission._tag === "Admitted") {
          state = admission.state
          calls.push({ model: expected!, machine: admission.generation })
        } else assert.isAbove(admission.retryAfter, 0)
        break
      }
      case "End": {
        const [call] = calls.splice(command.which % Math.max(1, calls.length), 1)
        if (call === undefined) break
        model.end(call.model, command.outcome, now)
        state = Circuit.settle(rules, state, { generation: call.machine, outcome: command.outcome, now })
      }
    }
    assert.strictEqual(state._tag, model.phase)
  }
}

// Long sequences: half-open with several probes lies many commands deep.
const Commands = Schema.Array(Command).check(Schema.isMinLength(80), Schema.isMaxLength(160))

describe("Circuit", () => {
  it.prop(
    "C1-C5: follows the model, tripped by failures in a row",
    [Commands],
    ([commands]) => {
      follow({ trip: { _tag: "Consecutive", failures: 2 }, openFor: 100, probes: 2 }, commands)
    },
    { arbitrary: { runs: 400 } }
  )

  it.prop(
    "C1-C5: follows the model, tripped by the rate of failures",
    [Commands],
    ([commands]) => {
      follow({ trip: { _tag: "Rate", threshold: 0.5, size: 4, minimumCalls: 3 }, openFor: 100, probes: 1 }, commands)
    },
    { arbitrary: { runs: 400 } }
  )

  const rules: Circuit.Rules = { trip: { _tag: "Consecutive", failures: 1 }, openFor: 100, probes: 1 }
  const opened = Circuit.settle(rules, Circuit.initial, { generation: 0, outcome: "Failure", now: 0 })

  it("C1: open admits nothing before its time, and says when", () => {
    assert.deepStrictEqual(Circuit.admit(rules, opened, 99), { _tag: "Refused", retryAfter: 1 })
    assert.strictEqual(Circuit.admit(rules, opened, 100)._tag, "Admitted")
  })

  it("C3: only as many successes as there are probes close it", () => {
    const twice = { ...rules, probes: 2 }
    const settle = (state: Circuit.State, outcome: Circuit.Outcome) =>
      Circuit.settle(twice, state, { generation: state.generation, outcome, now: 100 })
    const admit = (state: Circuit.State) => {
      const admission = Circuit.admit(twice, state, 100)
      assert(admission._tag === "Admitted")
      return admission.state
    }
    const once = settle(admit(opened), "Success")
    assert.strictEqual(once._tag, "HalfOpen")
    const second = admit(once)
    assert.strictEqual(Circuit.admit(twice, second, 100)._tag, "Refused")
    assert.strictEqual(settle(second, "Success")._tag, "Closed")
    assert.strictEqual(settle(second, "Failure")._tag, "Open")
  })

  it("C4: an outcome of an earlier generation changes nothing", () => {
    const probing = Circuit.admit(rules, opened, 100)
    assert(probing._tag === "Admitted")
    assert.strictEqual(
      Circuit.settle(rules, probing.state, { generation: 0, outcome: "Success", now: 101 }),
      probing.state
    )
    assert.strictEqual(Circuit.settle(rules, opened, { generation: 0, outcome: "Success", now: 1 }), opened)
  })

  it("C5: a probe that never answers is given up", () => {
    const probing = Circuit.admit(rules, opened, 100)
    assert(probing._tag === "Admitted")
    assert.strictEqual(Circuit.admit(rules, probing.state, 199)._tag, "Refused")
    assert.strictEqual(Circuit.admit(rules, probing.state, 200)._tag, "Admitted")
  })

  it("an idle circuit costs no memory: success leaves the initial state as it is", () => {
    const state = Circuit.settle(rules, Circuit.initial, { generation: 0, outcome: "Success", now: 5 })
    assert.strictEqual(state, Circuit.initial)
  })
})
