/**
 * Where the configuration of hooks is kept, for all processes of a deployment.
 *
 * By default documents of `Persistence`, in the collection `hooks`. A deployment that has a better place says so with
 * `CurrentHookStore`: on PostgreSQL it is the table `workflow_hooks`.
 *
 * Invariants (checked by `test/hooks/HookStore.test.ts`, for each store):
 *
 *   K1. Registering a hook again changes nothing of what is stored about it.
 *   K2. Of two changes made to the same version, one is refused.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type { Persistence, PersistenceError } from "../persistence/Persistence.ts"
import type { Phase } from "./HookConfig.ts"

/**
 * What is stored about a hook.
 *
 * @category models
 * @since 0.1.0
 */
export interface StoredHook {
  readonly name: string
  readonly phase: Phase
  readonly enabled: boolean
  /** Fields that differ from what the code states, as JSON. Not checked: a person may have written them. */
  readonly config: Schema.Json
  /** 1 when it is registered, one more with each change. */
  readonly version: number
}

/** A hook as its code registers it. */
export type Registration = Pick<StoredHook, "name" | "phase" | "enabled">

/**
 * A store of hook configurations. Every write is durable when it succeeds.
 *
 * @category models
 * @since 0.1.0
 */
export interface HookStore {
  /** Adds the hooks that are not there yet, without overrides. */
  readonly register: (hooks: ReadonlyArray<Registration>) => Effect.Effect<void, PersistenceError>
  /** Everything that is stored, by name. */
  readonly all: Effect.Effect<ReadonlyArray<StoredHook>, PersistenceError>
  /** Replaces `enabled` and `config`. `false`: the stored version is another one by now, and nothing was written. */
  readonly change: (hook: StoredHook) => Effect.Effect<boolean, PersistenceError>
}

/** The store of this deployment. `undefined`: documents of its `Persistence`. */
export const CurrentHookStore: Context.Reference<HookStore | undefined> = Context.Reference<HookStore | undefined>(
  "tutti/hooks/CurrentHookStore",
  { defaultValue: () => undefined }
)

const collection = "hooks"
const pageSize = 500

/**
 * Keeps hooks as documents.
 *
 * @category constructors
 * @since 0.1.0
 */
export const ofPersistence = (persistence: Persistence["Service"]): HookStore => ({
  register: (hooks) =>
    Effect.forEach(
      hooks,
      ({ enabled, name, phase }) =>
        // Refused if it is there: that is as well (K1).
        persistence.putAll([{ collection, id: name, body: { phase, enabled, config: {} }, expected: 0 }]),
      { discard: true }
    ),
  all: Effect.gen(function* () {
    const found: Array<StoredHook> = []
    for (let offset = 0; ; offset += pageSize) {
      const page = yield* persistence.query(collection, { limit: pageSize, offset })
      for (const { body, id, version } of page) {
        const { config = {}, enabled, phase } = body
        found.push({ name: id, phase: phase as Phase, enabled: enabled !== false, config, version })
      }
      if (page.length < pageSize) return found
    }
  }),
  change: ({ config, enabled, name, phase, version }) =>
    persistence.putAll([{ collection, id: name, body: { phase, enabled, config }, expected: version }])
})
