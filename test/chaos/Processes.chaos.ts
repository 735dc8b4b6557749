/**
 * Two processes share the open runs of one store, and something happens to one of them.
 *
 *   P1. Killed: the other finishes its runs.
 *   P2. Frozen past its lease and woken: it learns that its runs are another's, records nothing more, nothing is twice.
 *   P3. SIGTERM: it begins nothing more, records the steps under way, hands its lease back, compensates nothing, and is
 *       gone.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { StoredEvent } from "../../src/event-store/Envelope.ts"
import { EventStoreDriver } from "../../src/event-store/EventStoreDriver.ts"
import { Persistence } from "../../src/persistence/Persistence.ts"
import * as LogAudit from "../../src/testing/LogAudit.ts"
import { temporaryFile } from "../backends.ts"
import type { Place } from "../durable/sigkill/place.ts"
import { type Around, checkLog, linesOf, outcomes } from "../durable/sigkill/survives.ts"
import * as Members from "./Members.ts"
import { inPlace, kinds, ownServer, temporaryPlace } from "./places.ts"
import { deadServerFirst, eventually } from "./ServerFaults.ts"

interface Said {
  readonly outcomes?: ReadonlyArray<string>
  readonly lost?: string
  /** How its main program ended. */
  readonly closed?: string
}

type Member = Members.Member<Said>
const join = (settings: object) => Members.join<Said>(new URL("member.ts", import.meta.url), settings)

const outcomesOf = ({ said }: Member) => said().find((message) => message.outcomes !== undefined)?.outcomes

/** Two members, once the first has begun to record, and what each of them has executed. */
const two = Effect.fnUntraced(function* (place: Place, lease: `${number} seconds`) {
  const sideFile = `${yield* temporaryFile}.side`
  const executedBy = ({ pid }: Member) => linesOf(sideFile).filter((line) => line.startsWith(`${pid} `))
  const second = yield* join({ place, sideFile, lease, starts: false })
  yield* eventually(
    "the second member is ready",
    Effect.sync(() => second.said().length > 0)
  )
  const first = yield* join({ place, sideFile, lease, starts: true })
  yield* eventually(
    "the first member is busy",
    // More than all runs execute before they are approved, and a third of what they execute in the end.
    Effect.sync(() => executedBy(first).length > 110)
  )
  assert.lengthOf(executedBy(second), 0)
  return { first, second, executedBy }
})

const recoveries = (log: ReadonlyArray<StoredEvent>) => log.filter(({ type }) => type === "RunRecovered").length

const finish = Effect.fnUntraced(function* (survivor: Member) {
  yield* eventually(
    "the other finishes the runs",
    Effect.sync(() => outcomesOf(survivor) !== undefined)
  ).pipe(
    Effect.catch((error) =>
      Effect.flatMap(LogAudit.readAll, (log) =>
        Effect.fail(new Error(`${error.message}\n${Members.stateOf(survivor, log)}`))
      )
    )
  )
  assert.deepStrictEqual(outcomesOf(survivor), outcomes)
  const log = yield* LogAudit.readAll
  checkLog(log)
  return log
})

const alone: Around = (kill) => kill

const killed = Effect.fnUntraced(function* (place: Place, around: Around) {
  const { first, second } = yield* two(place, "2 seconds")
  yield* around(first.send("SIGKILL"))
  assert.strictEqual(yield* first.ended, "SIGKILL")
  assert.isUndefined(outcomesOf(first), "it had finished before it was killed")
  const log = yield* finish(second)
  assert.isAbove(recoveries(log), 0, "the first had no run when it was killed")
})

const frozen = Effect.fnUntraced(function* (place: Place) {
  const { first, second } = yield* two(place, "2 seconds")
  yield* first.send("SIGSTOP")
  const before = yield* finish(second)
  assert.isAbove(recoveries(before), 0, "the first had no run when it was frozen")
  assert.isUndefined(outcomesOf(first))
  yield* first.send("SIGCONT")
  // It meets its own end of each run: fenced, then told how the run ended elsewhere.
  const after = yield* finish(first)
  assert.isAbove(first.said().filter(({ lost }) => lost === "Fenced").length, 0)
  assert.strictEqual(after.length, before.length)
})

const terminated = Effect.fnUntraced(function* (place: Place) {
  const { first, executedBy, second } = yield* two(place, "20 seconds")
  yield* first.send("SIGTERM")
  yield* eventually(
    "the first member has drained",
    Effect.sync(() => first.said().at(-1)?.closed === "interrupted")
  )
  // Nothing that it left open keeps the process alive.
  const ended = first.ended.pipe(
    Effect.timeoutOrElse({ duration: "5 seconds", orElse: () => Effect.succeed("still there after 5 seconds") })
  )
  assert.strictEqual(yield* ended, "exit 0")
  assert.isUndefined(outcomesOf(first), "it had finished before it was told to")
  // One lease is left: that of the second member.
  const persistence = yield* Persistence
  const leases = yield* persistence.query("leases", { limit: 10 })
  const valid = leases.filter(({ body }) => (body["until"] as number) > Date.now())
  assert.lengthOf(valid, 1)
  const log = yield* finish(second)
  assert.isAbove(recoveries(log), 0, "the first had no run when it ended")
  // Attempts of one step share their key: only of steps without a second attempt can it be said that they ran once.
  const keys = (member: Member) =>
    executedBy(member)
      .map((line) => line.slice(line.indexOf(" ") + 1))
      .filter((key) => !key.endsWith("/flaky"))
  const ran = new Set(keys(first))
  assert.deepStrictEqual(
    keys(second).filter((key) => ran.has(key)),
    []
  )
})

for (const kind of kinds) {
  const shared = <E>(test: (place: Place) => Effect.Effect<void, E, EventStoreDriver | Persistence | Scope.Scope>) =>
    Effect.flatMap(temporaryPlace[kind], (place) => inPlace(place, test))

  describe(`two processes on ${kind}`, () => {
    it.live("P1: one is killed, the other finishes its runs", () => shared((place) => killed(place, alone)))
    it.live("P1: one is killed while its server is away", () =>
      Effect.flatMap(ownServer[kind], ({ place, server }) =>
        inPlace(place, () => killed(place, deadServerFirst(server)))
      )
    )
    it.live("P2: one is frozen past its lease: it is fenced when it wakes", () => shared(frozen))
    it.live("P3: one is told to end: it hands over and compensates nothing", () => shared(terminated))
  })
}
