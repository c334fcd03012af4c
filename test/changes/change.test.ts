import t from 'tap';
import { announce, type Change, ITEMS_PER_NOTIFICATION, parseChange } from '../../src/changes/change.js';

const header = { id: 'evt_1', writer: 'instance-1' };

t.test('what an instance announces is understood', async (t) => {
  const changes: Change[] = [
    {
      type: 'scores',
      ...header,
      board: 'global:1',
      entries: [
        ['usr_1', -(2 ** 53) + 1, 1_781_136_000_000, 2],
        ['usr_2', null, 1_781_136_000_000, 3],
      ],
    },
    { type: 'user-renamed', ...header, userId: 'usr_1', displayName: 'Ada', boards: ['global:1'] },
    { type: 'user-erased', ...header, userId: 'usr_1', boards: [] },
    { type: 'session-revoked', ...header, sessionId: 'ses_1' },
    { type: 'service-account-revoked', ...header, accountId: 'svc_1' },
    { type: 'leaderboard', ...header, leaderboard: 'global', removed: true },
    { type: 'action', ...header, action: 'collect-coin' },
  ];
  for (const change of changes) t.same(parseChange(JSON.stringify(change)), change);
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
    '{"type":"scores","id":"evt_1","writer":"instance-1","board":"global:1","entries":[["usr_1",1]]}',
    '{"type":"scores","id":"evt_1","writer":"instance-1","board":"global:1","entries":[["usr_1","1",1,1]]}',
  ]) {
    t.equal(parseChange(payload), null, payload);
  }
});

t.test(
  'a change that is too long for one notification is announced in parts, each with its id',
  async (t) => {
    const announced = async (change: Change): Promise<Change[]> => {
      const payloads: string[] = [];
      await announce(
        {
          async query(_text, values) {
            payloads.push(...[values].flat(2).map(String));
          },
        },
        change,
      );
      t.ok(payloads.every((payload) => Buffer.byteLength(payload) < 8_000));
      return payloads.flatMap((payload) => parseChange(payload) ?? []);
    };
    const userId = `usr_${'x'.repeat(26)}`;
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
