import t from 'tap';
import type { Action } from '../../schemas/action.js';
import { BUNDLES } from '../../src/access/scopes.js';
import { isOurFault, Problem } from '../../src/errors.js';
import { newId } from '../../src/ids.js';
import type { Submission } from '../../src/ledger/score-ledger.js';
import { ActionTokens } from '../../src/scoring/action-tokens.js';
import { rejectionOf } from '../../src/scoring/rejections.js';
import { Scores } from '../../src/scoring/scores.js';

const LEVEL: Action = {
  id: 'finish-level',
  title: 'Finish a level',
  points: { min: 1, max: 100 },
  leaderboards: ['global'],
  issuer: 'player',
  minDurationMs: 0,
};
const player = { id: newId('usr'), scopes: BUNDLES.player, sessionId: newId('ses') };
const gameServer = { id: newId('svc'), scopes: BUNDLES.server, sessionId: null };

/** The rules of scoring with nothing around them: no HTTP, no database. */
function scoring({ action = LEVEL, fails }: { action?: Action; fails?: Error } = {}) {
  const recorded: Submission[] = [];
  const tokenResults: string[] = [];
  const statuses: string[] = [];
  const catalog = {
    action: async (id: string) => (id === action.id ? action : null),
    limits: async () => null,
  };
  const tokens = new ActionTokens({
    catalog,
    users: {
      get: async (id) => ({ id, displayName: '', username: null, role: 'player', createdAt: '' }),
    },
    secret: 'a secret of at least 32 characters',
    previousSecret: undefined,
    lifetime: 300,
  });
  const scores = new Scores({
    catalog,
    tokens,
    ledger: {
      record: async (submission) => {
        if (fails !== undefined) throw fails;
        recorded.push(submission);
        return { eventId: newId('evt'), acceptedAt: 0, status: 'counted', leaderboards: [] };
      },
      replay: async () => null,
    },
    onToken: (result) => tokenResults.push(result),
    onScore: (status) => statuses.push(status),
  });
  return { tokens, scores, recorded, tokenResults, statuses };
}

t.test('a token that a player has got for itself is redeemed for points in its range', async (t) => {
  const { tokens, scores, recorded, tokenResults, statuses } = scoring();
  const { actionToken, tokenId } = await tokens.issue(player, { action: LEVEL.id });
  const token = await scores.verify(player, actionToken);
  t.match(await scores.redeem(token, { points: 40 }), {
    userId: player.id,
    action: LEVEL.id,
    points: 40,
    acceptedAt: '1970-01-01T00:00:00.000Z',
    status: 'counted',
  });
  t.match(recorded, [{ tokenId, userId: player.id, points: 40, metadata: null, issuedBy: 'player' }]);
  t.strictSame([tokenResults, statuses], [['valid'], ['accepted']]);
});

t.test(
  'a game server redeems a token of any player, and fixes the points when it asks for one',
  async (t) => {
    const { tokens, scores, recorded } = scoring();
    const request = { action: LEVEL.id, userId: player.id, points: 7 };
    const { actionToken } = await tokens.issue(gameServer, request);
    await scores.redeem(await scores.verify(gameServer, actionToken), {});
    t.match(recorded, [{ userId: player.id, points: 7, issuedBy: gameServer.id }]);
    await t.rejects(tokens.issue(gameServer, { ...request, points: 101 }), { code: 'points-out-of-range' });
    await t.rejects(tokens.issue(gameServer, { action: LEVEL.id }), { code: 'validation-failed' });
    await t.rejects(tokens.issue(player, request), { code: 'forbidden' });
  },
);

t.test(
  'a token of another player, of another action or before its time is rejected and counted',
  async (t) => {
    const { tokens, scores, tokenResults, statuses } = scoring();
    const { actionToken } = await tokens.issue(player, { action: LEVEL.id });
    const other = { ...player, id: newId('usr') };
    await t.rejects(scores.verify(other, actionToken), { code: 'action-token-user-mismatch' });
    await t.rejects(scores.verify(player, `${actionToken}A`), { code: 'action-token-invalid' });
    t.strictSame(
      [tokenResults, statuses],
      [
        ['invalid', 'invalid'],
        ['refused', 'refused'],
      ],
    );

    const elsewhere = scoring({ action: { ...LEVEL, id: 'other' } });
    await t.rejects(elsewhere.scores.verify(player, actionToken), { code: 'action-token-invalid' });
    const slow = scoring({ action: { ...LEVEL, minDurationMs: 60_000 } });
    const early = await slow.tokens.issue(player, { action: LEVEL.id });
    await t.rejects(slow.scores.verify(player, early.actionToken), { code: 'action-token-premature' });
  },
);

t.test('points outside the range are refused, though the token was valid', async (t) => {
  const { tokens, scores, tokenResults, statuses } = scoring();
  const { actionToken } = await tokens.issue(player, { action: LEVEL.id });
  const token = await scores.verify(player, actionToken);
  await t.rejects(scores.redeem(token, { points: 101 }), { code: 'points-out-of-range' });
  await t.rejects(scores.redeem(token, {}), { code: 'validation-failed' });
  t.strictSame(
    [tokenResults, statuses],
    [
      ['valid', 'valid'],
      ['refused', 'refused'],
    ],
  );
});

t.test('what the ledger throws is passed on, and counted as what it is', async (t) => {
  for (const [fails, tokenResult, status] of [
    [new Problem('action-token-replayed', ''), 'replay', 'refused'],
    [new Problem('action-limit-reached', ''), 'valid', 'refused'],
    [new Problem('service-unavailable', ''), 'valid', 'failed'],
    [new Error('no such table'), 'valid', 'failed'],
  ] as const) {
    const { tokens, scores, tokenResults, statuses } = scoring({ fails });
    const { actionToken } = await tokens.issue(player, { action: LEVEL.id });
    const token = await scores.verify(player, actionToken);
    await t.rejects(scores.redeem(token, { points: 1 }), fails);
    t.strictSame([tokenResults, statuses], [[tokenResult], [status]]);
    t.equal(rejectionOf(fails) !== undefined, tokenResult === 'replay');
    t.equal(isOurFault(fails), status === 'failed');
  }
});
