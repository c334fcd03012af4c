import { execFile } from 'node:child_process';
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import t, { type Test } from 'tap';
import { npmPackage, pythonPackage } from '../../dev/test-packages.js';
import { documentOf } from '../api.js';
import { buildTestApp } from '../helper.js';

/** Clients that others generate from the OpenAPI document: they are made, and play a game. */

const run = promisify(execFile);
/** A ceiling that means a hang: generators and compilers take all of the processor that others leave them. */
const LIMIT = { timeout: 240_000 };
t.setTimeout(600_000);

const [service, python, npm] = await Promise.all([
  buildTestApp(t),
  pythonPackage('openapi-python-client==0.29.1'),
  npmPackage('orval@7.13.2'),
]);
const account = await service.app.serviceAccounts.create('generated clients', 'server');
const ACCOUNT = { SCOREBOARD_URL: service.url, CLIENT_ID: account.id, CLIENT_SECRET: account.secret };

/** The same game as journey.py, for a client whose every answer may be a problem. */
const JOURNEY = `
import * as api from './client';

type Answer = { status: number; data: unknown };
function good<T extends Answer, S extends number>(answer: T, status: S): Extract<T, { status: S }>['data'] {
  if (answer.status !== status) throw new Error(JSON.stringify(answer.data));
  return answer.data as Extract<T, { status: S }>['data'];
}
const as = (token: string) => ({ headers: { authorization: \`Bearer \${token}\` } });

export async function play(client_id: string, client_secret: string): Promise<string> {
  const session = good(await api.createGuest({ displayName: 'Bo' }), 201);
  const player = as(session.accessToken);
  const me = good(await api.getMe(player), 200);
  if (me.role !== api.UserRole.player) throw new Error(me.role);
  const { actionToken } = good(await api.createActionToken({ action: 'collect-coin' }, player), 201);
  const receipt = good(await api.submitScore({ actionToken }, player), 200);
  if (receipt.status !== api.ReceiptStatus.counted) throw new Error(receipt.status);
  const board = good(await api.getLeaderboard('global'), 200);
  if (board.sort !== api.LeaderboardSort.desc) throw new Error(board.sort);
  const { items } = good(await api.listEntries('global', { limit: 5 }), 200);
  const grant = await api.issueAccessToken({ grant_type: 'client_credentials', client_id, client_secret });
  const server = as(good(grant, 200).access_token);
  const user = good(await api.createUser({ displayName: 'Dee', externalId: 'player-2' }, server), 201);
  if (good(await api.openSession(user.id, server), 201).user.id !== user.id) throw new Error(user.id);
  const entry = items.find(({ userId }) => userId === me.id);
  return \`\${entry?.displayName} has \${entry?.score} points, rank \${entry?.rank}\`;
}
`;

/** A folder with the document. */
function folderOf(t: Test): string {
  const folder = t.testdir({});
  writeFileSync(join(folder, 'openapi.json'), JSON.stringify(documentOf(service)));
  return folder;
}

t.test('openapi-python-client makes a client that logs in, plays and reads a board', async (t) => {
  const folder = folderOf(t);
  // It knows no other type for a body that is a file.
  writeFileSync(
    join(folder, 'config.yaml'),
    'content_type_overrides: {text/csv: application/octet-stream}\n',
  );
  const made = await run(
    join(python, 'openapi-python-client'),
    [
      ...['generate', '--path', 'openapi.json', '--output-path', 'scoreboard', '--meta', 'none'],
      ...['--config', 'config.yaml'],
    ],
    { ...LIMIT, cwd: folder },
  );
  // It says what it has left out.
  t.notMatch(made.stdout + made.stderr, /unable to parse|unsupported|ignor/i);
  const models = readdirSync(join(folder, 'scoreboard/models'));
  // It numbers the kinds of what has several; the first kind is also that of what may be null.
  t.same(
    models.filter((name) => /_type_[1-9]|_v1_/.test(name)),
    [],
    'everything has a name of its own',
  );
  copyFileSync('test/openapi/journey.py', join(folder, 'journey.py'));
  const outputOf = async (file: string) =>
    (
      await run(join(python, 'python'), [file], {
        ...LIMIT,
        cwd: folder,
        env: { ...process.env, ...ACCOUNT },
      })
    ).stdout.trim();
  t.equal(await outputOf('journey.py'), 'Ada has 10 points, rank 1');
  const [, example = ''] = /```python\n(.*?)```/s.exec(readFileSync('docs/integrating.md', 'utf8')) ?? [];
  writeFileSync(join(folder, 'example.py'), example.replace('http://localhost:3000', service.url));
  t.equal(await outputOf('example.py'), '10');
});

t.test('orval makes a client that typechecks, logs in, plays and reads a board', async (t) => {
  const folder = folderOf(t);
  const output = { target: 'client.ts', client: 'fetch', mode: 'single', baseUrl: service.url };
  const config = { scoreboard: { input: 'openapi.json', output } };
  writeFileSync(join(folder, 'orval.config.cjs'), `module.exports = ${JSON.stringify(config)};`);
  await run(join(npm, 'orval'), ['--config', 'orval.config.cjs'], { ...LIMIT, cwd: folder });
  writeFileSync(join(folder, 'journey.ts'), JOURNEY);
  const strictly = ['--noEmit', '--strict', '--target', 'es2022', '--module', 'esnext'];
  const types = ['--moduleResolution', 'bundler', '--types', 'node'];
  await run(resolve('node_modules/.bin/tsc'), [...strictly, ...types, 'journey.ts'], {
    ...LIMIT,
    cwd: folder,
  });
  const outfile = join(folder, 'journey.mjs');
  await build({ entryPoints: [join(folder, 'journey.ts')], bundle: true, format: 'esm', outfile });
  const journey: { play(id: string, secret: string): Promise<string> } = await import(outfile);
  t.equal(await journey.play(account.id, account.secret), 'Bo has 10 points, rank 3');
});
