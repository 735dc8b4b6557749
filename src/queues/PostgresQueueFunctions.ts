/**
 * Tables and functions of the work queues in PostgreSQL. What they are for is described in `PostgresWorkQueue.ts`.
 *
 * A step that was released is never changed: a later one alters what it made.
 */

/** Plans are made once, so they must not depend on how small the tables were then. */
const settings = "LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off"

/** The versions of the tables, each made from the one before. */
export const migrations = (schema: string, channel: string): ReadonlyArray<ReadonlyArray<string>> => {
  const items = `${schema}.tutti_queue_items`
  const queues = `${schema}.tutti_queues`
  const keys = `${schema}.tutti_queue_keys`
  const names: Names = {
    schema,
    items,
    queues,
    keys,
    // Whoever changes how many items there are, or who is next of a key, does so alone.
    lock: `
    INSERT INTO ${queues} (name) VALUES (q) ON CONFLICT DO NOTHING;
    PERFORM FROM ${queues} u WHERE u.name = q FOR UPDATE;`,
    tell: (ids) => `
    PERFORM pg_notify('${channel.replaceAll("'", "''")}', CASE
      WHEN cardinality(${ids}) > 100 THEN json_build_array(q, NULL)::text
      ELSE json_build_array(q, to_json(${ids}))::text END);`
  }
  return [[...tables(names), ...line(names), offer(names), claim(names), ...hold(names), settle(names), redrive(names)]]
}

interface Names {
  readonly schema: string
  readonly items: string
  readonly queues: string
  readonly keys: string
  readonly lock: string
  readonly tell: (ids: string) => string
}

/** `at`: when a delayed item or a retry is due, a claim lapses, an item died, or an outcome is forgotten. */
const tables = ({ items, keys, queues }: Names) => [
  `CREATE TABLE ${queues} (
     name text COLLATE "C" PRIMARY KEY,
     unfinished bigint NOT NULL DEFAULT 0,
     line bigint NOT NULL DEFAULT 0,
     full_at double precision NOT NULL DEFAULT 0
   )`,
  `CREATE TABLE ${items} (
     queue text COLLATE "C" NOT NULL,
     id text COLLATE "C" NOT NULL,
     state text COLLATE "C" NOT NULL,
     key text COLLATE "C",
     priority double precision NOT NULL,
     line bigint NOT NULL,
     at bigint NOT NULL,
     token bigint NOT NULL DEFAULT 0,
     started boolean NOT NULL DEFAULT false,
     attempts bigint NOT NULL DEFAULT 0,
     failures bigint NOT NULL DEFAULT 0,
     offered bigint NOT NULL,
     body text,
     outcome text,
     PRIMARY KEY (queue, id)
   )`,
  `CREATE INDEX tutti_queue_ready ON ${items} (queue, priority DESC, line) WHERE state = 'Ready'`,
  `CREATE INDEX tutti_queue_at ON ${items} (queue, state, at, id) WHERE state NOT IN ('Ready', 'Line')`,
  `CREATE INDEX tutti_queue_key ON ${items} (queue, key, state, line) WHERE key IS NOT NULL AND state NOT IN ('Done', 'Dead')`,
  `CREATE TABLE ${keys} (
     queue text COLLATE "C" NOT NULL,
     key text COLLATE "C" NOT NULL,
     id text COLLATE "C" NOT NULL,
     until bigint NOT NULL,
     PRIMARY KEY (queue, key)
   )`,
  `CREATE INDEX tutti_queue_keys_until ON ${keys} (queue, until)`
]

