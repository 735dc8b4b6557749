import { assert, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { PauseGate } from "../../src/durable/PauseGate.ts"

it.effect("who waits goes on when the gate is opened", () =>
  Effect.gen(function* () {
    const gate = new PauseGate(true)
    const waiting = yield* Effect.forkChild(gate.opened, { startImmediately: true })
    assert.isUndefined(waiting.pollUnsafe())
    gate.open()
    yield* Fiber.join(waiting)
  })
)

it.effect("who was told to wait, and begins to when it is open again, goes on at once", () =>
  Effect.gen(function* () {
    const gate = new PauseGate(true)
    const { opened } = gate
    gate.open()
    const waiting = yield* Effect.forkChild(opened, { startImmediately: true })
    assert.isDefined(waiting.pollUnsafe())
  })
)
