import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import t from 'tap';
import { buildTestApp } from '../helper.js';

/** The package as others get it: packed, installed in an empty folder, and used there. */

const run = promisify(execFile);
const LIMIT = { timeout: 120_000 };

const FILES = [
  'LICENSE',
  'README.md',
  'client.d.ts',
  'dist/client.js',
  'dist/client.js.map',
  'dist/client.node.js',
  'dist/widget.js',
  'dist/widget.js.map',
  'package.json',
  'widget.d.ts',
];

const Packed = Type.Tuple([
  Type.Object({ filename: Type.String(), files: Type.Array(Type.Object({ path: Type.String() })) }),
]);
const Manifest = Type.Object({ unpkg: Type.String(), jsdelivr: Type.String() });

const GAME = `
  import { createClient } from '@scoreboard/client';

  const client = createClient({ baseUrl: process.env.SCOREBOARD_URL });
  await client.performAction('collect-coin');
  const stop = client.leaderboard('global').subscribe(({ state, board }) => {
    if (state !== 'open') return;
    console.log(typeof EventSource, board.items[0].score);
    stop();
    client.close();
  });
`;

const TYPED = `
  import { createClient, type Entry, httpOf, type Receipt, ScoreboardError } from '@scoreboard/client';
  import type { LiveLeaderboardElement } from '@scoreboard/client/widget';

  export async function play(): Promise<Receipt> {
    const client = createClient({ baseUrl: 'https://scores.example' });
    const { items } = await client.leaderboard('global').top({ limit: 3 });
    const first: Entry | undefined = items[0];
    const { data } = await httpOf('').GET('/v1/leaderboards/{id}', { params: { path: { id: 'global' } } });
    const sort: 'asc' | 'desc' | undefined = data?.sort;
    // @ts-expect-error -- a leaderboard has no such field
    data?.nothing;
    // @ts-expect-error -- no such option
    createClient({ baseUrl: '', nothing: true });
    const element: LiveLeaderboardElement = document.createElement('live-leaderboard');
    element.limit = items.length;
    if (sort === 'asc') throw new ScoreboardError('not-found', first?.displayName ?? '');
    return client.performAction('collect-coin');
  }
`;

t.setTimeout(300_000);

t.test('the packed client is used from an empty folder, with its types', async (t) => {
  const service = await buildTestApp(t);
  const folder = t.testdir({
    'package.json': '{"type": "module", "private": true}',
    'game.js': GAME,
    'typed.ts': TYPED,
  });
  const packing = await run('npm', ['pack', '-w', 'client', '--json', '--pack-destination', folder], LIMIT);
  const [{ filename, files }] = Value.Parse(Packed, JSON.parse(packing.stdout));
  t.same(files.map(({ path }) => path).sort(), FILES, 'the SDK and the element alone');

  const there = { ...LIMIT, cwd: folder };
  await run('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', filename], there);
  const installed = join(folder, 'node_modules/@scoreboard/client');
  t.equal(readFileSync(join(installed, 'LICENSE'), 'utf8'), readFileSync('LICENSE', 'utf8'));
  const { unpkg, jsdelivr } = Value.Parse(
    Manifest,
    JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')),
  );
  for (const path of [unpkg, jsdelivr])
    t.match(readFileSync(join(installed, path), 'utf8'), /export ?\{.*createClient/, `a CDN serves ${path}`);

  await t.test('Node plays and follows a board, though it has no EventSource', async (t) => {
    const env = { ...process.env, NODE_OPTIONS: '', SCOREBOARD_URL: service.url };
    const { stdout } = await run(process.execPath, ['game.js'], { ...there, env });
    t.match(stdout, /^(undefined|function) 10\n$/);
  });

  for (const [module, moduleResolution] of [
    ['node16', 'node16'],
    ['es2022', 'bundler'],
  ])
    await t.test(`TypeScript finds its types by the resolution "${moduleResolution}"`, async (t) => {
      const compilerOptions = {
        ...{ module, moduleResolution, target: 'es2022', lib: ['es2022', 'dom'], types: [] },
        ...{ strict: true, noEmit: true, skipLibCheck: false },
      };
      writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['typed.ts'] }));
      const checked = await run(resolve('node_modules/.bin/tsc'), [], there).catch(
        ({ stdout }: { stdout: string }) => ({ stdout }),
      );
      t.equal(checked.stdout, '');
    });
});
