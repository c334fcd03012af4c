import { existsSync, mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTemplate, inDatabase, query } from '../databases.js';
import { startEmbeddedPostgres } from '../embedded-postgres.js';

/** What tests share; they find it in these variables. */
export interface TestServers {
  readonly env: { readonly TEST_POSTGRES_URL: string };
  stop(): Promise<void>;
}

/** A PostgreSQL server of the run's own, with a migrated database `scoreboard_template` to clone. */
export async function startTestServers(): Promise<TestServers> {
  const directory = mkdtempSync(join(memory(), 'scoreboard-test-'));
  const remove = () => rmSync(directory, { recursive: true, force: true });
  try {
    const server = await startEmbeddedPostgres({ directory, fsync: false });
    const stop = async () => {
      // Else the stop would leave the server to whoever is still connected.
      await query(
        server.url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
      );
      await server.stop();
      remove();
    };
    await createTemplate(server.url, 'scoreboard_template');
    return { env: { TEST_POSTGRES_URL: inDatabase(server.url, 'postgres') }, stop };
  } catch (error) {
    remove();
    throw error;
  }
}

const MEMORY = '/dev/shm';
const ROOM_BYTES = 4 * 2 ** 30;

/** A folder in memory where the system has one with room, as no crash has to be survived. */
function memory(): string {
  if (!existsSync(MEMORY)) return tmpdir();
  const { bavail, bsize } = statfsSync(MEMORY);
  return bavail * bsize > ROOM_BYTES ? MEMORY : tmpdir();
}
