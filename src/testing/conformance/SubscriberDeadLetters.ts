/** Checks of what fails: S6, S7. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type { StoredEvent } from "../../event-store/Envelope.ts"
import type { EventStore } from "../../event-store/EventStore.ts"
import * as Subscriber from "../../events/Subscriber.ts"
import type { Persistence } from "../../persistence/Persistence.ts"
import { type Case, make } from "./Conformance.ts"
import { eventually, makeRecorder, makeWorld, numbered, settled } from "./SubscriberFixtures.ts"

class Refused extends Schema.TaggedError<Refused>()("Refused", { isLasting: Schema.Boolean }) {
  override get message(): string {
    return "The mail server refused."
  }
}

/** A handler that refuses the types in `bad`. */
const refusing = (recorder: ReturnType<typeof makeRecorder>, bad: ReadonlySet<string>) => {
  const tried: Array<string> = []
  const handler = (event: StoredEvent, { attempt, isRedriven }: Subscriber.Delivery) =>
    Effect.suspend(() => {
      tried.push(`${event.type} ${attempt}${isRedriven ? " redriven" : ""}`)
      if (bad.has(event.type)) return new Refused({ isLasting: event.type.startsWith("Lasting") })
      if (event.type === "Throws") throw new Error("a slip")
      return event.type === "Defect" ? Effect.die("a bug") : recorder.hear(event)
    })
  return { handler, tried }
}

/** Twice more, but not if the typed error says that it lasts. */
const twice = Schedule.recurs(2).pipe(
  Schedule.setInputType<Subscriber.Failure<Refused>>(),
  Schedule.while(({ input }) => Effect.succeed(input._tag !== "Refused" || !input.isLasting))
)

const countIs = (subscriber: { readonly name: string }, count: number) =>
  eventually(
    `${count} dead letters`,
    Effect.map(Subscriber.deadLetterCount(subscriber), (found) => found === count)
  )

