import assert from 'node:assert/strict';
import type { LiveState, LiveView } from '@scoreboard/client';
import { leaderboardOf } from '@scoreboard/client';
import t, { type Test } from 'tap';
import { eventually, startApi } from '../api.js';
import { FaultyProxy } from './faulty-proxy.js';
import { newPlayer } from './player.js';

const STREAM = '/v1/leaderboards/global/stream';

/** Subscribes to a board, and waits for views. */
function follow(t: Test, url: string, options: { user?: string; id?: string } = {}) {
  const states: LiveState[] = [];
  const waiting: [(view: LiveView) => boolean, () => void][] = [];
  let last: LiveView | undefined;
  const board = leaderboardOf(url, options.id ?? 'global');
  const stop = board.subscribe((view) => {
    last = view;
    if (states.at(-1) !== view.state) states.push(view.state);
    for (const [holds, resolve] of waiting) if (holds(view)) resolve();
  }, options);
  t.teardown(stop);
  return {
    states,
    stop,
    async until(holds: (view: LiveView) => boolean): Promise<LiveView> {
      if (!last || !holds(last)) await new Promise<void>((resolve) => waiting.push([holds, resolve]));
      if (!last) throw new Error('Nothing has come');
      return last;
    },
  };
}

const top = (score: number) => (view: LiveView) =>
  view.state === 'open' && view.board?.items[0]?.score === score;

t.test('a subscription sends the board at once and at each change, with the entry of one user', async (t) => {
  const { url } = await startApi(t);
  const { client } = newPlayer(t, url);
  const { id } = await client.guest('Ada');
  const live = follow(t, url, { user: id });
  t.match(await live.until(({ board }) => board !== null), { board: { total: 0, items: [] } });
  await client.performAction('collect-coin');
  await live.until(top(10));
  const { standing } = await live.until((view) => view.standing?.rank === 1);
  t.match(standing, { userId: id, score: 10 });
  live.stop();
  live.stop();
  t.same(live.states, ['connecting', 'open', 'closed']);
});

t.test('a stream that breaks and is then refused reconnects by itself and misses no change', async (t) => {
  const { url } = await startApi(t);
  const proxy = await FaultyProxy.open(t, url);
  const live = follow(t, proxy.url);
  await live.until(({ board }) => board !== null);
  proxy.faults[STREAM] = ['cut before', 'draining', 'foreign', 'cut before'];
  proxy.breakConnections();
  await live.until(({ state, error }) => state === 'reconnecting' && error?.code === 'service-unavailable');
  await newPlayer(t, url).client.performAction('collect-coin');
  t.equal((await live.until(top(10))).error, null);
  t.same(live.states, ['connecting', 'open', 'reconnecting', 'open']);
  t.same(proxy.faults[STREAM], []);
});

t.test('a permanent error closes the subscription and is reported', async (t) => {
  const { url } = await startApi(t);
  const nowhere = follow(t, url, { id: 'nowhere' });
  const { error } = await nowhere.until(({ state }) => state === 'closed');
  t.match(error, { code: 'not-found', status: 404 });
  const nobody = follow(t, url, { user: 'nobody' });
  t.match((await nobody.until(({ state }) => state === 'closed')).error, { code: 'validation-failed' });
});

t.test('a hidden page has no stream, and catches up when it is visible', async (t) => {
  const { url, app } = await startApi(t);
  const page = Object.assign(new EventTarget(), { visibilityState: 'visible' });
  Object.assign(globalThis, { document: page });
  t.teardown(() => Reflect.deleteProperty(globalThis, 'document'));
  const turn = (visibilityState: string) => {
    page.visibilityState = visibilityState;
    page.dispatchEvent(new Event('visibilitychange'));
  };
  const live = follow(t, url);
  await live.until(({ board }) => board !== null);
  turn('hidden');
  await live.until(({ state }) => state === 'paused');
  await newPlayer(t, url).client.performAction('collect-coin');
  await eventually(async () => assert.equal(app.hub.active, 0));
  turn('visible');
  await live.until(top(10));
  t.same(live.states, ['connecting', 'open', 'paused', 'reconnecting', 'open']);
});
