/**
 * Two processes share a durable subscriber. Again and again one is killed, and a new one joins.
 *
 *   G1. Every event is handled at least once.
 *   G2. Events of one stream are handled for the first time in their order, by whomever.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { StreamId } from "../../src/event-store/Envelope.ts"
import { EventStore } from "../../src/event-store/EventStore.ts"
import * as Subscriber from "../../src/events/Subscriber.ts"
import * as LogAudit from "../../src/testing/LogAudit.ts"
import { temporaryFile } from "../backends.ts"
import type { Place } from "../durable/sigkill/place.ts"
import { linesOf } from "../durable/sigkill/survives.ts"
import { rounds } from "./Faults.ts"
import * as Members from "./Members.ts"
import { inPlace, kinds, temporaryPlace } from "./places.ts"
import { reading, type Settings, streamPrefix } from "./reading.ts"
import { eventually } from "./ServerFaults.ts"

const kills = 3 * rounds
const streams = 12

const append = Effect.fnUntraced(function* (isOver: () => boolean) {
  const store = yield* EventStore
  for (let count = 0; !isOver(); count++) {
    yield* store.append(`${streamPrefix}${count % streams}` as StreamId, [{ type: "Told", data: { count } }], "Any")
    yield* Effect.sleep("4 millis")
  }
})

/** `[stream, version]` of each event as it was handled for the first time. */
const firsts = (lines: ReadonlyArray<string>) =>
  [...new Set(lines.map((line) => line.slice(line.indexOf(" ") + 1)))].map((place) => {
    const [stream, version] = place.split("@") as [string, string]
    return { stream, version: Number(version) }
  })

const survive = Effect.fnUntraced(function* (place: Place) {
  const sideFile = `${yield* temporaryFile}.side`
  const join = Members.join(new URL("reader.ts", import.meta.url), { place, sideFile } satisfies Settings)
  const countOf = ({ pid }: Members.Member<object>) =>
    linesOf(sideFile).filter((line) => line.startsWith(`${pid} `)).length
  const isBusy = (member: Members.Member<object>) =>
    Effect.suspend(() => {
      const before = countOf(member)
      return eventually(
        "a member handles events",
        Effect.sync(() => countOf(member) >= before + 20)
      )
    })

  let isOver = false
  const appending = yield* Effect.forkScoped(append(() => isOver))
  let [older, newer] = [yield* join, yield* join]
  for (let kill = 0; kill < kills; kill++) {
    yield* isBusy(older)
    yield* older.send("SIGKILL")
    assert.strictEqual(yield* older.ended, "SIGKILL")
    ;[older, newer] = [newer, yield* join]
  }
  isOver = true
  yield* Fiber.join(appending)
  yield* eventually(
    "all is handled",
    Effect.map(Subscriber.lag(reading(sideFile)), ({ events }) => events === 0)
  )

  const told = (yield* LogAudit.readAll).filter(({ stream }) => stream.startsWith(streamPrefix))
  const handled = firsts(linesOf(sideFile))
  // G1
  const missing = new Set(told.map(({ stream, version }) => `${stream}@${version}`))
  for (const { stream, version } of handled) missing.delete(`${stream}@${version}`)
  assert.deepStrictEqual([...missing], [])
  // G2
  const last = new Map<string, number>()
  for (const { stream, version } of handled) {
    assert.isAbove(version, last.get(stream) ?? 0, `${stream} was handled out of order`)
    last.set(stream, version)
  }
})

describe("members of a subscriber are killed again and again", () => {
  for (const kind of kinds) {
    it.live(`G1-G2: on ${kind}`, () => Effect.flatMap(temporaryPlace[kind], (place) => inPlace(place, survive)))
  }
})
