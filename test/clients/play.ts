import assert from 'node:assert/strict';
import type { Test } from 'tap';
import { newPlayer, startApi } from '../api.js';
import { FaultyProxy } from '../client/faulty-proxy.js';
import { mint } from '../mint.js';
import { type Engine, Game, type GameOptions } from './game.js';

const SCORES = '/v1/scores';
const REFRESH = '/v1/auth/refresh';
const STREAM = '/v1/leaderboards/global/stream';

/** What a package for an engine promises, played by a game of that engine against the service. */
export function playWith(t: Test, engine: Engine): void {
  /** A service, a proxy in front of it, and a game behind that. */
  async function start(t: Test) {
    const service = await startApi(t, { CORS_ORIGINS: ['*'] });
    const proxy = await FaultyProxy.open(t, service.url);
    const play = (options: Partial<GameOptions> = {}) =>
      Game.start(t, engine, { url: proxy.url, ...options });
    /** The events of the ledger, oldest first. */
    const events = async (): Promise<{ id: string; points: number }[]> =>
      (
        await service.app.pg.query(
          `SELECT typeid('evt', id) AS id, points::int FROM score_events ORDER BY accepted_at`,
        )
      ).rows;
    return { ...service, proxy, events, play, game: await play() };
  }

  t.test('a guest scores, sees the top and its neighbours, and is the same after a restart', async (t) => {
    const { game, play } = await start(t);
    const { id } = await game.ask('guest', { displayName: 'Ada' });
    const first = await game.ask('perform', { action: 'collect-coin' });
    t.match(first, { points: 10, replayed: false, leaderboards: [{ id: 'global', rank: 1, score: 10 }] });
    const begun = await game.ask('begin', { action: 'finish-level' });
    const metadata = { level: 3, name: 'Höhle "7"' };
    const second = await game.ask('perform', { action: 'finish-level', points: 7, begun, metadata });
    t.match(second, { action: 'finish-level', points: 7, leaderboards: [{ score: 17 }] });
    const board = { total: 1, items: [{ rank: 1, userId: id, displayName: 'Ada', score: 17 }] };
    t.match(await game.ask('top', { limit: 3 }), board);
    t.match(await game.ask('around', { radius: 2 }), board);
    const third = await game.ask('perform', { action: 'finish-level', points: 7, begun });
    t.match(third, { replayed: false, leaderboards: [{ score: 24 }] }, 'what has begun counts once');
    t.equal(await game.ask('pending'), 0);
    await game.kill();
    const again = await play({ kept: game.kept });
    t.equal((await again.ask('guest')).id, id);
  });

  t.test('a guest becomes an account, which logs in again and keeps its score', async (t) => {
    const { game } = await start(t);
    const { id } = await game.ask('guest');
    await game.ask('perform', { action: 'collect-coin' });
    t.equal((await game.ask('rename', { displayName: 'Ada L' })).displayName, 'Ada L');
    const credentials = { username: 'ada.l', password: 'correct horse battery' };
    t.equal((await game.ask('upgrade', credentials)).username, 'ada.l');
    await game.ask('logout');
    await t.rejects(game.ask('around', { radius: 2 }), { code: 'unauthenticated' });
    const wrong = game.ask('login', { ...credentials, password: 'wrong horse battery' });
    await t.rejects(wrong, { code: 'invalid-credentials', status: 401 });
    t.equal((await game.ask('login', credentials)).id, id);
    t.match((await game.ask('around', { radius: 2 })).items, [{ displayName: 'Ada L', score: 10 }]);
  });

  t.test('errors have the code of the service', async (t) => {
    const { game } = await start(t);
    await t.rejects(game.ask('perform', { action: 'win-match' }), {
      code: 'action-not-player-issuable',
      status: 403,
    });
    t.match(await game.next('refused'), { code: 'action-not-player-issuable' });
    const tooMany = game.ask('perform', { action: 'finish-level', points: 101 });
    await t.rejects(tooMany, { code: 'points-out-of-range', status: 422 });
    await t.rejects(game.ask('top', { leaderboard: 'nowhere', limit: 3 }), { code: 'not-found' });
    t.equal(await game.ask('pending'), 0);
  });

  t.test('an action counts once, however many responses are lost', async (t) => {
    const { game, proxy, events } = await start(t);
    proxy.faults['/v1/auth/guest'] = ['cut before'];
    proxy.faults['/v1/action-tokens'] = ['cut after', 'draining'];
    proxy.faults[SCORES] = ['cut before', 'foreign', 'cut after'];
    const lost = await game.ask('perform', { action: 'finish-level', points: 42 });
    t.match(lost, { replayed: true, points: 42, leaderboards: [] });
    proxy.faults[SCORES] = ['cut within'];
    const halved = await game.ask('perform', { action: 'collect-coin' });
    t.match(halved, { replayed: true, points: 10 });
    t.same(await events(), [
      { id: lost.eventId, points: 42 },
      { id: halved.eventId, points: 10 },
    ]);
    t.match({ ...proxy.requests }, { [SCORES]: 6 });
  });

  t.test('a 429 is waited for as long as it asks, with jitter', async (t) => {
    const { game, proxy, events } = await start(t);
    proxy.faults[SCORES] = ['busy'];
    const counted = game.ask('perform', { action: 'collect-coin' });
    const { code, retryAfterMs, pauseMs } = await game.next('waiting');
    t.same([code, retryAfterMs], ['rate-limited', 1_000]);
    t.ok(pauseMs >= retryAfterMs);
    t.match(await counted, { points: 10, replayed: false });
    t.equal((await events()).length, 1);
  });

  t.test('what is played offline counts after a restart, beside an unreadable entry', async (t) => {
    const { game, proxy, play, events } = await start(t);
    await game.ask('guest');
    proxy.isDown = true;
    await t.rejects(game.ask('top', { limit: 3 }), { code: 'unreachable', status: 0 });
    const offline = { action: 'finish-level', points: 5, metadata: { level: 3 }, timeoutMs: 1 };
    await t.rejects(game.ask('perform', offline), { code: 'queued' });
    await game.kill();
    proxy.isDown = false;
    const damaged = game.kept.read('queue').replace('[', '[1,{"id":"damaged"},');
    game.kept.write('queue', damaged);
    const online = await play({ kept: game.kept });
    t.match(await online.next('counted'), { points: 5, replayed: false });
    t.match(await events(), [{ points: 5 }]);
    t.equal(await online.ask('pending'), 0);
    t.equal(online.kept.read('queue.unreadable'), damaged);
  });

  t.test('the queue has a bound, also after a restart', async (t) => {
    const { game, proxy, play } = await start(t);
    proxy.isDown = true;
    const offline = { action: 'collect-coin', timeoutMs: 1 };
    for (let waiting = 0; waiting < 64; waiting++)
      await t.rejects(game.ask('perform', offline), { code: 'queued' });
    await t.rejects(game.ask('perform', offline), { code: 'queue-full' });
    await game.kill();
    const again = await play({ kept: game.kept });
    t.equal(await again.ask('pending'), 64);
    await t.rejects(again.ask('perform', offline), { code: 'queue-full' });
  });

  t.test(
    'a game that ends before the response learns after a restart that the action has counted',
    async (t) => {
      const { game, proxy, play, events } = await start(t);
      await game.ask('guest');
      proxy.faults[SCORES] = ['cut after', ...Array<'cut before'>(9).fill('cut before')];
      const lost = game.ask('perform', { action: 'collect-coin' });
      lost.catch(() => {});
      await game.next('waiting');
      await game.kill();
      proxy.faults[SCORES] = [];
      const again = await play({ kept: game.kept });
      const { eventId, replayed } = await again.next('counted');
      t.ok(replayed);
      t.same(await events(), [{ id: eventId, points: 10 }]);
    },
  );

  t.test('a token that has expired unused is lost: the action gets another', async (t) => {
    const { game, proxy, play, events } = await start(t);
    const { id } = await game.ask('guest');
    proxy.faults[SCORES] = Array<'cut before'>(9).fill('cut before');
    const lost = game.ask('perform', { action: 'collect-coin' });
    lost.catch(() => {});
    await game.next('waiting');
    await game.kill();
    proxy.faults[SCORES] = [];
    const now = Math.floor(Date.now() / 1_000);
    const expired = mint(id, {
      act: 'collect-coin',
      pts: [10, 10],
      iat: now - 400,
      nbf: now - 400,
      exp: now - 100,
    });
    const queue = game.kept.read('queue');
    const changed = queue
      .replace(/"actionToken":"[^"]+"/, `"actionToken":"${expired}"`)
      // Sent so long ago that it cannot count any more.
      .replace(/"doubtfulSince":\d+/, `"doubtfulSince":${Date.now() - 100_000}`);
    assert.notEqual(changed, queue);
    game.kept.write('queue', changed);
    const tokens = proxy.requests['/v1/action-tokens'] ?? 0;
    const again = await play({ kept: game.kept });
    t.match(await again.next('counted'), { points: 10, replayed: false });
    t.equal(proxy.requests['/v1/action-tokens'], tokens + 1);
    t.equal((await events()).length, 1);
  });

  t.test('a token is refreshed in time; no lost response and no proxy ends the session', async (t) => {
    const { game, proxy, play } = await start(t);
    const { id } = await game.ask('guest');
    await game.kill();
    game.kept.write('session', game.kept.read('session').replace(/"refreshAt":\d+/, '"refreshAt":0'));
    proxy.faults[REFRESH] = ['cut after', 'foreign'];
    const again = await play({ kept: game.kept });
    const before = game.kept.read('session');
    const results = ['collect-coin', 'finish-level'].map((action) =>
      again.ask('perform', { action, ...(action === 'finish-level' && { points: 1 }) }),
    );
    t.match(await Promise.all(results), [{ points: 10 }, { points: 1 }]);
    t.equal((await again.ask('guest')).id, id);
    t.equal(proxy.requests[REFRESH], 3, 'the refresh and its repetitions');
    t.not(again.kept.read('session'), before);
  });

  t.test('the stream shows scores as they count, and reconnects', async (t) => {
    const { game, proxy, api } = await start(t);
    const ada = await game.ask('guest', { displayName: 'Ada' });
    proxy.faults[STREAM] = ['foreign'];
    await game.ask('subscribe', { limit: 3, userId: ada.id });
    t.match(await game.next('view'), { state: 'connecting', board: null });
    t.match(await game.next('view', ({ state }) => state === 'open'), { board: { total: 0 } });
    t.equal(proxy.requests[STREAM], 2);
    await game.ask('perform', { action: 'collect-coin' });
    await game.next('view', ({ board, standing }) => board?.items[0]?.score === 10 && standing?.rank === 1);
    const bo = await newPlayer(api, 'Bo 日本');
    proxy.breakConnections();
    t.match(await game.next('view', ({ state }) => state !== 'open'), {
      state: 'reconnecting',
      board: { items: [{ score: 10 }] },
    });
    const granted = await bo.api.post('/v1/action-tokens', { action: 'collect-coin' });
    await bo.api.post(SCORES, { actionToken: Object(granted.body).actionToken });
    const { board } = await game.next('view', ({ board }) => board?.total === 2);
    t.match(board?.items, [
      { userId: ada.id, rank: 1 },
      { displayName: 'Bo 日本', rank: 2 },
    ]);
    await game.ask('unsubscribe');
    await game.ask('subscribe', { leaderboard: 'nowhere', limit: 3 });
    t.match(await game.next('view', ({ state }) => state === 'closed'), { error: { code: 'not-found' } });
  });

  t.test('where the platform cannot stream, the board is polled', async (t) => {
    const { proxy, api, play } = await start(t);
    const game = await play({ canStream: false });
    const bo = await newPlayer(api, 'Bo');
    await game.ask('subscribe', { limit: 3, userId: bo.id });
    t.match(await game.next('view', ({ state }) => state === 'open'), {
      board: { total: 0 },
      standing: { userId: bo.id, rank: null },
    });
    const granted = await bo.api.post('/v1/action-tokens', { action: 'collect-coin' });
    await bo.api.post(SCORES, { actionToken: Object(granted.body).actionToken });
    t.match(await game.next('view', ({ board }) => board?.total === 1), { standing: { rank: 1, score: 10 } });
    t.equal(proxy.requests[STREAM], undefined);
  });
}

/** A second game at the same time, with the same files. @param engine of games that share their files */
export function playBeside(t: Test, engine: Engine): void {
  t.test('files are kept for the first of two games, and for the next game after it', async (t) => {
    const { url } = await startApi(t, { CORS_ORIGINS: ['*'] });
    const start = () => Game.start(t, engine, { url });
    const first = await start();
    const { id } = await first.ask('guest');
    await first.ask('perform', { action: 'collect-coin' });
    const second = await start();
    t.not((await second.ask('guest')).id, id, 'another guest');
    t.same([await first.ask('kept'), await second.ask('kept')], [true, false]);
    t.match(await second.ask('perform', { action: 'collect-coin' }), { points: 10 });
    await first.ask('rename', { displayName: 'Ada' });
    await second.ask('save');
    await second.kill();
    await first.kill();
    t.match(await (await start()).ask('guest'), { id, displayName: 'Ada' });
  });
}
