import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { main } from '../scripts/database.js';
import { buildApp } from '../src/app.js';
import { loadConfig } from '../src/config.js';
import { migrate } from '../src/postgres/migrate.js';
import { StartError } from '../src/start-error.js';
import { startEmbeddedPostgres } from './embedded-postgres.js';
import { describeSchema } from './schema.js';

const run = promisify(execFile);

const HEAD_OF_DECLARATIONS = `// The types of client.js, in one file. Made by \`npm run docs\`: do not change it here.
// It has types of openapi-fetch and openapi-typescript-helpers, MIT licence, Copyright (c) 2023 Drew Powers.

`;

/** Writes the documents that are made from the code; with `--check`, only says whether they are as they should be. */
await main(async () => {
  const check = process.argv.includes('--check');
  const directory = await mkdtemp(join(tmpdir(), 'scoreboard-docs-'));
  const database = await startEmbeddedPostgres({ directory, fsync: false });
  try {
    await migrate(database.url);
    const documents: Record<string, () => string | Promise<string>> = {
      'docs/openapi.json': () => openApi(database.url),
      'docs/schema.sql': () => schema(database.url),
      'deploy/kubernetes/monitoring.yaml': monitoring,
      // Made from docs/openapi.json, so after it.
      'client/client.d.ts': () => declarations(directory),
    };
    const stale: string[] = [];
    for (const [file, make] of Object.entries(documents)) {
      const text = await make();
      if (read(file) === text) continue;
      stale.push(file);
      if (!check) writeFileSync(file, text);
    }
    if (check && stale.length > 0)
      throw new StartError(`${stale.join(' and ')} must be made anew: npm run docs`);
    console.log(stale.length === 0 ? 'The documents are up to date.' : `Wrote ${stale.join(', ')}.`);
  } finally {
    await database.stop();
    await rm(directory, { recursive: true, force: true });
  }
});

async function openApi(databaseUrl: string): Promise<string> {
  const secrets = {
    JWT_SECRET: 'only to build the document, never used',
    ACTION_TOKEN_SECRET: 'nor is this one, it signs nothing at all',
  };
  const app = await buildApp({
    ...loadConfig({ ...secrets, LOG_LEVEL: 'silent' }),
    DATABASE_URL: databaseUrl,
  });
  try {
    await app.ready();
    return `${JSON.stringify(app.swagger(), null, 2)}\n`;
  } finally {
    await app.close();
  }
}

async function schema(databaseUrl: string): Promise<string> {
  const client = new pg.Client(databaseUrl);
  await client.connect();
  try {
    return await describeSchema(client);
  } finally {
    await client.end();
  }
}

/** The rendered manifest with the alerts as they are now, so that a change of them needs no helm. */
function monitoring(): string {
  const [head] = readFileSync('deploy/kubernetes/monitoring.yaml', 'utf8').split(
    /(?<=^# alerts\.yml is .*\nspec:\n)/m,
  );
  const alerts = readFileSync('deploy/prometheus/alerts.yml', 'utf8').trimEnd();
  return `${head}${alerts.replaceAll(/^/gm, '  ')}\n`;
}

/** The types of the SDK in one file, which the service serves beside its script. */
async function declarations(directory: string): Promise<string> {
  const file = join(directory, 'client.d.ts');
  await run('npm', ['run', '--silent', 'types', '-w', 'client']);
  await run('node_modules/.bin/dts-bundle-generator', [
    ...['client/src/index.ts', '--project', 'client/tsconfig.json', '--out-file', file],
    ...['--external-inlines', 'openapi-fetch', 'openapi-typescript-helpers'],
    ...['--export-referenced-types', 'false', '--no-banner', '--no-check', '--silent'],
  ]);
  return `${HEAD_OF_DECLARATIONS}${readFileSync(file, 'utf8')}`;
}

function read(file: string): string | undefined {
  try {
    return readFileSync(resolve(file), 'utf8');
  } catch {
    return undefined;
  }
}
