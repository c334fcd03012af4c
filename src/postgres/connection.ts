import pg from 'pg';
import { types } from './database.js';
import { UnfitDatabase } from './errors.js';

/** What settings of PostgreSQL are to be, as it shows them. */
type Settings = Readonly<Record<string, string>>;

/** On every connection, whatever the database, the role, the URL or a pooler say. Those that a version lacks are left out. */
const SETTINGS: Settings = {
  // Values are read and written in these forms, and names are found.
  client_encoding: 'UTF8',
  DateStyle: 'ISO, MDY',
  IntervalStyle: 'postgres',
  TimeZone: 'UTC',
  extra_float_digits: '1',
  standard_conforming_strings: 'on',
  array_nulls: 'on',
  search_path: '"$user", public',
  // Statements see each other as the ledger expects, and wait for each other as long as they may take.
  default_transaction_isolation: 'read committed',
  lock_timeout: '2s',
  statement_timeout: '5s',
  idle_in_transaction_session_timeout: '10s',
  idle_session_timeout: '0',
  transaction_timeout: '0',
  // What was acknowledged is on disk. Any other value than "off" is left: a server with standbys may want more.
  synchronous_commit: 'on',
  // A plan made while a table is empty is kept when it is full: a sequential scan would then read all of it each time.
  enable_seqscan: 'off',
  // Without sequential scans plans may look so costly that PostgreSQL would spend a second on compiling each.
  jit: 'off',
};

/** The key of the lock that lets one instance alter the role at a time: any constant, the same for all. */
const ROLE_LOCK = 7_228_505;

const DIFFERING = `
FROM unnest($1::text[], $2::text[]) AS s (name, wanted)
WHERE current_setting(name, true) <> wanted AND (name <> 'synchronous_commit' OR current_setting(name) = 'off')`;
const SET = `SELECT name, wanted, set_config(name, wanted, false) AS found ${DIFFERING}`;
/** Makes a setting the one of the role in this database, which is stronger than any other default. */
const ALTER_ROLE = `format('ALTER ROLE %I IN DATABASE %I SET %s = %s', session_user, current_database(), name,
  CASE name WHEN 'search_path' THEN wanted ELSE quote_literal(wanted) END)`;
const LOOK = `SELECT name, wanted, current_setting(name) AS found, ${ALTER_ROLE} AS command ${DIFFERING}`;

const NOT_OF_ROLE = `
SELECT ${ALTER_ROLE} AS command
FROM unnest($1::text[], $2::text[]) AS s (name, wanted)
WHERE EXISTS (
  SELECT FROM pg_settings p WHERE p.name = s.name AND (p.name <> 'synchronous_commit' OR p.reset_val = 'off')
) AND NOT EXISTS (
  SELECT FROM pg_db_role_setting WHERE name || '=' || wanted = ANY (setconfig)
  AND setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND setrole = (SELECT oid FROM pg_roles WHERE rolname = session_user))`;

/** As two parameters of a query: names and values. */
const asParameters = (settings: Settings): [string[], string[]] => [
  Object.keys(settings),
  Object.values(settings),
];

type Options = pg.ClientConfig & {
  readonly application_name: string;
  readonly connectionTimeoutMillis: number;
};

/** A connection that does not take part in a pool. @param settings those that differ from what holds elsewhere */
export async function connect(url: string, options: Options, settings: Settings = {}): Promise<pg.Client> {
  const client = await openSession(url, options);
  try {
    await settle(client, settings);
    return client;
  } catch (error) {
    client.end().catch(() => {});
    throw error;
  }
}

/** A connection whose settings are as they come. */
export async function openSession(url: string, options: Options): Promise<pg.Client> {
  const client = new pg.Client(given(url, options));
  // Without a listener a lost connection would end the process; the query that is under way fails anyway.
  client.on('error', () => {});
  try {
    await client.connect();
    return client;
  } catch (error) {
    client.end().catch(() => {});
    throw error;
  }
}

/**
 * What a pool is made from.
 * @param viaPooler whether the URL leads to a pooler, which gives each transaction any of its sessions: these are as their
 * role says, and have no prepared statements
 */
export function poolOptions(
  url: string,
  options: Options & pg.PoolConfig,
  viaPooler: boolean,
): pg.PoolConfig {
  const onConnect = async (client: pg.ClientBase) => {
    if (!viaPooler) return settle(client);
    withoutNames(client);
    await expectSettled(client);
  };
  return { ...given(url, options), onConnect };
}

/** The options go before what the URL says of the same. How long a query may take is not for the URL to say at all. */
function given<Given extends Options>(url: string, options: Given) {
  const known = new URL(url);
  for (const name of ['query_timeout', ...Object.keys(options)]) known.searchParams.delete(name);
  return { ...options, connectionString: known.href, types, keepAlive: true };
}

/** @throws UnfitDatabase if a setting does not become what it is to be */
async function settle(client: pg.ClientBase, settings: Settings = {}): Promise<void> {
  const { rows } = await client.query<{ name: string; wanted: string; found: string }>(
    SET,
    asParameters({ ...SETTINGS, ...settings }),
  );
  for (const { name, wanted, found } of rows)
    if (found !== wanted)
      throw new UnfitDatabase(`PostgreSQL has ${name} = ${found}, and does not change it to ${wanted}.`);
}

/** @throws UnfitDatabase if the sessions of a pooler have other settings */
async function expectSettled(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query<{ name: string; found: string; command: string }>(
    LOOK,
    asParameters(SETTINGS),
  );
  if (rows.length === 0) return;
  const wrong = rows.map(({ name, found }) => `${name} = ${found}`).join(', ');
  const commands = rows.map(({ command }) => `  ${command};`).join('\n');
  throw new UnfitDatabase(
    `DATABASE_URL leads to a pooler whose sessions have ${wrong}. Run this in PostgreSQL, and restart the pooler:\n${commands}`,
  );
}

/** Makes the settings those of the role in this database: a pooler takes none from its clients. */
export async function keepAsRole(client: pg.ClientBase): Promise<void> {
  await client.query('BEGIN');
  // PostgreSQL lets one transaction at a time alter a role, and fails the others.
  await client.query('SELECT pg_advisory_xact_lock($1)', [ROLE_LOCK]);
  // A role may alter itself, but not while it acts as another.
  await client.query('SET LOCAL ROLE NONE');
  const { rows } = await client.query<{ command: string }>(NOT_OF_ROLE, asParameters(SETTINGS));
  for (const { command } of rows) await client.query(command);
  await client.query('COMMIT');
}

/** Makes every statement of this client an unnamed one. */
function withoutNames(client: pg.ClientBase): void {
  const query = client.query;
  Object.defineProperty(client, 'query', {
    value: (statement: unknown, ...rest: unknown[]): unknown =>
      Reflect.apply(query, client, [
        typeof statement === 'object' && statement !== null && 'name' in statement
          ? { ...statement, name: undefined }
          : statement,
        ...rest,
      ]),
  });
}
