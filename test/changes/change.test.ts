import t from 'tap';
import { parseChange } from '../../src/changes/change.js';

t.test('what an instance announces is understood', async (t) => {
  const changes = [
    {
      type: 'scores',
      instance: 'svc_1',
      leaderboard: 'global',
      season: 1,
      entries: [
        ['usr_1', -(2 ** 53) + 1, 1_781_136_000_000, 2],
        ['usr_2', null, 1_781_136_000_000, 3],
      ],
    },
    { type: 'user-renamed', userId: 'usr_1', displayName: 'Ada' },
    { type: 'user-erased', userId: 'usr_1' },
    { type: 'session-revoked', sessionId: 'ses_1' },
    { type: 'catalog' },
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
    '{"type":"new-in-a-later-version"}',
    '{"type":"user-erased"}',
    '{"type":"scores","instance":"svc_1","leaderboard":"global","season":1,"entries":[["usr_1",1]]}',
    '{"type":"scores","instance":"svc_1","leaderboard":"global","season":1,"entries":[["usr_1","1",1,1]]}',
  ]) {
    t.equal(parseChange(payload), null, payload);
  }
});
