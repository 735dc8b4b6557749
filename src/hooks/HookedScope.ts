/**
 * A part of a program whose calls hooks are asked about.
 *
 * Invariants (checked by `test/hooks/HookedScope.test.ts` and `test/hooks/HookedScope.durable.test.ts`):
 *
 *   H1. Which hooks there are, in which order, which are required and which go through the queue is decided once, when the
 *       scope is entered; in a run it is recorded. After that a hook can only be left out: one that is switched off, or does
 *       not match any more, is not executed; in a run that is recorded, too.
 *   H2. In a run, what a hook said is recorded: a replay, whatever is configured by then, gives the same changes and
 *       refusals, and executes no hook anew.
 *   H3. A pre hook that refuses lets nothing of the call run. Its refusal ends the scope, as `HookRefused`, and no handler
 *       of a typed error between meets it; transactions between undo what they did.
 *   H4. A changed input fits the schema of the agent's task, or of the hook; else the hook has failed.
 *   H5. A hook that fails changes nothing, unless it is required: then the scope fails with `HookFailed`, before the call for
 *       a pre or session hook, at its end for a post hook.
 *   H6. A post hook changes no outcome. In a run no interruption strikes because of it between the success of a call and the
 *       registration of its undo.
 *   H7. A session is closed when its scope ends, however that ends; in reverse order.
 *   H8. A scope inside another one is part of it: no hook is asked twice about a call.
 *   H9. No hook is asked about what a hook does.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as Interceptor from "../core/Interceptor.ts"
import * as Run from "../core/Run.ts"
import * as StepPath from "../core/StepPath.ts"
import * as Decision from "../policies/Decision.ts"
import type { Session } from "./HookDefinition.ts"
import { end, type HookFailed, typed } from "./HookError.ts"
import * as HookMatch from "./HookMatch.ts"
import type { HookQueues } from "./HookQueue.ts"
import { Active, type Registry } from "./HookRegistry.ts"
import * as HookStep from "./HookStep.ts"
import * as PostHooks from "./PostHooks.ts"
import * as PreHooks from "./PreHooks.ts"
import * as SessionHooks from "./SessionHooks.ts"

/** What a hooked scope needs of its process. */
export interface Surroundings {
  readonly registry: Registry
  readonly queues: HookQueues
}

/** Is the fiber in a hooked scope? */
const IsHooked: Context.Reference<boolean> = Context.Reference("tutti/hooks/IsHooked", { defaultValue: () => false })

/** H1 */
const snapshot = Decision.make("~hooks", Schema.Array(Active))

/** Enters a hooked scope of this name. */
export const enter = <A, E, R>({ queues, registry }: Surroundings, name: string, self: Effect.Effect<A, E, R>) =>
  typed(
    Effect.gen(function* () {
      // H8
      if ((yield* IsHooked) || registry.of("pre", "post", "session").length === 0) return yield* self
      const place = yield* Run.CurrentRun
      const session = { scope: name, runId: place?.run.runId }
      const active = yield* snapshot(null, activeIn(registry, session))
      const scope = new HookedScope({ registry, queues, session, active })
      const sessions = active.filter(({ phase }) => phase === "session")
      const outer = yield* Interceptor.Interceptor
      const answer = yield* self.pipe(
        Effect.provideService(Interceptor.Interceptor, inside(outer, scope.intercept)),
        Effect.provideService(IsHooked, true),
        SessionHooks.within({ registry, place, ...session }, sessions)
      )
      if (scope.failed !== undefined) return yield* end(scope.failed)
      return answer
    })
  )

const activeIn = (registry: Registry, session: Session): Effect.Effect<ReadonlyArray<Active>> =>
  Effect.map(registry.active("pre", "post", "session"), (active) =>
    active.filter(({ config }) => HookMatch.ofScope(config.match, session))
  )

/** Who was there before is asked first. */
const inside = (outer: Interceptor.Intercept | undefined, own: Interceptor.Intercept): Interceptor.Intercept =>
  outer === undefined ? own : (call, proceed) => outer(call, (input) => own({ ...call, input }, proceed))

const now = Run.withCurrent(({ run }) => run.time.clock, Clock.currentTimeMillis)

class HookedScope {
  private readonly session: Session
  private readonly registry: Registry
  private readonly queues: HookQueues
  private readonly pre: ReadonlyArray<Active>
  private readonly post: ReadonlyArray<Active>
  /** The required post hooks that failed, each with the place of its call. */
  private readonly failures: Array<{ readonly path: string; readonly failed: HookFailed }> = []

  constructor(options: Surroundings & { readonly session: Session; readonly active: ReadonlyArray<Active> }) {
    this.session = options.session
    this.registry = options.registry
    this.queues = options.queues
    this.pre = options.active.filter(({ phase }) => phase === "pre")
    this.post = options.active.filter(({ phase }) => phase === "post")
  }

  /** H5: by place, so that of several it is the same one on replay, whatever was faster. */
  get failed(): HookFailed | undefined {
    return this.failures.toSorted((a, b) => (a.path < b.path ? -1 : Number(a.path > b.path)))[0]?.failed
  }

  readonly intercept: Interceptor.Intercept = (call, proceed) => {
    const isThere = ({ config }: Active) => HookMatch.ofCall(config.match, call)
    const [pre, post] = [this.pre.filter(isThere), this.post.filter(isThere)]
    return pre.length + post.length === 0 ? proceed(call.input) : this.around(call, proceed, { pre, post })
  }

  private around<A, E, R>(
    call: Interceptor.Call,
    proceed: (input: unknown) => Effect.Effect<A, E, R>,
    { post, pre }: { readonly pre: ReadonlyArray<Active>; readonly post: ReadonlyArray<Active> }
  ): Effect.Effect<A, E, R> {
    return Effect.gen({ self: this }, function* () {
      const { queues, registry, session } = this
      const isFor = (match: HookMatch.HookMatch) => HookMatch.ofScope(match, session) && HookMatch.ofCall(match, call)
      // Counted as the call itself is: branches that call different agents do not disturb each other.
      const place = HookStep.below(yield* Run.CurrentRun, `~hook/${StepPath.segment(call.agent)}`)
      const input = yield* PreHooks.askAll(registry, place, { active: pre, call, isFor })
      if (post.length === 0) return yield* proceed(input)
      const startedAt = yield* now
      const exit = yield* Effect.exit(proceed(input))
      if (Exit.isFailure(exit) && Cause.hasInterrupts(exit.cause)) return yield* exit
      const duration = Duration.millis(Math.max(0, (yield* now) - startedAt))
      const path = place?.scope.path ?? ""
      const onFailed = (failed: HookFailed) => void this.failures.push({ path, failed })
      const telling = { registry, queues, active: post, isFor, onFailed }
      const ended = { scope: session.scope, call: { ...call, input }, exit, duration }
      yield* HookStep.unhurt(place, PostHooks.tellAll(telling, place, ended))
      return yield* exit
    })
  }
}