export const cases: ReadonlyArray<Case<EventStore | Persistence>> = [
  make("S6", "a failing event is tried by its schedule, then it is a dead letter, and the others go on", (expect) =>
    Effect.gen(function* () {
      const { append, name, stream } = yield* makeWorld
      const recorder = makeRecorder()
      const { handler, tried } = refusing(recorder, new Set(["Bad", "LastingBad"]))
      const subscriber = Subscriber.make(name, { streamPrefix: `${name}/`, handler, retry: twice, concurrency: 1 })
      yield* append("a", "Bad", "A1")
      yield* append("b", "LastingBad")
      yield* append("c", "Defect", "Throws", "C1")
      const membership = yield* Subscriber.start(subscriber)
      yield* settled(subscriber)
      const triesOf = (type: string) => tried.filter((one) => one.startsWith(`${type} `))
      yield* expect.equal("tries", triesOf("Bad"), ["Bad 1", "Bad 2", "Bad 3"])
      yield* expect.equal("the schedule sees the typed error", triesOf("LastingBad"), ["LastingBad 1"])
      yield* expect.equal("tries of a defect", triesOf("Defect").length, 3)
      yield* expect.equal("the stream goes on", recorder.of(stream("a")), ["A1"])
      const letters = yield* Subscriber.deadLetters(subscriber)
      yield* expect.equal(
        "dead letters, in the order of the log",
        letters.map(({ attempts, reason, status, stream, version }) => [stream, version, attempts, status, reason]),
        [
          [stream("a"), 1, 3, "dead", "The mail server refused."],
          [stream("b"), 1, 1, "dead", "The mail server refused."],
          [stream("c"), 1, 3, "dead", `The handler of subscriber "${name}" died: a bug.`],
          [stream("c"), 2, 3, "dead", `The handler of subscriber "${name}" died: a slip.`]
        ]
      )
      yield* expect.equal(
        "the cause is kept",
        letters.every(({ cause }) => cause !== ""),
        true
      )
      yield* expect.equal("counted", yield* Subscriber.deadLetterCount(subscriber), 4)
      yield* expect.equal("counted by the member", (yield* membership.stats).deadLettered, 4)
      const page = yield* Subscriber.deadLetters(subscriber, { limit: 1, offset: 1 })
      yield* expect.equal(
        "a page",
        page.map(({ stream }) => stream),
        [stream("b")]
      )
    }).pipe(Effect.scoped)
  ),

  make("S6", "an event that waits for its next try holds no worker", (expect) =>
    Effect.gen(function* () {
      const { append, name } = yield* makeWorld
      const recorder = makeRecorder()
      const { handler } = refusing(recorder, new Set(["Bad"]))
      const subscriber = Subscriber.make(name, {
        streamPrefix: `${name}/`,
        handler,
        retry: Schedule.spaced("365 days"),
        concurrency: 1
      })
      yield* append("bad", "Bad", "Behind")
      yield* append("good", ...numbered("G", 5))
      yield* Subscriber.start(subscriber)
      yield* recorder.until(5)
      yield* expect.equal("handled", recorder.heard.length, 5)
    }).pipe(Effect.scoped)
  ),

  make("S7", "skipped dead letters are redriven one by one or all, in the order of their stream", (expect) =>
    Effect.gen(function* () {
      const { append, name, stream } = yield* makeWorld
      const recorder = makeRecorder()
      const bad = new Set(["Bad0", "Bad1", "Bad2", "Bad3"])
      const { handler, tried } = refusing(recorder, bad)
      const subscriber = Subscriber.make(name, { streamPrefix: `${name}/`, handler, retry: Schedule.recurs(0) })
      yield* append("a", "Bad0", "Good", "Bad1", "Bad2", "Bad3")
      const membership = yield* Subscriber.start(subscriber)
      yield* settled(subscriber)
      yield* countIs(subscriber, 4)
      const [first] = yield* Subscriber.deadLetters(subscriber)

      yield* expect.equal("marked", yield* Subscriber.redrive(subscriber, [first!.id, "unknown"]), 1)
      yield* membership.nudge
      yield* eventually(
        "it is tried again, in vain",
        Effect.sync(() => tried.includes("Bad0 1 redriven"))
      )
      yield* eventually(
        "and is dead again",
        Effect.map(Subscriber.deadLetters(subscriber), ([letter]) => letter?.status === "dead" && letter.attempts === 2)
      )

      bad.clear()
      yield* expect.equal("marked", yield* Subscriber.redrive(subscriber, [first!.id]), 1)
      yield* membership.nudge
      yield* countIs(subscriber, 3)
      yield* expect.equal("marked", yield* Subscriber.redrive(subscriber, "all"), 3)
      yield* membership.nudge
      yield* countIs(subscriber, 0)
      yield* expect.equal("handled", recorder.of(stream("a")), ["Good", "Bad0", "Bad1", "Bad2", "Bad3"])
      yield* expect.equal("none is left", yield* Subscriber.deadLetters(subscriber), [])
    }).pipe(Effect.scoped)
  ),

  make("S7", "a parked stream waits behind its dead letter, and goes on in order", (expect) =>
    Effect.gen(function* () {
      const { append, name, stream } = yield* makeWorld
      const recorder = makeRecorder()
      const bad = new Set(["Bad"])
      const { handler, tried } = refusing(recorder, bad)
      const subscriber = Subscriber.make(name, {
        streamPrefix: `${name}/`,
        handler,
        retry: Schedule.recurs(0),
        onPoison: "park-stream"
      })
      yield* append("a", "A0", "Bad", ...numbered("P", 70))
      yield* append("b", "B0")
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* Subscriber.start(subscriber)
          yield* settled(subscriber)
        })
      )
      yield* countIs(subscriber, 71)
      yield* expect.equal("the others go on", recorder.of(stream("b")), ["B0"])
      yield* expect.equal(
        "parked events are not tried",
        tried,
        ["A0 1", "Bad 1", "B0 1"].filter((one) => tried.includes(one))
      )

      // A successor knows of it, too.
      const membership = yield* Subscriber.start(subscriber)
      yield* append("a", "Later")
      yield* countIs(subscriber, 72)
      const [, parked] = yield* Subscriber.deadLetters(subscriber)
      yield* expect.equal("parked", parked?.status, "parked")
      yield* Subscriber.redrive(subscriber, [parked!.id])
      yield* membership.nudge
      yield* eventually(
        "the dead one is tried first, in vain",
        Effect.sync(() => tried.includes("Bad 1 redriven"))
      )
      yield* expect.equal("handled meanwhile", recorder.of(stream("a")), ["A0"])

      bad.clear()
      yield* eventually(
        "it is dead again",
        Effect.map(Subscriber.deadLetters(subscriber, { limit: 1 }), ([letter]) => letter?.status === "dead")
      )
      yield* Subscriber.redrive(subscriber, "all")
      yield* membership.nudge
      yield* countIs(subscriber, 0)
      yield* append("a", "Last")
      yield* settled(subscriber)
      yield* expect.equal("in order", recorder.of(stream("a")), ["A0", "Bad", ...numbered("P", 70), "Later", "Last"])
    }).pipe(Effect.scoped)
  ),

  make("S7", "a discarded dead letter is gone, and its parked stream goes on", (expect) =>
    Effect.gen(function* () {
      const { append, name, stream } = yield* makeWorld
      const recorder = makeRecorder()
      const { handler } = refusing(recorder, new Set(["Bad"]))
      const subscriber = Subscriber.make(name, {
        streamPrefix: `${name}/`,
        handler,
        retry: Schedule.recurs(0),
        onPoison: "park-stream"
      })
      yield* append("a", "Bad", "P0", "P1")
      const membership = yield* Subscriber.start(subscriber)
      yield* countIs(subscriber, 3)
      const [, , last] = yield* Subscriber.deadLetters(subscriber)
      yield* Subscriber.discard(subscriber, [last!.id])
      yield* membership.nudge
      yield* Subscriber.discard(subscriber, "all")
      yield* membership.nudge
      yield* countIs(subscriber, 0)
      yield* expect.equal("handled", recorder.of(stream("a")), ["P0"])
    }).pipe(Effect.scoped)
  )
]
