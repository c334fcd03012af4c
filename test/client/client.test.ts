import { ScoreboardError } from '@scoreboard/client';
import t from 'tap';
import { startApi } from '../api.js';
import { player } from './player.js';

t.test('a first action makes a guest and counts', async (t) => {
  const { url } = await startApi(t);
  const client = player(t, url);
  t.equal(client.user, null);
  const receipt = await client.performAction('collect-coin');
  t.match(receipt, { points: 10, action: 'collect-coin', status: 'counted', replayed: false });
  t.equal(receipt.userId, client.user?.id);
  t.same(client.pending, []);
  const { items } = await client.leaderboard('global').top();
  t.match(items, [{ userId: receipt.userId, rank: 1, score: 10 }]);
  const finished = await client.performAction('finish-level', { points: 7, metadata: { level: 3 } });
  t.equal(finished.leaderboards[0]?.score, 17);
});

t.test('what cannot be right is refused with its code', async (t) => {
  const { url } = await startApi(t);
  const client = player(t, url);
  await t.rejects(client.performAction('win-match'), { code: 'action-not-player-issuable', status: 403 });
  await t.rejects(client.performAction('finish-level', { points: 101 }), { code: 'points-out-of-range' });
  await t.rejects(client.performAction('no-such-action'), { code: 'not-found' });
  await t.rejects(client.leaderboard('nowhere').top(), ScoreboardError);
  t.same(client.pending, []);
});