/** How many slots of a key are free; where an item that is due goes; who is next. To be called with the queue locked. */
const line = ({ items, schema }: Names) => [
  `CREATE FUNCTION ${schema}.tutti_queue_free(q text, k text, slots bigint) RETURNS bigint ${settings} AS $$
  BEGIN
    RETURN slots - (SELECT count(*) FROM ${items} i
      WHERE i.queue = q AND i.key = k AND i.state IN ('Ready', 'Retry', 'Claimed'));
  END $$`,
  `CREATE FUNCTION ${schema}.tutti_queue_entry(q text, k text, slots bigint) RETURNS text ${settings} AS $$
  BEGIN
    -- A line is never left with a free slot before it.
    RETURN CASE WHEN k IS NULL OR ${schema}.tutti_queue_free(q, k, slots) > 0 THEN 'Ready' ELSE 'Line' END;
  END $$`,
  `CREATE FUNCTION ${schema}.tutti_queue_advance(q text, k text, slots bigint) RETURNS void ${settings} AS $$
  BEGIN
    UPDATE ${items} i SET state = 'Ready' WHERE i.queue = q AND i.id IN (
      SELECT n.id FROM ${items} n WHERE n.queue = q AND n.key = k AND n.state = 'Line'
      ORDER BY n.line LIMIT greatest(0, ${schema}.tutti_queue_free(q, k, slots)));
  END $$`
]

const offer = ({ items, keys, lock, queues, schema, tell }: Names) => `
  CREATE FUNCTION ${schema}.tutti_queue_offer(q text, now bigint, capacity bigint, slots bigint, offers json)
  RETURNS text[] ${settings} AS $$
  DECLARE
    size bigint;
    place bigint;
    n record;
    known text;
    answers text[] := '{}';
  BEGIN
    ${lock}
    SELECT u.unfinished, u.line INTO size, place FROM ${queues} u WHERE u.name = q;
    FOR n IN SELECT * FROM json_to_recordset(offers)
      o(id text, body text, key text, priority double precision, due bigint, once text, ends bigint)
    LOOP
      known := NULL;
      IF n.once IS NOT NULL THEN
        SELECT k.id INTO known FROM ${keys} k WHERE k.queue = q AND k.key = n.once AND k.until > now;
      END IF;
      IF known IS NULL THEN
        SELECT i.id INTO known FROM ${items} i WHERE i.queue = q AND i.id = n.id;
      END IF;
      IF known IS NOT NULL THEN
        answers := answers || ('D' || known);
      ELSIF size >= capacity THEN
        answers := answers || 'F'::text;
      ELSE
        answers := answers || 'O'::text;
        size := size + 1;
        place := place + 1;
        IF n.once IS NOT NULL THEN
          INSERT INTO ${keys} VALUES (q, n.once, n.id, n.ends)
          ON CONFLICT (queue, key) DO UPDATE SET id = excluded.id, until = excluded.until;
        END IF;
        INSERT INTO ${items} (queue, id, state, key, priority, line, at, offered, body) VALUES (
          q, n.id, CASE WHEN n.due > now THEN 'Delayed' ELSE ${schema}.tutti_queue_entry(q, n.key, slots) END,
          n.key, n.priority, place, n.due, now, n.body);
      END IF;
    END LOOP;
    UPDATE ${queues} u SET unfinished = size, line = place WHERE u.name = q;
    ${tell("'{}'::text[]")}
    RETURN answers;
  END $$`

