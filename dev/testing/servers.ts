import { existsSync, mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { seedDemoActions } from '../../src/catalog/demo-actions.js';
import { createTemplate, inDatabase, query } from '../databases.js';
import { startEmbeddedPostgres } from '../embedded-postgres.js';
import { chromiumOptions } from './chromium.js';

/** What all tests of a run share. */
export type Shared = keyof typeof SHARED;

interface Server {
  /** The variables by which tests find it. */
  readonly env: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

const SHARED = { postgres: startPostgres, chromium: startChromium };

/** Starts what is needed. */
export async function startServers(needed: Iterable<Shared>) {
  const servers = new Map<Shared, Server>();
  const stop = async () => {
    for (const server of servers.values()) await server.stop();
  };
  try {
    for (const name of needed) servers.set(name, await SHARED[name]());
  } catch (error) {
    await stop();
    throw error;
  }
  /** The variables for tests that use these. */
  const envFor = (used: readonly Shared[]): Record<string, string> =>
    Object.assign({}, ...used.map((name) => servers.get(name)?.env));
  return { envFor, stop };
}

const TEMPLATE = 'scoreboard_template';

/** A PostgreSQL server, with a migrated database to clone, which has the demo actions. */
async function startPostgres(): Promise<Server> {
  const directory = mkdtempSync(join(memory(), 'scoreboard-test-'));
  const remove = () => rmSync(directory, { recursive: true, force: true });
  try {
    const server = await startEmbeddedPostgres({ directory, fsync: false });
    await createTemplate(server.url, TEMPLATE);
    await addDemoActions(inDatabase(server.url, TEMPLATE));
    return {
      env: { TEST_POSTGRES_URL: inDatabase(server.url, 'postgres') },
      async stop() {
        // A server with other connections would not stop.
        await query(
          server.url,
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
        );
        await server.stop();
        remove();
      },
    };
  } catch (error) {
    remove();
    throw error;
  }
}

async function addDemoActions(url: string): Promise<void> {
  const pool = new pg.Pool({ connectionString: url, max: 1 });
  try {
    await seedDemoActions(pool);
  } finally {
    await pool.end();
  }
}

async function startChromium(): Promise<Server> {
  const { chromium } = await import('playwright-core');
  // The run ends it, in its own order.
  const signals = { handleSIGINT: false, handleSIGTERM: false, handleSIGHUP: false };
  const browser = await chromium.launchServer({ ...chromiumOptions(), ...signals });
  return { env: { TEST_CHROMIUM_URL: browser.wsEndpoint() }, stop: () => browser.close() };
}

const MEMORY = '/dev/shm';
const ROOM_BYTES = 4 * 2 ** 30;

/** A folder in memory where the system has one with room, as no crash has to be survived. */
function memory(): string {
  if (!existsSync(MEMORY)) return tmpdir();
  const { bavail, bsize } = statfsSync(MEMORY);
  return bavail * bsize > ROOM_BYTES ? MEMORY : tmpdir();
}
