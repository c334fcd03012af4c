import t, { type Test } from 'tap';
import { startApi } from '../api.js';
import { FaultyProxy } from './faulty-proxy.js';
import { newPlayer, TestStorage } from './player.js';

const REFRESH = '/v1/auth/refresh';

async function start(t: Test) {
  const { url } = await startApi(t);
  const proxy = await FaultyProxy.open(t, url);
  const storage = new TestStorage();
  const open = () => newPlayer(t, proxy.url, { storage });
  return { proxy, storage, open };
}

const expire = (storage: TestStorage) =>
  storage.change('session', (text) => JSON.stringify({ ...JSON.parse(text), refreshAt: 0 }));
const invalidate = (storage: TestStorage) =>
  storage.change('session', (text) => JSON.stringify({ ...JSON.parse(text), accessToken: 'old' }));

t.test('concurrent calls of several tabs refresh a session once', async (t) => {
  const { proxy, storage, open } = await start(t);
  const tabs = [open(), open(), open()].map(({ client }) => client);
  const { id } = (await tabs[0]?.guest()) ?? {};
  for (const [times, age] of [expire, invalidate, expire].entries()) {
    age(storage);
    const calls = tabs.flatMap((tab) => ['A', 'B', 'C', 'D'].map((name) => tab.rename(name)));
    for (const user of await Promise.all(calls)) t.equal(user.id, id);
    t.equal(proxy.requests[REFRESH], times + 1);
  }
  t.equal(proxy.requests['/v1/auth/guest'], 1);
});

const sentEarlier = (storage: TestStorage) =>
  storage.change('session', (text) => {
    const session = JSON.parse(text);
    return JSON.stringify({ ...session, sentAt: session.sentAt - 30_000 });
  });

t.test('a refresh whose response is lost is sent again at once, and the session goes on', async (t) => {
  const { proxy, storage, open } = await start(t);
  const { client } = open();
  const { id } = await client.guest();
  for (const fault of ['cut after', 'cut within', 'cut before'] as const) {
    proxy.faults[REFRESH] = [fault];
    // No access token is left: without the refresh this guest would be lost.
    invalidate(storage);
    t.equal((await client.rename('Ada')).id, id, fault);
  }
  t.equal(proxy.requests[REFRESH], 6);
  // All attempts are lost, and the page is closed: the next one sends the token again.
  proxy.faults[REFRESH] = ['cut after', 'cut after', 'cut after'];
  invalidate(storage);
  await t.rejects(client.rename('Bo'), { code: 'unreachable' });
  t.equal((await open().client.rename('Cy')).id, id);
  t.equal(proxy.requests[REFRESH], 10);
  expire(storage);
  t.equal((await client.rename('Di')).id, id, 'its token is the newest');
});

t.test(
  'when the service no longer repeats its response, the access token is used until it expires',
  async (t) => {
    const { proxy, storage, open } = await start(t);
    const { client } = open();
    const { id } = await client.guest();
    proxy.faults[REFRESH] = ['cut after', 'cut after', 'cut after'];
    expire(storage);
    t.equal((await client.rename('Ada')).displayName, 'Ada');
    sentEarlier(storage);
    for (const name of ['Bo', 'Cy']) t.equal((await client.rename(name)).displayName, name);
    t.equal((await open().client.rename('Di')).id, id, 'after a reload too');
    t.equal(proxy.requests[REFRESH], 3, 'the token is not sent again');
  },
);

t.test('a refresh that was rejected by a limit did not use the token', async (t) => {
  const { proxy, storage, open } = await start(t);
  const { client } = open();
  const { id } = await client.guest();
  proxy.faults[REFRESH] = ['busy'];
  invalidate(storage);
  await t.rejects(client.rename('Bo'), { code: 'rate-limited', retryAfter: 1 });
  t.equal((await client.rename('Bo')).id, id);
});

