/** Keeps session hooks open for as long as a hooked scope lasts. */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { Session } from "./HookDefinition.ts"
import { end, HookFailed } from "./HookError.ts"
import { inContextOf, messageOf } from "./HookHandling.ts"
import * as HookMatch from "./HookMatch.ts"
import type { Active, Registry } from "./HookRegistry.ts"
import * as HookStep from "./HookStep.ts"

/** The hooked scope that they belong to. */
interface Entered extends Session {
  readonly registry: Registry
  readonly place: HookStep.Place
}

/** A session that is open in this process. */
interface Opened {
  readonly hook: string
  /** For its closing, too. */
  readonly timeout: Duration.Duration
  readonly resources: Scope.Closeable
}

/** What is open, in this order. Once it is being closed, whatever opens late is turned away. */
class Sessions {
  private readonly opened: Array<Opened> = []
  private isClosing = false

  get count(): number {
    return this.opened.length
  }

  /** `false`: too late. */
  add(one: Opened): boolean {
    if (!this.isClosing) this.opened.push(one)
    return !this.isClosing
  }

  /** To be closed in this order. */
  takeAll(): ReadonlyArray<Opened> {
    this.isClosing = true
    return this.opened.toReversed()
  }
}

/** Runs the effect with the sessions open. They are closed in reverse, with its exit, however it ends. */
export const within =
  (entered: Entered, sessions: ReadonlyArray<Active>) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    sessions.length === 0
      ? self
      : Effect.acquireUseRelease(
          Effect.sync(() => new Sessions()),
          (opened) => {
            const all = Effect.forEach(sessions, (active) => open(entered, active, opened), { discard: true })
            return Effect.andThen(all, self)
          },
          (opened, exit) => Effect.forEach(opened.takeAll(), (one) => close(entered, one, exit), { discard: true })
        )

const open = Effect.fnUntraced(function* (
  entered: Entered,
  active: Active,
  sessions: Sessions
): Effect.fn.Return<void> {
  const { place, registry, scope: subject } = entered
  const hook = registry.find(active.name, "session")
  const passed = HookMatch.passes(hook.where, { scope: entered.scope, runId: entered.runId })
  if (HookMatch.isPassedOver(passed)) return
  const before = sessions.count
  const { timeout } = active.config
  const question: HookStep.Question<void> = {
    ...active,
    isFor: (match) => HookMatch.ofScope(match, entered),
    subject,
    facts: null,
    run: () =>
      Effect.andThen(Effect.fromResult(passed), () =>
        opening(entered, hook.open, (resources) => sessions.add({ hook: hook.name, timeout, resources }))
      ),
    answerOf: () => ({ outcome: "Opened" })
  }
  const { outcome, reason } = yield* HookStep.ask(registry, HookStep.below(place, "~session"), question)
  if (outcome === "Failed" && active.config.required) {
    yield* end(new HookFailed({ hook: hook.name, phase: "session", subject, reason: reason! }))
  }
  // It was open in a process that is gone: what is recorded stands, whether or not it opens here.
  if (outcome === "Opened" && sessions.count === before) yield* HookStep.ask(registry, undefined, question)
})

/** Opens it in a scope of its own, so that an attempt that fails half way leaves nothing open. */
const opening = (
  { registry: { context }, runId, scope }: Entered,
  open: (session: Session) => Effect.Effect<unknown, unknown, Scope.Scope>,
  isKept: (resources: Scope.Closeable) => boolean
): Effect.Effect<void, unknown> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const resources = yield* Scope.make()
      const inScope = inContextOf(Context.add(context, Scope.Scope, resources))
      const exit = yield* Effect.exit(restore(inScope(open({ scope, runId }))))
      if (Exit.isSuccess(exit) && isKept(resources)) return
      yield* Scope.close(resources, exit)
      yield* exit
    })
  )

const close = Effect.fnUntraced(function* (
  { registry, runId, scope }: Entered,
  { hook, resources, timeout }: Opened,
  exit: Exit.Exit<unknown, unknown>
): Effect.fn.Return<void> {
  const startedAt = yield* Clock.currentTimeMillis
  // Nothing interrupts it: it is closed to its end, also if that is not waited for.
  const closed = yield* Effect.exit(registry.limits.within(hook, timeout, Scope.close(resources, exit)))
  const at = yield* Clock.currentTimeMillis
  yield* registry.executions.record({
    hook,
    phase: "session",
    outcome: Exit.isSuccess(closed) ? "Closed" : "Failed",
    subject: scope,
    attempts: 1,
    at,
    duration: Duration.millis(at - startedAt),
    ...(runId !== undefined && { runId }),
    ...(Exit.isFailure(closed) && { reason: messageOf(Cause.squash(closed.cause)) })
  })
})
