import t from 'tap';
import { startApi } from '../api.js';
import { FaultyProxy } from './faulty-proxy.js';
import { newPlayer } from './player.js';

t.test('the client waits as long as a limit asks, and aborting ends only the wait', async (t) => {
  const { url } = await startApi(t, { RATE_LIMIT_SCORE_UPDATE: 1, RATE_LIMIT_WINDOW_MS: 2_000 });
  const { client, next } = newPlayer(t, url);
  await client.performAction('collect-coin');
  const abort = new AbortController();
  const second = client.performAction('collect-coin', { signal: abort.signal });
  const waiting = await next('waiting');
  t.match(waiting, { error: { code: 'rate-limited', status: 429 } });
  if (waiting.type === 'waiting') t.ok(waiting.retryInMs >= 1_000);
  abort.abort(new Error('not interested'));
  await t.rejects(second, { message: 'not interested' });
  await next('counted');
  await next('counted');
  t.equal((await client.leaderboard('global').entry()).score, 20);
});

t.test('going online again does not shorten a wait that the service asked for', async (t) => {
  const { url } = await startApi(t);
  const proxy = await FaultyProxy.open(t, url);
  const page = new EventTarget();
  const { addEventListener, removeEventListener } = page;
  Object.assign(globalThis, {
    addEventListener: addEventListener.bind(page),
    removeEventListener: removeEventListener.bind(page),
  });
  t.teardown(() => {
    Reflect.deleteProperty(globalThis, 'addEventListener');
    Reflect.deleteProperty(globalThis, 'removeEventListener');
  });
  const { client, next } = newPlayer(t, proxy.url);
  proxy.faults['/v1/scores'] = ['busy'];
  const counted = client.performAction('collect-coin');
  await next('waiting');
  const start = performance.now();
  const online = setInterval(() => page.dispatchEvent(new Event('online')), 20);
  t.teardown(() => clearInterval(online));
  await counted;
  t.ok(performance.now() - start >= 950);
});

t.test('the queue is bounded', async (t) => {
  const { url } = await startApi(t);
  const proxy = await FaultyProxy.open(t, url);
  const { client } = newPlayer(t, proxy.url);
  await client.guest();
  proxy.isDown = true;
  const all = Array.from({ length: 65 }, () => client.performAction('collect-coin').catch((error) => error));
  t.match(await all[64], { code: 'queue-full' });
  t.equal(client.pending.length, 64);
  client.close();
  t.match(await all[0], { code: 'queued' });
  await Promise.all(all);
});
