import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { startEmbeddedPostgres } from '../../dev/embedded-postgres.js';
import { migrate } from '../../src/postgres/migrate.js';
import { eventually } from '../api.js';
import { buildTestApp } from '../helper.js';
import { GameServer, openPool, prepare } from '../ledger/game-server.js';
import { agreement, countedOnce, events, truth } from '../ledger/truth.js';
import { BoardStream } from './board-stream.js';
import { Load, nothingLost, postAgain } from './load.js';
import { PostgresProxy } from './proxy.js';

/** Data that was passed to the operating system survives a killed process, so fsync may be off. */
const SETTINGS = { fsync: false, settings: { synchronous_commit: 'on', full_page_writes: 'on' } };

t.test('PostgreSQL is killed twice under load', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'scoreboard-restart-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  let server = await startEmbeddedPostgres({ directory, ...SETTINGS });
  t.teardown(() => server.stop());
  await migrate(server.url);
  const users = await prepare(server.url, 40);
  const proxy = await PostgresProxy.open(t, portOf(server.url));
  const databaseUrl = proxy.via(server.url);
  const { app, url } = await buildTestApp(t, { DATABASE_URL: databaseUrl });
  const stream = await BoardStream.open(t, url, 'limit=10');

  const game = new GameServer(t);
  const load = new Load(game, users, 16, () => url);
  await load.more(200);
  const restart = async (signal: NodeJS.Signals) => {
    const [postmaster] = readFileSync(join(directory, 'data', 'postmaster.pid'), 'utf8').split('\n');
    process.kill(Number(postmaster), signal);
    server = await startEmbeddedPostgres({ directory, ...SETTINGS });
  };
  // As "pg_ctl stop -m immediate" does: back so soon that no score needs to be rejected.
  await restart('SIGQUIT');
  proxy.target = portOf(server.url);
  await load.more(200);
  // Down for longer than the deadline of the ledger.
  proxy.target = null;
  await restart('SIGKILL');
  await eventually(async () => assert(load.answers.some(({ status }) => status === 503)), 60_000);
  proxy.target = portOf(server.url);
  const back = performance.now();
  await load.more(200);
  await load.stop();

  const pool = openPool(t, databaseUrl);
  const { answers } = load;
  const odd = answers.filter(({ status, retryAfter }) => !(status === 200 || (status === 503 && retryAfter)));
  t.same(odd, [], 'answers are 200 or 503 with Retry-After');
  const slowest = Math.max(...answers.map(({ ms }) => ms));
  t.ok(slowest < 60_000, 'no post waits without end');
  const summary = nothingLost(t, answers, await truth(pool, 'global'), await events(pool));
  await agreement(t, pool, [url], 20_000);
  const ms = Math.round(performance.now() - back);
  t.comment(
    `${summary}; boards right at most ${ms} ms after the last restart; longest wait ${Math.round(slowest)} ms`,
  );

  const again = await postAgain(game, url, answers);
  const known = [...answers.filter(({ status }) => status === 200), ...again];
  countedOnce(t, [...new Set(known.map(({ token }) => token))], await events(pool), known);
  await agreement(t, pool, [url], 20_000);
  const top = (await truth(pool, 'global')).slice(0, 10).map(({ userId, score }) => [userId, score]);
  const shown = () => stream.board?.items.map(({ userId, score }) => [userId, score]);
  await t.resolves(
    eventually(async () => assert.deepEqual(shown(), top)),
    'the stream shows the final state',
  );
  t.equal(stream.isOpen, true, 'on its first connection');
  await app.close();
});

const portOf = (url: string): number => Number(new URL(url).port);
