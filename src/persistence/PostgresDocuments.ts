/**
 * Table and function of the document store in PostgreSQL. What they are for is described in `PostgresPersistence.ts`.
 *
 * A step that was released is never changed: a later one alters what it made.
 */

/** The name of the component whose versions these are. */
export const component = "document store"

/** Expired documents that one call of `tutti_put` clears away at most, so that it never does much more than it was asked. */
const clearedAtOnce = 100

/** The versions of the table, each made from the one before. */
export const migrations = (schema: string): ReadonlyArray<ReadonlyArray<string>> => [
  [
    `CREATE TABLE ${schema}.tutti_documents (
       collection text COLLATE "C" NOT NULL,
       id text COLLATE "C" NOT NULL,
       version bigint NOT NULL,
       expires bigint,
       token bigint NOT NULL,
       body jsonb NOT NULL,
       PRIMARY KEY (collection, id)
     )`,
    `CREATE INDEX tutti_documents_expires ON ${schema}.tutti_documents (expires) WHERE expires IS NOT NULL`,
    `CREATE INDEX tutti_documents_body ON ${schema}.tutti_documents USING gin (body jsonb_path_ops)`,
    put(schema)
  ]
]

/**
 * Puts documents, all or none. Answers with 0, or with the number of the put whose expectation does not hold. In the order
 * of their names, so that two calls cannot wait for one another. An expectation of -1 is none, and so is an expiry. A call
 * whose answer was lost is made `again` with its `token`: if the documents bear it, the first one has put them.
 */
const put = (schema: string): string => `
  CREATE FUNCTION ${schema}.tutti_put(
    collections text[], ids text[], bodies text[], expected bigint[], expiries bigint[], now bigint,
    token bigint, again boolean
  ) RETURNS bigint LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
  DECLARE
    p record;
    refused bigint := 0;
  BEGIN
    IF again AND ${bearsToken(schema)} THEN RETURN 0; END IF;
    DELETE FROM ${schema}.tutti_documents WHERE ctid = ANY (ARRAY(
      SELECT d.ctid FROM ${schema}.tutti_documents d WHERE d.expires <= now LIMIT ${clearedAtOnce} FOR UPDATE SKIP LOCKED));
    FOR p IN
      SELECT n.collection, n.id, n.body::jsonb AS body, n.expected, nullif(n.expires, -1) AS expires, n.ord
      FROM unnest(collections, ids, bodies, expected, expiries) WITH ORDINALITY n(collection, id, body, expected, expires, ord)
      ORDER BY n.collection COLLATE "C", n.id COLLATE "C", n.ord
    LOOP
      IF p.expected > 0 THEN
        UPDATE ${schema}.tutti_documents d SET version = d.version + 1, body = p.body, expires = p.expires, token = tutti_put.token
        WHERE d.collection = p.collection AND d.id = p.id AND d.version = p.expected
          AND (d.expires IS NULL OR d.expires > now);
      ELSE
        INSERT INTO ${schema}.tutti_documents AS d (collection, id, version, body, expires, token)
        VALUES (p.collection, p.id, 1, p.body, p.expires, tutti_put.token)
        ON CONFLICT (collection, id) DO UPDATE
        SET version = CASE WHEN d.expires <= now THEN 1 ELSE d.version + 1 END, body = excluded.body,
          expires = excluded.expires, token = excluded.token
        WHERE p.expected = -1 OR d.expires <= now;
      END IF;
      IF NOT FOUND THEN
        refused := p.ord;
        RAISE SQLSTATE 'TUTTI';
      END IF;
    END LOOP;
    RETURN 0;
  EXCEPTION WHEN SQLSTATE 'TUTTI' THEN
    -- What was put before it is undone with the block. The first call may have ended only just now.
    RETURN CASE WHEN again AND ${bearsToken(schema)} THEN 0 ELSE refused END;
  END $$`

const bearsToken = (schema: string): string => `EXISTS (
      SELECT FROM unnest(collections, ids) n(collection, id), LATERAL (
        SELECT FROM ${schema}.tutti_documents t
        WHERE t.collection = n.collection AND t.id = n.id AND t.token = tutti_put.token OFFSET 0
      ) known)`
