import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import t, { type Test } from 'tap';
import type { VersionedEntry } from '../../src/leaderboard/entry.js';
import type { Board } from '../../src/leaderboard/projection.js';
import { Reconciler } from '../../src/leaderboard/reconciler.js';
import { RedisBoards } from '../../src/leaderboard/redis-boards.js';
import { BoardRedis, keysOf, type RedisProjection } from '../../src/leaderboard/redis-projection.js';
import { eventually } from '../api.js';
import { connectTestRedis, RedisServer } from '../redis-server.js';
import { BoardRows } from './board-rows.js';

const scores = await BoardRows.open(t);
const server = await RedisServer.start(t);

const entry = (n: number, version = 10): VersionedEntry => ({
  userId: BoardRows.userOf(n),
  score: 100 - n,
  achievedAt: 1_781_136_000_000,
  version,
});

/** The boards of one instance, of which one is open and ready. */
async function openInstance(t: Test, board: Board) {
  const client = await connectTestRedis(t, server.url);
  const subscriber = await connectTestRedis(t, server.url);
  const redis = new BoardRedis(client, randomUUID());
  const open: RedisProjection[] = [];
  const reloaded: string[] = [];
  const applied: string[] = [];
  const changed: string[] = [];
  const boards = new RedisBoards({
    redis,
    subscriber,
    reconciler: new Reconciler(scores.pool, redis),
    syncIntervalMs: 3_600_000,
    open: () => open,
    find: ({ text }) => open.find(({ board }) => board.key.text === text),
    reload: ({ text }) => reloaded.push(text),
    reloadAll: () => {
      for (const projection of open) projection.markStale();
      reloaded.push('all');
    },
    onChange: ({ text }) => changed.push(text),
    onApplied: ({ text }, changeId) => applied.push(`${text} ${changeId}`),
    onReconciled: () => {},
    onError: (error) => t.fail(String(error)),
  });
  t.teardown(() => boards.close());
  const projection = boards.project(board);
  open.push(projection);
  await projection.load();
  return { client, boards, projection, reloaded, applied, changed };
}

async function openBoard(entries = 3) {
  const board = scores.newBoard('desc');
  await scores.write(
    board,
    Array.from({ length: entries }, (_, n) => entry(n)),
  );
  return board;
}

t.test('an instance receives what others have applied, and not its own messages', async (t) => {
  const board = await openBoard();
  const [one, two] = [await openInstance(t, board), await openInstance(t, board)];
  await one.projection.apply('evt_1', [entry(1, 11)]);
  await two.projection.apply('evt_2', [entry(1, 12)]);
  const { text } = board.key;
  await eventually(async () => {
    assert.deepEqual(two.applied, [`${text} evt_1`]);
    assert.deepEqual(one.applied, [`${text} evt_2`]);
  });
});

t.test('of instances that confirm a change one does, and each part of it is confirmed', async (t) => {
  const board = await openBoard();
  const [one, two] = [await openInstance(t, board), await openInstance(t, board)];
  const { version } = await one.projection.page(1);
  for (const part of [[entry(1, 11), entry(2, 11)], [entry(0, 11)]])
    for (const { projection } of [one, two]) await projection.confirm('evt_1', part);
  t.equal((await one.projection.page(1)).version, version + 2);
  for (const { projection } of [one, two]) await projection.rename('chg_1', entry(1).userId);
  t.equal((await one.projection.page(1)).version, version + 3);
  for (const { projection } of [two, one]) await projection.erase('chg_2', entry(1).userId);
  t.equal((await one.projection.page(1)).version, version + 4);
  t.equal(await one.projection.placement(entry(1).userId), null);
});

t.test(
  'a writer that confirms all of a change is not held up by another instance that has had a part',
  async (t) => {
    const board = await openBoard();
    const [one, two] = [await openInstance(t, board), await openInstance(t, board)];
    const all = [entry(0, 11), entry(1, 11), entry(2, 11)].map((known) => ({ ...known, score: 500 }));
    await two.projection.confirm('chg_1', all.slice(0, 2));
    await one.projection.confirm('chg_1', all);
    t.same(
      (await one.projection.page(3)).entries.map(({ score }) => score),
      [500, 500, 500],
    );
  },
);

t.test('a confirmation changes nothing that its writer has applied, and undoes nothing newer', async (t) => {
  const board = await openBoard();
  const { projection } = await openInstance(t, board);
  await projection.apply('evt_1', [entry(1, 11)]);
  await projection.apply('evt_2', [{ ...entry(2, 12), score: 500 }]);
  const before = await projection.page(10);
  await projection.confirm('evt_1', [entry(1, 11), entry(2, 11)]);
  t.same(await projection.page(10), before);
});

t.test('a board that is not in Redis needs no confirmation', async (t) => {
  const board = await openBoard();
  const { client, projection } = await openInstance(t, board);
  await client.unlink(...keysOf(board.key).board);
  await projection.confirm('evt_1', [entry(1, 11)]);
  t.equal(await client.exists(...keysOf(board.key).board), 0);
  await t.rejects(projection.page(1));
});

t.test('a Redis that has lost its data is noticed while nobody reads', async (t) => {
  const { client, reloaded, boards, projection } = await openInstance(t, await openBoard());
  t.equal(await boards.isReady(), true);
  await client.flushall();
  await eventually(async () => assert.deepEqual(reloaded, ['all']));
  t.equal(await boards.isReady(), false, 'a board that was ready is missed');
  await projection.load();
  t.equal(await boards.isReady(), true);
});

t.test('a board that is opened for the first time is not missed', async (t) => {
  const { boards, projection } = await openInstance(t, await openBoard());
  projection.wasReady = false;
  projection.markStale();
  t.equal(await boards.isReady(), true);
});
