/**
 * The hooks of one process: their code, bound to the services of their layer, and their configuration, as it is stored.
 *
 * Invariants (checked by `test/hooks/HookConfiguration.test.ts`):
 *
 *   G1. What is stored changes what the code states field by field; what is not stored follows the code.
 *   G2. A change made here holds for the next scope, and one made elsewhere after `refresh` at the latest. In a scope that
 *       is open, what H1 does not fix follows it, too.
 *   G3. While the store cannot be read, or holds what cannot be understood, the last good configuration holds; whether the
 *       hook is enabled can be understood by itself.
 *   G4. A hook that a run was begun with, and that this program does not have, fails: who relies on it, says `required`.
 */
import type * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { PersistenceError } from "../persistence/Persistence.ts"
import { encodeOverrides, type HookChanges, HookConfig, inapplicable, Phase, readOverrides } from "./HookConfig.ts"
import type { Hook, OfPhase } from "./HookDefinition.ts"
import { HookMisconfigured, HookUnknown } from "./HookError.ts"
import { Executions } from "./HookExecution.ts"
import type { HookStore, StoredHook } from "./HookStore.ts"
import { TimeLimits } from "./HookTimeLimit.ts"

/**
 * A hook and what holds for it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Status {
  readonly name: string
  readonly phase: Phase
  readonly config: HookConfig
  /** Of what is stored. */
  readonly version: number
}

/** A hook that is enabled, with the configuration it has for the length of a scope. */
export const Active = Schema.Struct({ name: Schema.String, phase: Phase, config: HookConfig })
export type Active = typeof Active.Type

export interface Options {
  readonly hooks: ReadonlyArray<Hook<never>>
  readonly store: HookStore
  readonly context: Context.Context<never>
  readonly refresh: Duration.Input
  readonly history: number
}

export class Registry {
  readonly executions: Executions
  readonly limits = new TimeLimits()
  /** What handlers run in. */
  readonly context: Context.Context<never>
  private readonly hooks: ReadonlyMap<string, Hook<never>>
  private readonly store: HookStore
  private readonly statuses = new Map<string, Status>()
  /** Reads the store, unless that was done a moment ago. */
  private readonly refreshed: Effect.Effect<void>
  private readonly invalidate: Effect.Effect<void>

  static make = Effect.fnUntraced(function* (options: Options) {
    const registry: Registry = new Registry(
      options,
      yield* Effect.cachedInvalidateWithTTL(
        Effect.suspend(() => registry.reload.pipe(Effect.catch(keepsWhatItHas))),
        options.refresh
      )
    )
    yield* options.store.register(
      options.hooks.map(({ config: { enabled }, name, phase }) => ({ name, phase, enabled }))
    )
    yield* registry.reload
    return registry
  })

  private constructor(
    { context, history, hooks, store }: Options,
    [refreshed, invalidate]: readonly [Effect.Effect<void>, Effect.Effect<void>]
  ) {
    this.executions = new Executions(history)
    this.context = context
    this.hooks = new Map(hooks.map((hook) => [hook.name, hook]))
    for (const { config, name, phase } of hooks) this.statuses.set(name, { name, phase, config, version: 0 })
    this.store = store
    this.refreshed = refreshed
    this.invalidate = invalidate
  }

  /** The hooks of these phases, and what the code says about them. */
  of<P extends Phase>(...phases: ReadonlyArray<P>): ReadonlyArray<OfPhase<P, never>> {
    const found = [...this.hooks.values()].filter(({ phase }) => phases.some((one) => one === phase))
    return found as ReadonlyArray<Hook<never>> as ReadonlyArray<OfPhase<P, never>>
  }

  /** The code of a hook. If it is not, or no longer, part of this program, one that fails (G4). */
  find<P extends Phase>(name: string, phase: P): OfPhase<P, never> {
    const hook = this.hooks.get(name)
    return (hook?.phase === phase ? hook : { ...absent, name, phase }) as unknown as OfPhase<P, never>
  }

  /** What holds for a hook of this program, by what was last read. */
  config(name: string): HookConfig {
    return this.statuses.get(name)!.config
  }

  /** As `config`, at most `refresh` old. `undefined`: the program has no such hook of that phase. */
  current(name: string, phase: Phase): Effect.Effect<HookConfig | undefined> {
    return Effect.map(this.refreshed, () => {
      const status = this.statuses.get(name)
      return status?.phase === phase ? status.config : undefined
    })
  }

