import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { migrate } from '../src/postgres/migrate.js';

/** Runs SQL on a connection of its own, and returns the rows of a single statement. */
export async function query<Row extends pg.QueryResultRow>(url: string, sql: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {}); // A lost connection also fails the query; without a listener it would end us.
  await client.connect();
  try {
    const { rows } = await client.query<Row>(sql);
    return rows;
  } finally {
    await client.end();
  }
}

/** The URL of another database on the same server. */
export const inDatabase = (url: string, name: string): string => new URL(`/${name}`, url).href;

/** Makes a migrated database that `cloneDatabase` can copy: a copy takes a tenth of the time of the migrations. */
export async function createTemplate(server: string, name: string): Promise<void> {
  await query(server, `CREATE DATABASE ${name}`);
  await migrate(inDatabase(server, name));
}

/** @returns the URL of a new database, a copy of the template */
export async function cloneDatabase(server: string, template: string): Promise<string> {
  const name = `clone_${randomUUID().replaceAll('-', '')}`;
  // By files it takes half of the processor time, as long as nobody else's changes have to be written out first.
  await query(server, `CREATE DATABASE ${name} TEMPLATE ${template} STRATEGY FILE_COPY`);
  return inDatabase(server, name);
}

/** Drops a database, also when somebody is still connected to it. */
export async function dropDatabase(url: string): Promise<void> {
  const name = new URL(url).pathname.slice(1);
  await query(inDatabase(url, 'postgres'), `DROP DATABASE ${name} WITH (FORCE)`);
}
