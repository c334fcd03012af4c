import type { ActionEvent } from '@scoreboard/client';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import type { AppConfig } from '../../src/config.js';
import { startApi } from '../api.js';
import { startService } from '../faults/service.js';
import { buildTestDatabase } from '../helper.js';
import { FAULTS, type Fault, FaultyProxy } from './faulty-proxy.js';
import { newPlayer, type Player, TestStorage } from './player.js';

const TOKENS = '/v1/action-tokens';
const SCORES = '/v1/scores';

async function start(t: Test, overrides: Partial<AppConfig> = {}) {
  const { url, app } = await startApi(t, overrides);
  return {
    url,
    /** The score of a user according to the ledger. */
    async events(userId = ''): Promise<{ id: string; points: number }[]> {
      const text = `SELECT typeid('evt', id) AS id, points::int FROM score_events WHERE user_id = uuid_of($1) ORDER BY accepted_at`;
      return (await app.pg.query(text, [userId])).rows;
    },
  };
}

t.test('each action counts once, whatever happens to requests and responses', async (t) => {
  const { url, events } = await start(t);
  const faults = fc.array(fc.option(fc.constantFrom(...FAULTS)), { maxLength: 4 });
  const plans = fc.array(fc.record({ [TOKENS]: faults, [SCORES]: faults }), { minLength: 8, maxLength: 8 });
  const play = async (plan: Record<string, (Fault | null)[]>) => {
    const proxy = await FaultyProxy.open(t, url);
    const { client } = newPlayer(t, proxy.url);
    for (const [path, list] of Object.entries(plan))
      proxy.faults[path] = list.flatMap((fault) => fault ?? []);
    const done = [1, 2, 3].map((points) => client.performAction('finish-level', { points }));
    const receipts = await Promise.all([...done, client.performAction('collect-coin')]);
    const counted = await events(client.user?.id);
    t.same(receipts.map(({ eventId, points }) => ({ id: eventId, points })).sort(byId), counted.sort(byId));
    t.same(client.pending, []);
  };
  const all = fc.asyncProperty(plans, async (several) => void (await Promise.all(several.map(play))));
  await fc.assert(all, { numRuns: 2, endOnFailure: true });
});

const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1);

t.test('after a lost response the action is reported as counted', async (t) => {
  const { url, events } = await start(t);
  const proxy = await FaultyProxy.open(t, url);
  const { client } = newPlayer(t, proxy.url);
  proxy.faults[SCORES] = ['cut after'];
  const receipt = await client.performAction('collect-coin');
  t.match(receipt, { replayed: true, points: 10, leaderboards: [], userId: client.user?.id });
  t.same(await events(client.user?.id), [{ id: receipt.eventId, points: 10 }]);
});

t.test('actions done offline count after a reload', async (t) => {
  const { url, events } = await start(t);
  const proxy = await FaultyProxy.open(t, url);
  const storage = new TestStorage();
  const page = newPlayer(t, proxy.url, { storage });
  const { id } = await page.client.guest();
  proxy.isDown = true;
  const offline = page.client.performAction('finish-level', { points: 5, timeoutMs: 50 });
  await t.rejects(offline, { code: 'queued' });
  page.client.close();
  await t.rejects(page.client.performAction('collect-coin'), { code: 'queued' }, 'it is closed');
  proxy.isDown = false;
  const { client, next } = newPlayer(t, proxy.url, { storage });
  for (const _ of ['both', 'actions']) t.match(await next('counted'), { receipt: { userId: id } });
  const points = (await events(client.user?.id)).map((event) => event.points);
  t.same(points.sort(), [10, 5]);
});

t.test('an action is stored at once, and counts once if another tab finds it first', async (t) => {
  const { url, events } = await start(t);
  const storage = new TestStorage();
  const { client } = newPlayer(t, url, { storage });
  const { id } = await client.guest();
  let other: Player | undefined;
  t.intercept(storage, 'setItem', {
    value: (name: string, value: string) => {
      TestStorage.prototype.setItem.call(storage, name, value);
      other ??= newPlayer(t, url, { storage });
    },
  });
  const sent = client.performAction('collect-coin');
  t.match(client.pending, [{ action: 'collect-coin' }]);
  await t.rejects(sent, { code: 'queued', message: /Another tab/ });
  t.match(await other?.next('counted'), { receipt: { userId: id, replayed: false } });
  t.equal((await events(id)).length, 1);
});