  /** What holds for each hook, at most `refresh` old (G2). */
  get list(): Effect.Effect<ReadonlyArray<Status>> {
    return Effect.map(this.refreshed, () => [...this.statuses.values()])
  }

  /** What is enabled now, in the order in which it is asked. */
  active(...phases: ReadonlyArray<Phase>): Effect.Effect<ReadonlyArray<Active>> {
    return Effect.map(this.list, (statuses) =>
      statuses
        .filter(({ config, phase }) => config.enabled && phases.includes(phase))
        .toSorted((a, b) => a.config.order - b.config.order || (a.name < b.name ? -1 : 1))
        .map(({ config, name, phase }) => ({ name, phase, config }))
    )
  }

  readonly known = (name: string): Effect.Effect<Hook<never>, HookUnknown> => {
    const hook = this.hooks.get(name)
    return hook === undefined
      ? Effect.fail(new HookUnknown({ hook: name, known: [...this.hooks.keys()] }))
      : Effect.succeed(hook)
  }

  /** Changes some fields, whoever else changes others. */
  change(
    name: string,
    { enabled: wanted, ...changes }: HookChanges
  ): Effect.Effect<HookConfig, HookUnknown | HookMisconfigured | PersistenceError> {
    return Effect.gen({ self: this }, function* () {
      const { phase } = yield* this.known(name)
      const fields = inapplicable(phase, changes)
      if (fields.length > 0) return yield* new HookMisconfigured({ hook: name, phase, fields })
      return yield* this.rewrite(name, ({ config, enabled }) => {
        const overrides = Option.getOrElse(readOverrides(phase, config), () => ({}))
        return { enabled: wanted ?? enabled, config: encodeOverrides({ ...overrides, ...changes }) }
      })
    })
  }

  /** Forgets all that was changed: the code holds again. */
  reset(name: string): Effect.Effect<HookConfig, HookUnknown | PersistenceError> {
    return this.rewrite(name, (_, { config: { enabled } }) => ({ enabled, config: {} }))
  }

  private rewrite(
    name: string,
    change: (stored: StoredHook, hook: Hook<never>) => Pick<StoredHook, "enabled" | "config">
  ): Effect.Effect<HookConfig, HookUnknown | PersistenceError> {
    return Effect.gen({ self: this }, function* () {
      const hook = yield* this.known(name)
      const { phase } = hook
      while (true) {
        const found = (yield* this.store.all).find((stored) => stored.name === name)
        // Somebody has removed it.
        const stored = found ?? { name, phase, enabled: hook.config.enabled, config: {}, version: 0 }
        if (found === undefined) yield* this.store.register([stored])
        else if (yield* this.store.change({ ...stored, ...change(stored, hook) })) break
      }
      yield* this.invalidate
      yield* this.reload
      return this.config(name)
    })
  }

  private readonly reload: Effect.Effect<void, PersistenceError> = Effect.gen({ self: this }, function* () {
    const stored = new Map((yield* this.store.all).map((one) => [one.name, one]))
    for (const hook of this.hooks.values()) {
      const { isUnderstood, status } = this.statusOf(hook, stored.get(hook.name))
      this.statuses.set(hook.name, status)
      if (!isUnderstood) {
        yield* Effect.logError(
          `What is stored about hook "${hook.name}" is no configuration of a ${hook.phase} hook: what was known still holds`
        )
      }
    }
  })

  private statusOf(
    { config, name, phase }: Hook<never>,
    stored: StoredHook | undefined
  ): { readonly status: Status; readonly isUnderstood: boolean } {
    if (stored === undefined) return { status: { name, phase, config, version: 0 }, isUnderstood: true }
    const { enabled, version } = stored
    const overrides = readOverrides(phase, stored.config)
    // G3
    if (Option.isNone(overrides)) {
      const known = this.statuses.get(name)!
      return { status: { ...known, config: { ...known.config, enabled } }, isUnderstood: false }
    }
    return { status: { name, phase, config: { ...config, ...overrides.value, enabled }, version }, isUnderstood: true }
  }
}

const gone = () => Effect.fail("its code is not part of this program")
const absent = { task: undefined, where: undefined, values: false, run: gone, open: gone }

/** G3 */
const keepsWhatItHas = (error: PersistenceError): Effect.Effect<void> =>
  Effect.logWarning("The configuration of hooks cannot be read: what was known still holds", error)
