import assert from 'node:assert/strict';
import t from 'tap';
import { announce, type Change, ITEMS_PER_NOTIFICATION, parseChange } from '../../src/changes/change.js';
import { newId } from '../../src/ids.js';

const ADA = newId('usr');
const BOB = newId('usr');
const header = { id: 'evt_1', writer: 'instance-1' };

/** What the others make of an announcement. */
async function announced(change: Change): Promise<Change[]> {
  const payloads: string[] = [];
  const query = async (_text: string, values: unknown[]) => {
    payloads.push(...[values].flat(2).map(String));
  };
  await announce({ query }, change);
  assert.ok(payloads.every((payload) => Buffer.byteLength(payload) < 8_000));
  return payloads.flatMap((payload) => parseChange(payload) ?? []);
}

t.test('what an instance announces is understood', async (t) => {
  const changes: Change[] = [
    {
      type: 'scores',
      ...header,
      board: 'global:1',
      entries: [
        [ADA, -(2 ** 53) + 1, 1_781_136_000_000, 2],
        [BOB, null, 1_781_136_000_000, 3],
      ],
    },
    {
      type: 'corrections',
      ...header,
      entries: [
        [ADA, null, 1_781_136_000_000, 2, 'global:1'],
        [ADA, 7, 1_781_136_000_000, 2, 'laps:1'],
      ],
    },
    { type: 'user-renamed', ...header, userId: 'usr_1', displayName: 'Ada', boards: ['global:1'] },
    { type: 'user-erased', ...header, userId: 'usr_1', boards: [] },
    { type: 'session-revoked', ...header, sessionId: 'ses_1' },
    { type: 'service-account-revoked', ...header, accountId: 'svc_1' },
    { type: 'leaderboard', ...header, leaderboard: 'global', removed: true },
    { type: 'action', ...header, action: 'collect-coin' },
  ];
  for (const change of changes) t.same(await announced(change), [change]);
});

t.test('what is none of ours is told apart', async (t) => {
  for (const payload of [
    '',
    'hello',
    'null',
    '[]',
    '{}',
    '{"type":"new-in-a-later-version","id":"chg_1","writer":"instance-1"}',
    '{"type":"user-erased","id":"chg_1","writer":"instance-1"}',
    '{"type":"action","action":"collect-coin"}',
    '{"type":"scores","id":"evt_1","writer":"instance-1","board":"global:1","entries":[["01900000-0000-7000-8000-000000000000",1]]}',
    '{"type":"scores","id":"evt_1","writer":"instance-1","board":"global:1","entries":[["usr_1",1,1,1]]}',
    '{"type":"scores","id":"evt_1","writer":"instance-1","board":"global:1","entries":[["01900000-0000-7000-8000-000000000000","1",1,1]]}',
  ]) {
    t.equal(parseChange(payload), null, payload);
  }
});

t.test(
  'a change that is too long for one notification is announced in parts, each with its id',
  async (t) => {
    const userId = ADA;
    const entries = Array.from(
      { length: 2 * ITEMS_PER_NOTIFICATION + 1 },
      (_, n): [string, number, number, number] => [
        userId,
        -(2 ** 53) + 1,
        1_781_136_000_000,
        2 ** 53 - n - 1,
      ],
    );
    const scores: Change = { type: 'scores', ...header, board: `${'b'.repeat(63)}:999999999`, entries };
    const parts = await announced(scores);
    t.equal(parts.length, 3);
    t.same(
      parts.flatMap((part) => (part.type === 'scores' ? part.entries : [])),
      entries,
    );
    t.same(new Set(parts.map(({ id, writer }) => `${id} ${writer}`)), new Set(['evt_1 instance-1']));

    const corrections = entries.map((entry): [...typeof entry, string] => [
      ...entry,
      `${'b'.repeat(63)}:999999999`,
    ]);
    const corrected = await announced({ type: 'corrections', ...header, entries: corrections });
    t.same(
      corrected.flatMap((part) => (part.type === 'corrections' ? part.entries : [])),
      corrections,
    );

    const boards = Array.from({ length: 100 }, (_, n) => `${'b'.repeat(60)}-${n}:999999999`);
    const erased = await announced({ type: 'user-erased', ...header, userId, boards });
    t.same(
      erased.flatMap((part) => (part.type === 'user-erased' ? part.boards : [])),
      boards,
    );
    t.same(await announced({ type: 'user-erased', ...header, userId, boards: [] }), [
      { type: 'user-erased', ...header, userId, boards: [] },
    ]);
  },
);
