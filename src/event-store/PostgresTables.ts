/**
 * Tables and functions of the log in PostgreSQL. What they are for is described in `PostgresEventStore.ts`.
 *
 * A step that was released is never changed: a later one alters what it made.
 */

/** Answers of `tutti_append` to one request. */
export const Kind = { appended: 0, duplicate: 1, conflict: 2, deleted: 3, documentConflict: 4 } as const

/** Expectations that are not a version, as `tutti_append` and `tutti_delete` know them. */
export const Expectation = { any: -1, exists: -2, never: -3 } as const

/**
 * Plans are made once, for to make one costs more than an append. So they must not depend on how small the tables were
 * then: what is looked up is looked up by an index, row by row (`LATERAL … OFFSET 0` leaves the planner no choice).
 */
const settings = "LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off"

/** The versions of the tables, each made from the one before. */
export const migrations = (schema: string, channel: string): ReadonlyArray<ReadonlyArray<string>> => {
  const locked = `
    IF current_setting('transaction_isolation') <> 'read committed' THEN
      RAISE 'appends need the isolation level "read committed"' USING ERRCODE = 'invalid_transaction_state';
    END IF;
    -- Until the commit is visible: so positions become visible in their order.
    PERFORM pg_advisory_xact_lock(hashtextextended(${literal(`${channel}/append`)}, 0));
    SELECT coalesce(max(e.position), 0) INTO head FROM ${schema}.tutti_events e;`

  return [
    [
      `CREATE TABLE ${schema}.tutti_streams (
         id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
         name text COLLATE "C" NOT NULL UNIQUE,
         deleted boolean NOT NULL DEFAULT false
       )`,
      `CREATE TABLE ${schema}.tutti_events (
         position bigint PRIMARY KEY,
         stream bigint NOT NULL,
         version bigint NOT NULL,
         dedup boolean NOT NULL,
         type text COLLATE "C" NOT NULL,
         id text COLLATE "C" NOT NULL,
         body json NOT NULL,
         UNIQUE (stream, version)
       )`,
      `CREATE UNIQUE INDEX tutti_events_dedup ON ${schema}.tutti_events (stream, id) WHERE dedup`,
      appendEach(schema),
      append(schema, { create: "CREATE", locked, notify: notify(channel) }),
      remove(schema, locked)
    ],
    [
      append(schema, { create: "CREATE OR REPLACE", locked, notify: notifyIfSigned(channel) }),
      appendOne(schema, { create: "CREATE", locked, notify: notifyIfSigned(channel) })
    ],
    [appendNext(schema, { create: "CREATE", locked, notify: notifyIfSigned(channel) })]
  ]
}

const notify = (channel: string): string => `PERFORM pg_notify(${literal(channel)}, writer);`

/** Who does not sign, appends in silence. */
const notifyIfSigned = (channel: string): string => `IF writer <> '' THEN ${notify(channel)} END IF;`