t.test('a tab that sees an older state of the storage brings no action back to it', async (t) => {
  const { url, events } = await start(t);
  const proxy = await FaultyProxy.open(t, url);
  const storage = new TestStorage();
  const page = newPlayer(t, proxy.url, { storage });
  const { id } = await page.client.guest();
  proxy.faults[SCORES] = ['cut after'];
  void page.client.performAction('collect-coin').catch(() => {});
  const behind = storage.behind();
  await page.next('waiting');
  proxy.isDown = true;
  const other = newPlayer(t, proxy.url, { storage: behind });
  void other.client.performAction('finish-level', { points: 2 }).catch(() => {});
  await other.next('waiting');
  for (const { client } of [page, other]) client.close();
  proxy.isDown = false;
  const { client, next } = newPlayer(t, proxy.url, { storage });
  t.equal(client.pending.length, 2);
  for (const _ of ['both', 'actions']) await next('counted');
  t.same((await events(id)).map(({ points }) => points).sort(), [10, 2]);
});

t.test('a page that is closed before the response leaves the token to the next page', async (t) => {
  const { url, events } = await start(t);
  const proxy = await FaultyProxy.open(t, url);
  const storage = new TestStorage();
  const page = newPlayer(t, proxy.url, { storage });
  const { id } = await page.client.guest();
  proxy.faults[SCORES] = ['cut after'];
  void page.client.performAction('collect-coin').catch(() => {});
  await page.next('waiting');
  page.client.close();
  const { next } = newPlayer(t, proxy.url, { storage });
  t.match(await next('counted'), { receipt: { replayed: true } });
  t.equal((await events(id)).length, 1);
  t.equal(proxy.requests[TOKENS], 1);
});

t.test(
  'an action whose stored state is overwritten while it is sent neither counts twice nor gets lost',
  async (t) => {
    const { url, events } = await start(t);
    for (const olderState of [
      () => 'null',
      (now: string) => now.replace(/"token":\{.*?\}/, '"token":null'),
    ]) {
      const proxy = await FaultyProxy.open(t, url);
      const storage = new TestStorage();
      const { client, next } = newPlayer(t, proxy.url, { storage });
      const { id } = await client.guest();
      proxy.faults[SCORES] = ['cut after'];
      const counted = client.performAction('collect-coin');
      await next('waiting');
      storage.change(':action:', olderState);
      t.match(await counted, { replayed: true });
      t.equal((await events(id)).length, 1);
      t.same(client.pending, []);
    }
  },
);

t.test('an expired token is replaced only if it certainly did not count', async (t) => {
  const { url, events } = await start(t, { ACTION_TOKEN_TTL: 1 });
  const minute = 60_000;
  const check = async (fault: Fault, sentAgo: number | null, type: ActionEvent['type'], counted: number) => {
    const proxy = await FaultyProxy.open(t, url);
    const storage = new TestStorage();
    const page = newPlayer(t, proxy.url, { storage });
    const { id } = await page.client.guest();
    proxy.faults[SCORES] = [fault];
    void page.client.performAction('collect-coin').catch(() => {});
    await page.next('waiting');
    page.client.close();
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    storage.change(':action:', (text) => {
      const pending = JSON.parse(text);
      const token = { ...pending.token, doubtfulSince: sentAgo === null ? undefined : Date.now() - sentAgo };
      return JSON.stringify({ ...pending, token });
    });
    const event = await newPlayer(t, proxy.url, { storage }).next(type);
    t.equal((await events(id)).length, counted, `${fault}, sent ${sentAgo} ms ago: ${type}`);
    if (event.type === 'waiting') t.ok(event.retryInMs > minute / 2, 'it waits until that is certain');
    if (event.type === 'refused') t.equal(event.error.code, 'action-token-expired');
  };
  await Promise.all([
    check('cut before', null, 'counted', 1),
    check('cut before', 2 * minute, 'counted', 1),
    check('cut after', 2 * minute, 'counted', 1),
    check('cut before', 0, 'waiting', 0),
    // So old that the service may have forgotten the token; or the clock was set back.
    check('cut before', 3_000 * minute, 'refused', 0),
    check('cut before', -5 * minute, 'refused', 0),
  ]);
});

t.test('a clock that is hours off does not change the wait for a token', async (t) => {
  const { url } = await startService(t, await buildTestDatabase(t), { RATE_LIMIT_SCORE_UPDATE: '1000000' });
  const { now } = Date;
  for (const hours of [-3, 3]) {
    const clock = t.intercept(Date, 'now', { value: () => now() + hours * 3_600_000 });
    const { client, events } = newPlayer(t, url);
    const start = performance.now();
    await client.performAction('finish-level', { points: 1 });
    t.ok(performance.now() - start >= 1_000);
    t.match(events, [{ type: 'counted' }]);
    clock.restore();
  }
});
