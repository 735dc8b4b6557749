/**
 * Hook configurations in PostgreSQL.
 *
 * Table: `workflow_hooks(name, phase, enabled, config, version, updated_at)`. `config` is JSONB and holds the fields that
 * differ from what the code states. Made to be looked at, and changed, by people, too:
 *
 * ```sql
 * UPDATE workflow_hooks SET enabled = false WHERE name = 'redact';
 * UPDATE workflow_hooks SET config = config || '{"timeout": 2000}' WHERE name = 'redact';
 * ```
 *
 * A trigger counts `version` and sets `updated_at` at every update, whoever makes it.
 */
import * as Effect from "effect/Effect"
import { PersistenceError } from "../persistence/Persistence.ts"
import { Postgres, type PostgresError, type PostgresValue } from "../persistence/Postgres.ts"
import { fromJson, fromText, toJson, toText } from "../persistence/PostgresText.ts"
import type { Phase } from "./HookConfig.ts"
import type { HookStore } from "./HookStore.ts"

/** The versions of the table, each made from the one before. A step that was released is never changed. */
const migrations = (schema: string): ReadonlyArray<ReadonlyArray<string>> => [
  [
    `CREATE TABLE ${schema}.workflow_hooks (
       name text COLLATE "C" PRIMARY KEY,
       phase text NOT NULL CHECK (phase IN ('pre', 'post', 'session', 'event')),
       enabled boolean NOT NULL DEFAULT true,
       config jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(config) = 'object'),
       version bigint NOT NULL DEFAULT 1,
       updated_at timestamptz NOT NULL DEFAULT now()
     )`,
    `CREATE FUNCTION ${schema}.workflow_hooks_changed() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN
       NEW.version := OLD.version + 1;
       NEW.updated_at := now();
       RETURN NEW;
     END $$`,
    `CREATE TRIGGER workflow_hooks_changed BEFORE UPDATE ON ${schema}.workflow_hooks
     FOR EACH ROW EXECUTE FUNCTION ${schema}.workflow_hooks_changed()`
  ]
]

/**
 * Opens the table `workflow_hooks` of the database in the context, and makes it if it is not there.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<HookStore, PersistenceError, Postgres> = Effect.gen(function* () {
  const postgres = yield* Postgres
  const table = `${postgres.schema}.workflow_hooks`
  const attempt = (operation: string, statement: string, parameters: ReadonlyArray<PostgresValue>) =>
    Effect.mapError(postgres.patiently(postgres.run(operation, statement, parameters)), persistenceError)
  yield* Effect.mapError(postgres.migrate("workflow hooks", migrations(postgres.schema)), persistenceError)

  return {
    register: (hooks) =>
      Effect.asVoid(
        attempt(
          "register hooks",
          `INSERT INTO ${table} (name, phase, enabled)
           SELECT n.name, n.phase, n.enabled = 'true' FROM unnest($1::text[], $2::text[], $3::text[]) n(name, phase, enabled)
           ON CONFLICT (name) DO NOTHING`,
          [
            hooks.map(({ name }) => toText(name)),
            hooks.map(({ phase }) => phase),
            hooks.map(({ enabled }) => String(enabled))
          ]
        )
      ),
    all: attempt(
      "read hooks",
      `SELECT name, phase, enabled, config::text, version FROM ${table} ORDER BY name`,
      []
    ).pipe(
      Effect.map((rows) =>
        rows.map(([name, phase, enabled, config, version]) => ({
          name: fromText(name as string),
          phase: phase as Phase,
          enabled: enabled === true,
          config: fromJson(config as string),
          version: Number(version)
        }))
      )
    ),
    change: ({ config, enabled, name, version }) =>
      attempt(
        "change a hook",
        `UPDATE ${table} SET enabled = $3, config = $4::text::jsonb WHERE name = $1 AND version = $2::bigint RETURNING 1`,
        [toText(name), version, enabled, toJson(config)]
      ).pipe(Effect.map((rows) => rows.length > 0))
  }
})

const persistenceError = ({ cause, detail, isRetryable, operation }: PostgresError): PersistenceError =>
  new PersistenceError({ operation, detail, retryable: isRetryable, cause })