/** Text as it stands in statements. */
const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`

/** What all functions that append begin and end with. */
interface Clauses {
  readonly create: "CREATE" | "CREATE OR REPLACE"
  readonly locked: string
  readonly notify: string
}

/**
 * Appends a batch. Streams are numbered by their place in `names`; `needed` is what all expectations of the batch come to
 * for each; `owners` and `distances` are each event's stream and its distance from the version of that stream. If all that holds,
 * a few statements append everything; if not, the requests are taken one by one.
 */
const append = (schema: string, { create, locked, notify }: Clauses): string => `
  ${create} FUNCTION ${schema}.tutti_append(
    writer text, names text[], needed bigint[],
    owners bigint[], distances bigint[], dedups bigint[], types text[], ids text[], bodies text[],
    targets bigint[], expected bigint[], sizes bigint[],
    putters bigint[], collections text[], documents text[], contents text[], stored bigint[], expiries bigint[], now bigint,
    OUT head bigint, OUT versions bigint[], OUT answers bigint[]
  ) ${settings} AS $$
  DECLARE
    streams bigint[];
    fits boolean;
    missing boolean;
  BEGIN
    ${locked}
    ${resolve(schema)}
    fits := fits AND cardinality(putters) = 0;
    IF fits AND 1 = ANY (dedups) THEN
      fits := NOT EXISTS (
        SELECT FROM unnest(owners, dedups, ids) n(k, dedup, id), LATERAL (
          SELECT FROM ${schema}.tutti_events e WHERE e.stream = streams[n.k] AND e.id = n.id AND e.dedup OFFSET 0
        ) known
        WHERE n.dedup = 1);
    END IF;

    IF NOT coalesce(fits, false) THEN
      answers := ${schema}.tutti_append_each(head, names, targets, expected, sizes, types, ids, bodies,
        putters, collections, documents, contents, stored, expiries, now);
      ${notify}
      RETURN;
    END IF;

    IF missing THEN
      WITH added AS (
        INSERT INTO ${schema}.tutti_streams (name)
        SELECT n.name FROM unnest(names, streams) n(name, id) WHERE n.id IS NULL
        RETURNING name, id
      )
      SELECT array_agg(coalesce(n.id, a.id) ORDER BY n.k) INTO streams
      FROM unnest(names, streams) WITH ORDINALITY n(name, id, k) LEFT JOIN added a ON a.name = n.name;
    END IF;

    INSERT INTO ${schema}.tutti_events (position, stream, version, dedup, type, id, body)
    SELECT head + n.ord, streams[n.k], versions[n.k] + n.distance, n.dedup = 1, n.type, n.id, n.body::json
    FROM unnest(owners, distances, dedups, types, ids, bodies) WITH ORDINALITY n(k, distance, dedup, type, id, body, ord);
    ${notify}
  END $$`

/**
 * Appends one event behind an exact version: what a run that is alone does all the time, in half the time of a batch.
 * Answers with its position. Null: that is not the version of the stream, and nothing was appended.
 */
const appendOne = (schema: string, { create, locked, notify }: Clauses): string => `
  ${create} FUNCTION ${schema}.tutti_append_one(
    writer text, stream_name text, expected bigint, event_type text, event_id text, event_body text
  ) RETURNS bigint ${settings} AS $$
  DECLARE
    head bigint;
    known bigint;
  BEGIN
    ${locked}
    IF expected = 0 THEN
      INSERT INTO ${schema}.tutti_streams (name) VALUES (stream_name) ON CONFLICT DO NOTHING RETURNING id INTO known;
    ELSE
      SELECT s.id INTO known FROM ${schema}.tutti_streams s
      WHERE s.name = stream_name AND NOT s.deleted
        AND EXISTS (SELECT FROM ${schema}.tutti_events e WHERE e.stream = s.id AND e.version = expected)
        AND NOT EXISTS (SELECT FROM ${schema}.tutti_events e WHERE e.stream = s.id AND e.version = expected + 1);
    END IF;
    IF known IS NULL THEN RETURN NULL; END IF;
    INSERT INTO ${schema}.tutti_events (position, stream, version, dedup, type, id, body)
    VALUES (head + 1, known, expected + 1, false, event_type, event_id, event_body::json);
    ${notify}
    RETURN head + 1;
  END $$`

/**
 * Appends the next event of each of several streams, each behind an exact version: what many runs do all the time, for less
 * than as a batch. Answers with the position of the first. Null: not all of those are the versions of their streams, and
 * nothing was appended.
 */
const appendNext = (schema: string, { create, locked, notify }: Clauses): string => `
  ${create} FUNCTION ${schema}.tutti_append_next(
    writer text, names text[], expected bigint[], types text[], ids text[], bodies text[]
  ) RETURNS bigint ${settings} AS $$
  DECLARE
    head bigint;
    streams bigint[];
    fits boolean;
    added bigint;
  BEGIN
    ${locked}
    -- A stream with a row has events. That of the version must be its last.
    SELECT array_agg(r.id), bool_and(r.fits) INTO streams, fits
    FROM (
      SELECT s.id,
        CASE WHEN n.expected = 0 THEN s.id IS NULL ELSE coalesce(NOT s.deleted AND (
          SELECT bool_and(e.version = n.expected) FROM ${schema}.tutti_events e
          WHERE e.stream = s.id AND e.version BETWEEN n.expected AND n.expected + 1
        ), false) END AS fits
      FROM unnest(names, expected) WITH ORDINALITY n(name, expected, k)
      LEFT JOIN LATERAL (
        SELECT t.id, t.deleted FROM ${schema}.tutti_streams t WHERE t.name = n.name OFFSET 0
      ) s ON true
      ORDER BY n.k
    ) r;
    IF fits IS NOT TRUE THEN RETURN NULL; END IF;

    IF 0 = ANY (expected) THEN
      FOR k IN 1 .. cardinality(names) LOOP
        IF expected[k] = 0 THEN
          INSERT INTO ${schema}.tutti_streams (name) VALUES (names[k]) RETURNING id INTO added;
          streams[k] := added;
        END IF;
      END LOOP;
    END IF;

    INSERT INTO ${schema}.tutti_events (position, stream, version, dedup, type, id, body)
    SELECT head + n.k, n.stream, n.expected + 1, false, n.type, n.id, n.body::json
    FROM unnest(streams, expected, types, ids, bodies) WITH ORDINALITY n(stream, expected, type, id, body, k);
    ${notify}
    RETURN head + 1;
  END $$`

/** Finds the streams, and whether each is at the version that the batch needs. */
const resolve = (schema: string): string => `
  -- A stream with a row has events. To look for two versions costs less than to look for the highest.
  SELECT array_agg(r.id), array_agg(r.version), bool_or(r.id IS NULL), bool_and(r.fits)
  INTO streams, versions, missing, fits
  FROM (
    SELECT s.id,
      CASE WHEN n.need >= 0 THEN n.need ELSE coalesce(
        (SELECT max(e.version) FROM ${schema}.tutti_events e WHERE e.stream = s.id), 0) END AS version,
      CASE
        WHEN s.deleted THEN false
        WHEN n.need > 0 THEN
          (SELECT e.version FROM ${schema}.tutti_events e WHERE e.stream = s.id AND e.version = n.need) IS NOT NULL AND
          (SELECT e.version FROM ${schema}.tutti_events e WHERE e.stream = s.id AND e.version = n.need + 1) IS NULL
        WHEN n.need = ${Expectation.any} THEN true
        WHEN n.need = ${Expectation.exists} THEN s.id IS NOT NULL
        ELSE n.need = 0 AND s.id IS NULL
      END AS fits
    FROM unnest(names, needed) WITH ORDINALITY n(name, need, k)
    LEFT JOIN LATERAL (
      SELECT t.id, t.deleted FROM ${schema}.tutti_streams t WHERE t.name = n.name OFFSET 0
    ) s ON true
    ORDER BY n.k
  ) r;`

/** Appends the requests of a batch one by one. Answers with kind, version and position of each. */
const appendEach = (schema: string): string => `
  CREATE FUNCTION ${schema}.tutti_append_each(
    head bigint, names text[], targets bigint[], expected bigint[], sizes bigint[],
    types text[], ids text[], bodies text[],
    putters bigint[], collections text[], documents text[], contents text[], stored bigint[], expiries bigint[], now bigint
  ) RETURNS bigint[] ${settings} AS $$
  DECLARE
    answers bigint[] := '{}';
    first bigint;
    last bigint := 0;
    known bigint;
    gone boolean;
    current bigint;
    before bigint;
    matching bigint;
    place bigint;
    refused bigint;
  BEGIN
    FOR i IN 1 .. cardinality(targets) LOOP
      first := last + 1;
      last := last + sizes[i];

      SELECT s.id, s.deleted, (SELECT max(e.version) FROM ${schema}.tutti_events e WHERE e.stream = s.id)
      INTO known, gone, current FROM ${schema}.tutti_streams s WHERE s.name = names[targets[i]];
      current := coalesce(current, 0);
      IF gone THEN
        answers := answers || ARRAY[${Kind.deleted}, 0, 0]::bigint[];
        CONTINUE;
      END IF;

      ${recognise(schema)}

      IF expected[i] > current OR (expected[i] = ${Expectation.exists} AND current = 0) THEN
        answers := answers || ARRAY[${Kind.conflict}, current, 0];
        CONTINUE;
      END IF;

      ${putDocuments(schema)}

      IF known IS NULL THEN
        INSERT INTO ${schema}.tutti_streams (name) VALUES (names[targets[i]]) RETURNING id INTO known;
      END IF;
      INSERT INTO ${schema}.tutti_events (position, stream, version, dedup, type, id, body)
      SELECT head + n.ord, known, current + n.ord, expected[i] < 0, n.type, n.id, n.body::json
      FROM unnest(types[first:last], ids[first:last], bodies[first:last]) WITH ORDINALITY n(type, id, body, ord);
      head := head + sizes[i];
      answers := answers || ARRAY[${Kind.appended}, current + sizes[i], head];
    END LOOP;
    RETURN answers;
  END $$`

/** Answers a request some of whose events, or of whose versions, the stream has already. */
const recognise = (schema: string): string => `
  -- The version after which the events of this very request would lie, were they in the log already.
  before := NULL;
  IF expected[i] >= 0 THEN
    IF expected[i] < current THEN before := expected[i]; END IF;
  ELSE
    SELECT e.version - n.ord INTO before
    FROM unnest(ids[first:last]) WITH ORDINALITY n(id, ord), LATERAL (
      SELECT t.version FROM ${schema}.tutti_events t WHERE t.stream = known AND t.id = n.id AND t.dedup OFFSET 0
    ) e
    ORDER BY n.ord LIMIT 1;
  END IF;
  IF before IS NOT NULL THEN
    SELECT count(*), max(e.position) INTO matching, place
    FROM unnest(ids[first:last]) WITH ORDINALITY n(id, ord), LATERAL (
      SELECT t.position, t.id FROM ${schema}.tutti_events t
      WHERE t.stream = known AND t.version = before + n.ord OFFSET 0
    ) e
    WHERE e.id = n.id;
    answers := answers || CASE WHEN matching = sizes[i]
      THEN ARRAY[${Kind.duplicate}, before + matching, place]
      ELSE ARRAY[${Kind.conflict}, current, 0] END;
    CONTINUE;
  END IF;`

/** Puts the documents of a request, or refuses it. */
const putDocuments = (schema: string): string => `
  IF i = ANY (putters) THEN
    SELECT ${schema}.tutti_put(array_agg(p.collection), array_agg(p.id), array_agg(p.body),
      array_agg(p.expected), array_agg(p.expires), now, 0, false)
    INTO refused
    FROM unnest(putters, collections, documents, contents, stored, expiries)
      p(request, collection, id, body, expected, expires)
    WHERE p.request = i;
    IF refused > 0 THEN
      answers := answers || ARRAY[${Kind.documentConflict}, refused, 0];
      CONTINUE;
    END IF;
  END IF;`

/** Deletes a stream and bars its name. Answers with the version it is at if that is not the expected one. */
const remove = (schema: string, locked: string): string => `
  CREATE FUNCTION ${schema}.tutti_delete(stream_name text, expected bigint, tombstone text) RETURNS bigint ${settings} AS $$
  DECLARE
    head bigint;
    known bigint;
    gone boolean;
    current bigint;
  BEGIN
    ${locked}
    SELECT s.id, s.deleted, (SELECT max(e.version) FROM ${schema}.tutti_events e WHERE e.stream = s.id)
    INTO known, gone, current FROM ${schema}.tutti_streams s WHERE s.name = stream_name;
    current := coalesce(current, 0);
    IF gone THEN RETURN NULL; END IF;
    IF (expected >= 0 AND expected <> current) OR (expected = ${Expectation.exists} AND current = 0) THEN
      RETURN current;
    END IF;
    IF known IS NULL THEN
      INSERT INTO ${schema}.tutti_streams (name, deleted) VALUES (stream_name, true) RETURNING id INTO known;
    ELSE
      UPDATE ${schema}.tutti_streams SET deleted = true WHERE id = known;
      DELETE FROM ${schema}.tutti_events WHERE stream = known;
    END IF;
    INSERT INTO ${schema}.tutti_events (position, stream, version, dedup, type, id, body)
    VALUES (head + 1, known, current + 1, false, tombstone, '', '{}');
    RETURN NULL;
  END $$`
