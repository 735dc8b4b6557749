/**
 * A process talks to runs that others carry out, whose owners are killed twice: while it sends signals, and while runs
 * are paused. What it says next is said to runs without an owner.
 *
 *   P4. Signals reach their run, each once, in the order in which they were sent.
 *   P5. A paused run begins nothing more until it is resumed, also under its next owner.
 *   P6. A cancelled run undoes what it did, once, and ends as cancelled.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { StoredEvent } from "../../src/event-store/Envelope.ts"
import { isEnd, isEntry } from "../../src/durable/RunHistory.ts"
import * as LogAudit from "../../src/testing/LogAudit.ts"
import type { Place } from "../durable/sigkill/place.ts"
import * as Members from "./Members.ts"
import { inPlace, kinds, temporaryPlace } from "./places.ts"
import { eventually } from "./ServerFaults.ts"
import * as Talks from "./talk.ts"

type Listener = Members.Member<Talks.Heard>
type Speaker = Members.Member<Talks.Spoken>

const lease = "2 seconds"
const listen = (place: Place, starts: boolean) =>
  Members.join<Talks.Heard>(new URL("listener.ts", import.meta.url), { place, lease, starts } satisfies Talks.Settings)

const ownerOf = ({ said }: Listener) => said().find(({ owner }) => owner !== undefined)?.owner

const saysOwner = (listener: Listener) =>
  eventually(
    "a listener is ready",
    Effect.sync(() => ownerOf(listener) !== undefined)
  )

const awaitSpeaker = (speaker: Speaker, what: string, check: (message: Talks.Spoken) => boolean) =>
  eventually(
    what,
    Effect.sync(() => speaker.said().some(check))
  ).pipe(
    Effect.catch((error) =>
      Effect.flatMap(LogAudit.readAll, (log) =>
        Effect.fail(new Error(`${error.message}\n${Members.stateOf(speaker, log)}`))
      )
    )
  )

const kill = Effect.fnUntraced(function* (listener: Listener) {
  yield* listener.send("SIGKILL")
  assert.strictEqual(yield* listener.ended, "SIGKILL")
})

const eventsOf = (log: ReadonlyArray<StoredEvent>, run: number) =>
  log.filter(({ stream }) => stream === `run/${Talks.runIdOf(run)}`)

/** Who claimed the run last. */
const lastOwner = (events: ReadonlyArray<StoredEvent>): unknown => {
  const claim = events.findLast(({ type }) => type === "RunRecovered" || type === "RunStarted")
  return (claim?.data as { readonly owner?: unknown } | undefined)?.owner
}

const runsOf = (fate: Talks.Fate) => Talks.numbers.filter((run) => Talks.fateOf(run) === fate)

const received = Effect.map(LogAudit.readAll, (log) => log.filter(({ type }) => type === "SignalReceived").length)

const converse = Effect.fnUntraced(function* (place: Place) {
  const others = yield* Effect.all([listen(place, false), listen(place, false)])
  yield* Effect.forEach(others, saysOwner)
  const first = yield* listen(place, true)
  yield* eventually(
    "the runs are accepted",
    Effect.sync(() => first.said().some(({ started }) => started === true))
  )
  const speaker = yield* Members.join<Talks.Spoken>(new URL("speaker.ts", import.meta.url), {
    place,
    lease,
    starts: false
  } satisfies Talks.Settings)
  yield* eventually(
    "signals are received",
    Effect.map(received, (count) => count >= 20)
  )
  yield* kill(first)
  assert.deepStrictEqual(speaker.said(), [], "it had said all before the owner was killed")
  yield* awaitSpeaker(speaker, "the first words are said", ({ done }) => done === "first words")
  yield* speaker.tell("go on")
  yield* awaitSpeaker(speaker, "runs are paused", ({ done }) => done === "pauses")

  const [paused] = runsOf("paused")
  const owner = lastOwner(eventsOf(yield* LogAudit.readAll, paused!))
  const second = others.find((other) => ownerOf(other) === owner)
  assert.isDefined(second, `a paused run is owned by ${String(owner)}`)
  yield* kill(second)
  const killedAt = (yield* LogAudit.readAll).length
  yield* speaker.tell("go on")
  yield* awaitSpeaker(speaker, "the runs end", ({ outcomes }) => outcomes !== undefined)
  return { speaker, killedOwner: owner, killedAt, log: yield* LogAudit.readAll }
})

const whole = Array.from({ length: Talks.words }, (_, n) => n).join(" ")

/** P5: what was under way is recorded, in a program without branches one answer at most; the next owner begins nothing. */
const checkPause = (events: ReadonlyArray<StoredEvent>) => {
  const from = events.findIndex(({ type }) => type === "RunPaused")
  const to = events.findIndex(({ type }) => type === "RunResumed")
  assert.isTrue(0 < from && from < to, "it was paused and resumed")
  const between = events.slice(from, to)
  const claim = between.findIndex(({ type }) => type === "RunRecovered")
  const answers = (events: ReadonlyArray<StoredEvent>) => events.filter(({ type }) => isEntry(type)).length
  assert.isAtLeast(claim, 0, "it has a new owner while it is paused")
  assert.isAtMost(answers(between.slice(0, claim)), 1)
  assert.strictEqual(answers(between.slice(claim)), 0)
}

/** P6. */
const checkCancelled = (events: ReadonlyArray<StoredEvent>) => {
  const count = (check: (event: StoredEvent) => boolean) => events.filter(check).length
  assert.strictEqual(
    count(({ type }) => type === "RunCancelRequested"),
    1
  )
  assert.strictEqual(
    count(({ meta, type }) => type === "StepCompleted" && /leave/.test(meta.path ?? "")),
    1
  )
  assert.deepStrictEqual(
    events.filter(({ type }) => isEnd(type)).map(({ type }) => type),
    ["RunCancelled"]
  )
}

const conversation = Effect.fnUntraced(function* (place: Place) {
  const { killedAt, killedOwner, log, speaker } = yield* converse(place)
  // P4
  const outcomes = speaker.said().find(({ outcomes }) => outcomes !== undefined)?.outcomes
  const expected = Talks.numbers.map((run) =>
    Talks.fateOf(run) === "cancelled" ? `cancelled: ${Talks.reason}` : whole
  )
  assert.deepStrictEqual(outcomes, expected)
  assert.deepStrictEqual(LogAudit.problems(log), [])
  for (const run of Talks.numbers) {
    const claims = eventsOf(log, run).filter(({ type }) => type === "RunRecovered").length
    assert.isAtLeast(claims, 1, `run ${run} still had its first owner`)
  }
  assert.isTrue(
    log.slice(killedAt).some(({ type }) => type === "RunRecovered"),
    "the second owner had no run when it was killed"
  )
  const orphans = runsOf("paused").filter((run) => lastOwner(eventsOf(log.slice(0, killedAt), run)) === killedOwner)
  for (const run of orphans) checkPause(eventsOf(log, run))
  for (const run of runsOf("cancelled")) checkCancelled(eventsOf(log, run))
})

describe("a third process talks to runs", () => {
  for (const kind of kinds) {
    it.live(`P4-P6: signals, pauses and cancels on ${kind}, around two kills of their owners`, () =>
      Effect.flatMap(temporaryPlace[kind], (place) => inPlace(place, conversation))
    )
  }
})
