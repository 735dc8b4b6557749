import { Context, Effect, type Layer, Schema } from "effect"
import {
  Agent,
  type ContractViolation,
  type EventStore,
  type EventStoreError,
  Hook,
  type HookFailed,
  type HookMisconfigured,
  type HookRefused,
  type HookUnknown,
  type Persistence,
  type PersistenceError,
  Task,
  type WorkQueueDriver,
  type WorkQueueError
} from "tutti"
import { expectTypeOf } from "vitest"

class Declined extends Schema.TaggedError<Declined>()("Declined", {}) {}
class Secrets extends Context.Service<Secrets, ReadonlyArray<string>>()("test/Secrets") {}
class Mailer extends Context.Service<Mailer, (text: string) => Effect.Effect<void>>()("test/Mailer") {}
class Db extends Context.Service<Db, { readonly db: true }>()("test/Db") {}

const Say = Task.make("Say", { input: { text: Schema.String, at: Schema.Date }, output: Schema.Int, error: Declined })
const alice = Agent.make("alice", { task: Say, run: ({ text }) => Effect.as(Db, text.length) })

// The input is typed by the schema, and so is what it may be changed to.
const redact = Hook.pre("redact", {
  input: Say.input,
  run: ({ agent, input }) => {
    expectTypeOf(agent).toEqualTypeOf<string>()
    expectTypeOf(input).toEqualTypeOf<{ readonly text: string; readonly at: Date }>()
    return Effect.flatMap(Secrets, (secrets) =>
      secrets.includes(input.text) ? Hook.change({ ...input, text: "…" }) : Hook.pass
    )
  }
})
expectTypeOf(redact).toEqualTypeOf<Hook.PreHook<{ readonly text: string; readonly at: Date }, Secrets>>()

Hook.pre("wrong", {
  input: Say.input,
  // @ts-expect-error: the text is no number.
  run: ({ input }) => Hook.change({ ...input, text: 7 })
})

// @ts-expect-error: a ruling is asked for.
Hook.pre("silent", { run: () => Effect.void })

// Without a schema a hook is for all inputs, and knows none of them.
const guard = Hook.pre("guard", {
  where: ({ capabilities }) => capabilities.includes("payments"),
  run: ({ input }) => {
    expectTypeOf(input).toEqualTypeOf<unknown>()
    return Hook.refuse("not today")
  }
})
expectTypeOf(guard).toEqualTypeOf<Hook.PreHook<unknown, never>>()

const report = Hook.post("report", {
  delivery: "queue",
  run: ({ outcome }, { idempotencyKey }) => Effect.flatMap(Mailer, (mail) => mail(`${outcome._tag} ${idempotencyKey}`))
})
expectTypeOf(report).toEqualTypeOf<Hook.PostHook<Mailer>>()

Hook.post("timed", {
  // @ts-expect-error: how long it took is not the same on replay.
  where: ({ duration }) => duration !== undefined,
  run: () => Effect.void
})

// A session's scope is given to it.
const tenant = Hook.session("tenant", { open: () => Effect.acquireRelease(Db, () => Effect.void) })
expectTypeOf(tenant).toEqualTypeOf<Hook.SessionHook<Db>>()

// @ts-expect-error: an event hook says of which events.
Hook.event("all", { run: () => Effect.void })

// A hook is matched by what it can be matched by.
Hook.session("scoped", { match: { scopes: ["talk"], runs: ["Job/"] }, open: () => Effect.void })
// @ts-expect-error: a session is around many calls.
Hook.session("wrong", { match: { agents: ["alice"] }, open: () => Effect.void })
// @ts-expect-error: a call is no event.
Hook.pre("wrong", { match: { events: ["OrderPlaced"] }, run: () => Hook.pass })

// What handlers need, the layer needs; each once.
const layer = Hook.layer([redact, guard, report, tenant])
expectTypeOf(layer).toEqualTypeOf<
  Layer.Layer<
    Hook.Hooks,
    PersistenceError | WorkQueueError | EventStoreError,
    EventStore.EventStore | Persistence | WorkQueueDriver | Secrets | Mailer | Db
  >
>()

// The edge of a hooked scope says how hooks may end it.
const hooked = alice.run({ text: "", at: new Date() }).pipe(Hook.hooked("talk"))
expectTypeOf(hooked).toEqualTypeOf<
  Effect.Effect<number, Declined | ContractViolation | HookRefused | HookFailed, Db | Hook.Hooks>
>()

const agent = alice.pipe(Agent.transform(Hook.hooked("talk")))
expectTypeOf(agent).toEqualTypeOf<
  Agent.Agent<
    { readonly text: string; readonly at: Date },
    number,
    Declined | ContractViolation | HookRefused | HookFailed,
    Db | Hook.Hooks
  >
>()

// Inside, nothing changes: an inner handler has no more tags to name.
expectTypeOf(
  alice
    .run({ text: "", at: new Date() })
    .pipe(
      Effect.catchTags({ Declined: () => Effect.succeed(0), ContractViolation: () => Effect.succeed(0) }),
      Hook.hooked("talk")
    )
).toEqualTypeOf<Effect.Effect<number, HookRefused | HookFailed, Db | Hook.Hooks>>()

expectTypeOf(Hook.Hooks.use(({ configure }) => configure("redact", { enabled: false }))).toEqualTypeOf<
  Effect.Effect<Hook.HookConfig, HookUnknown | HookMisconfigured | PersistenceError, Hook.Hooks>
>()

// @ts-expect-error: no field of a configuration.
Hook.Hooks.use(({ configure }) => configure("redact", { color: "red" }))
