import { Server } from 'node:http';
import type { DestinationStream } from 'pino';
import type { Test } from 'tap';
import { cloneDatabase, dropDatabase } from '../dev/databases.js';
import { buildApp } from '../src/app.js';
import { type AppConfig, loadConfig } from '../src/config.js';
import { createLogger } from '../src/observability/logging.js';

/** Given by dev/testing/servers.ts: the maintenance database of a server that is there for the tests alone. */
const SERVER = process.env['TEST_POSTGRES_URL'] ?? '';
export const JWT_SECRET = 'a secret for access tokens, only for tests';
export const ACTION_TOKEN_SECRET = 'a secret for action tokens, only for tests';

/** A database of its own for one test, migrated unless `template` says otherwise; dropped when the test ends. */
export async function buildTestDatabase(t: Test, template = 'scoreboard_template'): Promise<string> {
  if (SERVER === '')
    throw new Error('Run tests with "npm test -- test/some.test.ts": they need its database.');
  const url = await cloneDatabase(SERVER, template);
  t.teardown(() => dropDatabase(url));
  return url;
}

/** A config like that of a fresh checkout, with limits that tests do not run into. */
export function testConfig(databaseUrl: string, overrides: Partial<AppConfig> = {}): AppConfig {
  const variables = {
    NODE_ENV: 'test',
    HOST: '127.0.0.1',
    PORT: '0',
    LOG_LEVEL: 'silent',
    JWT_SECRET,
    ACTION_TOKEN_SECRET,
    RATE_LIMIT_SCORE_UPDATE: '1000000',
    RATE_LIMIT_AUTH: '1000000',
    RATE_LIMIT_READ: '1000000',
    REFRESH_TOKEN_TTL: '30d',
  };
  return { ...loadConfig(variables), DATABASE_URL: databaseUrl, ...overrides };
}

export type TestApp = Awaited<ReturnType<typeof startApp>>;

/** The service, really listening, on a database of its own. Everything ends with the test. */
export async function buildTestApp(
  t: Test,
  overrides: Partial<AppConfig> = {},
  log?: DestinationStream,
): Promise<TestApp> {
  return startApp(t, testConfig(overrides.DATABASE_URL ?? (await buildTestDatabase(t)), overrides), log);
}

async function startApp(t: Test, config: AppConfig, log?: DestinationStream) {
  const app = await buildApp(config, createLogger(config, log));
  t.teardown(() => {
    // Clients of the test have nothing more to ask: without this they would be given half a second to do so.
    Server.prototype.closeIdleConnections.call(app.server);
    return app.close();
  });
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  return { app, url, config };
}