t.test('a 401 that is not from the service ends no session, and gives up no action', async (t) => {
  const { proxy, storage, open } = await start(t);
  const { client } = open();
  const { id } = await client.guest();
  proxy.faults[REFRESH] = ['foreign', 'foreign', 'foreign', 'foreign'];
  invalidate(storage);
  await t.rejects(client.rename('Ada'), { code: 'unexpected-answer', status: 401 });
  t.equal(client.user?.id, id);
  proxy.faults['/v1/scores'] = ['foreign', 'filtered'];
  t.match(await client.performAction('collect-coin'), { userId: id, replayed: true });
  t.equal(proxy.requests['/v1/auth/guest'], 1);
});

t.test('an action is not sent with the session of a user who logs in meanwhile', async (t) => {
  const { proxy, storage, open } = await start(t);
  const { client, next } = open();
  const ada = { username: 'ada', password: 'correct horse battery' };
  await client.register({ ...ada, username: 'bob' });
  let session = '';
  storage.change('session', (text) => {
    session = text;
    return text;
  });
  await client.register(ada);
  const begun = await client.beginAction('finish-level');
  // The access token has expired, so the request is repeated.
  invalidate(storage);
  proxy.meanwhile['/v1/scores'] = () => storage.change('session', () => session);
  const finished = client.performAction('finish-level', { begun, points: 5 });
  await t.rejects(finished, { code: 'queued' });
  t.match(client.pending, [{ userId: begun.userId }]);
  delete proxy.meanwhile['/v1/scores'];
  await client.login(ada);
  t.match(await next('counted'), { receipt: { points: 5, userId: begun.userId, replayed: false } });
});

t.test('a logout during a refresh ends the session, and no guest is created', async (t) => {
  const { proxy, storage, open } = await start(t);
  const { client } = open();
  await client.guest();
  expire(storage);
  const renaming = client.rename('Ada').catch((error) => error);
  await client.logout();
  await renaming;
  t.equal(client.user, null);
  t.equal(proxy.requests[REFRESH], 1);
  t.equal(proxy.requests['/v1/auth/guest'], 1);
});

t.test('an action whose user logs out before it is sent is kept, but for a day at most', async (t) => {
  const { storage, open } = await start(t);
  const { client, next } = open();
  const ada = { username: 'ada', password: 'correct horse battery' };
  await client.register(ada);
  const finished = client.performAction('finish-level', { points: 5 });
  await client.register({ ...ada, username: 'bob' });
  await t.rejects(finished, { code: 'queued' });
  await client.login(ada);
  t.match(await next('counted'), { receipt: { points: 5, userId: client.user?.id } });

  const abandoned = client.performAction('finish-level', { points: 6 });
  await client.register({ ...ada, username: 'cyd' });
  await t.rejects(abandoned, { code: 'queued' });
  t.equal(client.pending.length, 1);
  storage.change(':action:', (text) => {
    const pending = JSON.parse(text);
    return JSON.stringify({ ...pending, doneAt: pending.doneAt - 25 * 3_600_000 });
  });
  const later = open();
  t.match(await later.next('refused'), { error: { code: 'unauthenticated' } });
  t.same(client.pending, []);
});

t.test('the end of a session is reported, and its actions wait for their user', async (t) => {
  const { storage, open } = await start(t);
  const { client, next } = open();
  const credentials = { username: 'ada', password: 'correct horse battery' };
  await client.register(credentials);
  invalidate(storage);
  storage.change('session', (text) => {
    const session = JSON.parse(text);
    return JSON.stringify({ ...session, refreshToken: `${session.refreshToken.slice(0, -4)}AAAA` });
  });
  await t.rejects(client.performAction('collect-coin'), { code: 'refresh-token-reused' });
  t.equal(client.user, null);
  t.match(client.pending, [{ action: 'collect-coin' }]);
  await client.guest();
  await client.performAction('collect-coin');
  await next('counted');
  t.equal(client.pending.length, 1, 'it does not count for another user');
  await client.login(credentials);
  t.match(await next('counted'), { action: { userId: client.user?.id } });
  t.same(client.pending, []);
});
