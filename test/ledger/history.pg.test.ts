import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type pg from 'pg';
import t, { type Test } from 'tap';
import { History } from '../../src/ledger/history.js';
import { eventually } from '../api.js';
import { buildTestDatabase } from '../helper.js';
import { addPlayers, openPool } from './game-server.js';
import { addEvents, monthsAgo, prepareMonths } from './old-months.js';

const MEGABYTE = 2 ** 20;
const free = async () => {};

/** A ledger with events of a month, and a history of it whose computations are counted and can be held up. */
async function open(t: Test, maxBytes = 64 * MEGABYTE) {
  const databaseUrl = await buildTestDatabase(t);
  const pool = openPool(t, databaseUrl, { max: 20 });
  await prepareMonths(pool, databaseUrl, 2);
  const users = await addPlayers(pool, 3);
  const begun = monthsAgo(1);
  await addEvents(
    pool,
    users.map((user, n) => ({ user, points: n + 1, at: begun + 1_000 * n })),
  );
  let computed = 0;
  let running = 0;
  let mostRunning = 0;
  let held = Promise.resolve();
  const watched: pg.Pool = new Proxy(pool, {
    get(target, name) {
      if (name !== 'connect') return name === 'query' ? target.query.bind(target) : Reflect.get(target, name);
      return async () => {
        const client = await target.connect();
        computed++;
        mostRunning = Math.max(mostRunning, ++running);
        const release = client.release.bind(client);
        client.release = (error) => {
          running--;
          client.release = release;
          release(error);
        };
        await held;
        return client;
      };
    },
  });
  const history = new History({ pool: watched, maxBytes });
  return {
    pool,
    users,
    history,
    begun,
    /** @param seconds after the first event */
    read: (seconds: number, board = 'global', count = free) =>
      history.board(board, undefined, ['asOf', new Date(begun + 1_000 * seconds).toISOString()], count),
    counts: () => ({ computed, running, mostRunning }),
    hold: () => {
      let release = () => {};
      held = new Promise((resolve) => {
        release = resolve;
      });
      return () => release();
    },
  };
}

t.test('what is asked for at once is computed once, and then kept', async (t) => {
  const { read, counts, hold, history } = await open(t);
  const release = hold();
  let counted = 0;
  const count = async () => void counted++;
  const reads = Array.from({ length: 10 }, () => read(1, 'global', count));
  await eventually(async () => assert.equal(counts().running, 1));
  release();
  const boards = await Promise.all(reads);
  t.equal(counts().computed, 1);
  for (const { reader, asOf, leaderboard, season } of boards) {
    t.match(asOf, /Z$/);
    t.match({ leaderboard, season }, { leaderboard: 'global', season: 1 });
    t.equal((await reader.page(10)).total, 2);
  }
  t.ok(counted >= 1);
  await read(1, 'global', async () => void t.fail('what is kept costs nothing'));
  t.equal(counts().computed, 1);
  await read(0);
  t.equal(counts().computed, 2, 'another time');
  history.receive({ type: 'corrections' });
  await read(1);
  t.equal(counts().computed, 3, 'after a correction it is computed again');
});

t.test('a correction during a computation does not leave an older board behind', async (t) => {
  const { read, counts, hold, history } = await open(t);
  const release = hold();
  const reading = read(1);
  await eventually(async () => assert.equal(counts().running, 1));
  history.receive({ type: 'user-banned' });
  release();
  await reading;
  await read(1);
  t.equal(counts().computed, 2);
});

t.test('one computation runs for a board, two in the process, and only so many wait', async (t) => {
  const { read, counts, hold } = await open(t);
  const release = hold();
  const ofOne = [read(0), read(1), read(2)];
  await eventually(async () => assert.equal(counts().running, 1));
  for (let turns = 0; turns < 20; turns++) await nextTurn();
  t.equal(counts().running, 1, 'others of the board wait for it');
  const others = [read(0, 'best-race'), read(0, 'latest-race')];
  await eventually(async () => assert.equal(counts().running, 2));
  for (let turns = 0; turns < 20; turns++) await nextTurn();
  t.equal(counts().running, 2);
  const refused: unknown[] = [];
  const more = Array.from({ length: 14 }, (_, n) =>
    read(10 + n, 'best-lap').catch((error) => void refused.push(error)),
  );
  await eventually(async () => assert.equal(refused.length, 3, 'sixteen may wait or run'));
  release();
  await Promise.all([...ofOne, ...others, ...more]);
  t.match(refused, Array(3).fill({ code: 'rate-limited', retryAfter: 5 }));
  t.equal(counts().mostRunning, 2);
});

t.test('what is kept is bounded by its memory', async (t) => {
  const { read, counts } = await open(t, 1);
  await read(1);
  await read(1);
  t.equal(counts().computed, 2);
});

t.test('times that are archived, and seasons that are not there, are refused', async (t) => {
  const { pool, history, read, begun } = await open(t);
  const at = (ms: number) => ['since', new Date(ms).toISOString()] as const;
  await t.rejects(history.board('global', undefined, at(Date.now() + 60_000), free), {
    code: 'validation-failed',
    errors: [{ path: '/since' }],
  });
  await t.rejects(history.board('global', 7, at(begun), free), { code: 'season-not-found' });
  await t.rejects(history.board('nowhere', undefined, at(begun), free), { code: 'season-not-found' });
  await pool.query("UPDATE leaderboards SET removed_through = 1 WHERE id = 'best-lap'");
  await t.rejects(read(1, 'best-lap'), { code: 'season-purged' });
  await pool.query(
    'UPDATE archive_progress SET carried_before = (SELECT id FROM score_events ORDER BY id DESC LIMIT 1)',
  );
  await t.rejects(read(0), { code: 'history-archived', message: /^Events before .*Z are archived/ });
  t.equal((await (await read(60)).reader.page(10)).total, 1, 'what is in the ledger is shown');
});