/** Nobody waits for a row that another worker is about to take: it is passed over. */
const claim = ({ items, lock, queues, schema }: Names) => `
  CREATE FUNCTION ${schema}.tutti_queue_claim(
    q text, now bigint, ends bigint, most bigint, slots bigint, rate double precision, span double precision,
    OUT wake_at bigint, OUT deliveries json
  ) ${settings} AS $$
  DECLARE
    n record;
    place bigint;
    full_then double precision;
    allowed bigint := most;
    taken bigint;
  BEGIN
    IF EXISTS (SELECT FROM ${items} i WHERE i.queue = q AND i.state = 'Delayed' AND i.at <= now) THEN
      ${lock}
      SELECT u.line INTO place FROM ${queues} u WHERE u.name = q;
      FOR n IN SELECT i.id, i.key FROM ${items} i
        WHERE i.queue = q AND i.state = 'Delayed' AND i.at <= now ORDER BY i.at, i.line
      LOOP
        place := place + 1;
        UPDATE ${items} i SET state = ${schema}.tutti_queue_entry(q, n.key, slots), line = place
        WHERE i.queue = q AND i.id = n.id;
      END LOOP;
      UPDATE ${queues} u SET line = place WHERE u.name = q;
    END IF;
    IF rate > 0 THEN
      ${lock}
      SELECT greatest(u.full_at, now) INTO full_then FROM ${queues} u WHERE u.name = q;
      -- By a clock that is behind the one that spent the last, it is less than none.
      allowed := greatest(0, least(most, floor((now + span - full_then) / (span / rate) + 1e-6)::bigint));
    END IF;
    UPDATE ${items} i SET state = 'Ready', failures = i.failures + CASE WHEN i.state = 'Claimed' AND i.started THEN 1 ELSE 0 END
    WHERE i.queue = q AND i.id IN (
      SELECT l.id FROM ${items} l WHERE l.queue = q AND l.state IN ('Retry', 'Claimed') AND l.at <= now
      FOR UPDATE SKIP LOCKED);
    WITH picked AS (
      SELECT r.id FROM ${items} r WHERE r.queue = q AND r.state = 'Ready'
      ORDER BY r.priority DESC, r.line LIMIT allowed FOR UPDATE SKIP LOCKED
    ), claimed AS (
      UPDATE ${items} i SET state = 'Claimed', at = ends, token = i.token + 1, started = false
      FROM picked p WHERE i.queue = q AND i.id = p.id RETURNING i.*
    )
    SELECT count(*), json_agg(json_build_array(c.id, c.token, c.body, c.key, c.priority, c.offered, c.attempts, c.failures)
      ORDER BY c.priority DESC, c.line) INTO taken, deliveries FROM claimed c;
    SELECT min(w.at) INTO wake_at FROM unnest(ARRAY['Delayed', 'Retry', 'Claimed']) s(state), LATERAL (
      SELECT i.at FROM ${items} i WHERE i.queue = q AND i.state = s.state ORDER BY i.at LIMIT 1) w;
    IF rate > 0 THEN
      full_then := full_then + taken * (span / rate);
      UPDATE ${queues} u SET full_at = full_then WHERE u.name = q;
      IF taken >= allowed THEN
        wake_at := least(wake_at, ceil(full_then + span / rate - span - 1e-6)::bigint);
      END IF;
    END IF;
  END $$`

/** What only a holder may do: rows are locked in order, so that batches do not wait for each other in a ring. */
const hold = ({ items, schema }: Names) => {
  const held = (name: string, parameter: string, change: string) => `
  CREATE FUNCTION ${schema}.${name}(q text, claims json${parameter}) RETURNS boolean[] ${settings} AS $$
  DECLARE
    answers boolean[];
  BEGIN
    PERFORM FROM ${items} i WHERE i.queue = q AND i.id IN (SELECT c ->> 0 FROM json_array_elements(claims) c)
    ORDER BY i.id FOR UPDATE;
    WITH given AS (
      SELECT g.c ->> 0 AS id, (g.c ->> 1)::bigint AS token, g.place
      FROM json_array_elements(claims) WITH ORDINALITY g(c, place)
    ), held AS (
      UPDATE ${items} i SET ${change} FROM given g
      WHERE i.queue = q AND i.id = g.id AND i.state = 'Claimed' AND i.token = g.token RETURNING i.id, i.token
    )
    SELECT array_agg(h.id IS NOT NULL ORDER BY g.place) INTO answers
    FROM given g LEFT JOIN held h ON h.id = g.id AND h.token = g.token;
    RETURN answers;
  END $$`
  return [
    held("tutti_queue_start", "", "attempts = i.attempts + CASE WHEN i.started THEN 0 ELSE 1 END, started = true"),
    held("tutti_queue_extend", ", ends bigint", "at = ends")
  ]
}

