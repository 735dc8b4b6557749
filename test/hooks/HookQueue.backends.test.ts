/** Hooks through the work queue of each backend: retries, dead letters, redrives, and the order of a stream. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, Option } from "effect"
import { Agent, EventStore, Hook, type Persistence, StreamId, type WorkQueueDriver } from "../../src/index.ts"
import { backends } from "../backends.ts"
import { eventually } from "../queues/mails.ts"
import { speaker } from "./parts.ts"

const alice = speaker("alice").pipe(Agent.transform(Hook.hooked("talk")))
const twice = { times: 1, delay: "1 millis", factor: 1 } as const

const letters = (hook: string) => Hook.Hooks.use(({ deadLetters }) => deadLetters(hook))
const outcomes = (hook: string) =>
  Effect.map(
    Hook.Hooks.use(({ executions }) => executions),
    (all) => all.filter((one) => one.hook === hook).map(({ attempts, outcome }) => `${outcome} ${attempts}`)
  )

for (const { layer, name } of backends) {
  // The stores of a deployment have queues, too.
  const stores = layer as Layer.Layer<EventStore.EventStore | Persistence | WorkQueueDriver, unknown>

  /** A process of its own; what it logs is kept. */
  const inProcess = <E>(
    hook: Hook.Hook<never>,
    body: (logged: ReadonlyArray<string>) => Effect.Effect<void, E, Hook.Hooks | EventStore.EventStore>
  ) => {
    const logged: Array<string> = []
    const logger = Logger.make<unknown, void>(({ message }) => void logged.push(String(message)))
    return Effect.suspend(() => body(logged)).pipe(
      Effect.provide(Hook.layer([hook], { pollInterval: "20 millis" }).pipe(Layer.provideMerge(stores))),
      Effect.provide(Logger.layer([logger]))
    )
  }

  describe(`hooks through the queue on ${name}`, () => {
    it.live("Q2: a call is told, tried again, a dead letter, and redriven", () => {
      const told: Array<string> = []
      let isUp = false
      const report = Hook.post("report", {
        delivery: "queue",
        values: true,
        retry: twice,
        run: ({ agent, input, outcome }, { attempt }) =>
          Effect.suspend(() => {
            told.push(`${agent} ${JSON.stringify(input)} ${outcome._tag} ${attempt}`)
            return isUp ? Effect.void : Effect.fail("no paper")
          })
      })
      return inProcess(
        report,
        Effect.fnUntraced(function* (logged) {
          assert.strictEqual(yield* alice.run({ text: "a ✓" }), "alice(a ✓)")
          const [letter] = yield* eventually(letters("report"), (all) => all.length === 1)
          assert.deepStrictEqual(told, ['alice {"text":"a ✓"} Success 1', 'alice {"text":"a ✓"} Success 2'])
          assert.strictEqual(letter!.attempts, 2)
          const { message } = Option.getOrThrow(letter!.error)
          assert.strictEqual(message, 'Hook "report" (post) failed for "alice": no paper.')
          assert.deepStrictEqual(
            logged.filter((line) => line.includes("dead letter")),
            ['An item of hook "report" is a dead letter, failures: 2']
          )
          isUp = true
          const { redrive } = yield* Hook.Hooks
          assert.deepStrictEqual(yield* redrive("report", [letter!.id]), [letter!.id])
          const done = yield* eventually(outcomes("report"), ([newest]) => newest?.startsWith("Observed") === true)
          assert.deepStrictEqual(done.slice(1), ["Failed 2", "Failed 1", "Queued 1"])
          assert.deepStrictEqual(yield* letters("report"), [])
        })
      )
    })

    it.live("Q2, Q3: events of a stream are told in their order, and the next after a dead letter", () => {
      const told: Array<string> = []
      const notify = Hook.event("notify", {
        events: ["OrderPlaced", "OrderShipped"],
        retry: twice,
        run: ({ type, version }, { attempt }) =>
          Effect.suspend(() => {
            told.push(`${type} ${version} ${attempt}`)
            return type === "OrderPlaced" && (version === 3 || attempt === 1) ? Effect.fail("no bell") : Effect.void
          })
      })
      return inProcess(
        notify,
        Effect.fnUntraced(function* () {
          const store = yield* EventStore.EventStore
          const types = ["OrderPlaced", "OrderShipped", "OrderPlaced", "OrderShipped"]
          const placed = types.map((type) => ({ type, data: {} }))
          yield* store.append(StreamId.make("order/1"), placed, "Any")
          const ended = Effect.zip(letters("notify"), outcomes("notify"))
          const [[letter]] = yield* eventually(ended, ([dead, all]) => dead.length === 1 && all.length === 6)
          assert.deepStrictEqual(told, [
            "OrderPlaced 1 1",
            "OrderPlaced 1 2",
            "OrderShipped 2 1",
            "OrderPlaced 3 1",
            "OrderPlaced 3 2",
            "OrderShipped 4 1"
          ])
          assert.include(letter!.detail, "no bell")
        })
      )
    })
  })
}