const settle = ({ items, keys, lock, queues, schema, tell }: Names) => `
  CREATE FUNCTION ${schema}.tutti_queue_settle(q text, now bigint, retention bigint, slots bigint, settled json)
  RETURNS boolean[] ${settings} AS $$
  DECLARE
    n record;
    owner text;
    ids text[] := '{}';
    answers boolean[] := '{}';
    forgotten bigint := 2 * json_array_length(settled);
  BEGIN
    ${lock}
    PERFORM FROM ${items} i WHERE i.queue = q AND i.id IN (SELECT c ->> 'id' FROM json_array_elements(settled) c)
    ORDER BY i.id FOR UPDATE;
    FOR n IN SELECT * FROM json_to_recordset(settled) s(id text, token bigint, kind text, due bigint, outcome text)
    LOOP
      UPDATE ${items} i SET
        state = CASE n.kind WHEN 'Retry' THEN 'Retry' WHEN 'HandBack' THEN 'Ready' WHEN 'Died' THEN 'Dead' ELSE 'Done' END,
        at = CASE n.kind WHEN 'Retry' THEN n.due WHEN 'HandBack' THEN now WHEN 'Died' THEN now ELSE now + retention END,
        failures = i.failures + CASE n.kind WHEN 'Retry' THEN 1 ELSE 0 END,
        outcome = n.outcome,
        body = CASE WHEN n.kind IN ('Retry', 'HandBack', 'Died') THEN i.body END
      WHERE i.queue = q AND i.id = n.id AND i.state = 'Claimed' AND i.token = n.token
      RETURNING i.key INTO owner;
      answers := answers || FOUND;
      IF FOUND AND n.kind NOT IN ('Retry', 'HandBack') THEN
        ids := ids || n.id;
        IF owner IS NOT NULL THEN
          PERFORM ${schema}.tutti_queue_advance(q, owner, slots);
        END IF;
      END IF;
    END LOOP;
    UPDATE ${queues} u SET unfinished = u.unfinished - cardinality(ids) WHERE u.name = q;
    -- More than are added.
    DELETE FROM ${items} i WHERE i.queue = q AND i.id IN (
      SELECT o.id FROM ${items} o WHERE o.queue = q AND o.state = 'Done' AND o.at <= now LIMIT forgotten);
    DELETE FROM ${keys} k WHERE k.queue = q AND k.key IN (
      SELECT o.key FROM ${keys} o WHERE o.queue = q AND o.until <= now LIMIT forgotten);
    ${tell("ids")}
    RETURN answers;
  END $$`

const redrive = ({ items, lock, queues, schema, tell }: Names) => `
  CREATE FUNCTION ${schema}.tutti_queue_redrive(q text, now bigint, capacity bigint, slots bigint, given text[])
  RETURNS text[] ${settings} AS $$
  DECLARE
    size bigint;
    place bigint;
    owner text;
    name text;
    answers text[] := '{}';
  BEGIN
    ${lock}
    SELECT u.unfinished, u.line INTO size, place FROM ${queues} u WHERE u.name = q;
    FOREACH name IN ARRAY given LOOP
      SELECT i.key INTO owner FROM ${items} i WHERE i.queue = q AND i.id = name AND i.state = 'Dead' FOR UPDATE;
      IF FOUND AND size < capacity THEN
        size := size + 1;
        place := place + 1;
        UPDATE ${items} i SET state = ${schema}.tutti_queue_entry(q, owner, slots), line = place, at = now,
          failures = 0, started = false, outcome = NULL
        WHERE i.queue = q AND i.id = name;
        answers := answers || name;
      END IF;
    END LOOP;
    UPDATE ${queues} u SET unfinished = size, line = place WHERE u.name = q;
    ${tell("'{}'::text[]")}
    RETURN answers;
  END $$`
