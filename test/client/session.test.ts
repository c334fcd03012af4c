import t, { type Test } from 'tap';
import { startApi } from '../api.js';
import { FaultyWay } from './faulty-way.js';
import { newPlayer, TestStorage } from './player.js';

const REFRESH = '/v1/auth/refresh';

async function start(t: Test) {
  const { url } = await startApi(t);
  const way = await FaultyWay.to(t, url);
  const storage = new TestStorage();
  const open = () => newPlayer(t, way.url, { storage });
  return { way, storage, open };
}

const due = (storage: TestStorage) =>
  storage.change('session', (text) => JSON.stringify({ ...JSON.parse(text), refreshAt: 0 }));
const spoil = (storage: TestStorage) =>
  storage.change('session', (text) => JSON.stringify({ ...JSON.parse(text), accessToken: 'old' }));

t.test('however many calls of however many tabs need it, a session is refreshed once', async (t) => {
  const { way, storage, open } = await start(t);
  const tabs = [open(), open(), open()].map(({ client }) => client);
  const { id } = (await tabs[0]?.guest()) ?? {};
  for (const [times, age] of [due, spoil, due].entries()) {
    age(storage);
    const calls = tabs.flatMap((tab) => ['A', 'B', 'C', 'D'].map((name) => tab.rename(name)));
    for (const user of await Promise.all(calls)) t.equal(user.id, id);
    t.equal(way.requests[REFRESH], times + 1);
  }
  t.equal(way.requests['/v1/auth/guest'], 1);
});

t.test('the lost answer to a refresh ends no session while the access token is good', async (t) => {
  const { way, storage, open } = await start(t);
  const { client } = open();
  const { id } = await client.guest();
  way.faults[REFRESH] = ['cut after'];
  due(storage);
  for (const name of ['Ada', 'Bo']) t.equal((await client.rename(name)).displayName, name);
  t.equal((await open().client.rename('Cy')).id, id, 'after a reload too');
  t.equal(way.requests[REFRESH], 1, 'the token is not sent again');
});

t.test('when a refresh did not arrive, the next serves as well', async (t) => {
  const { way, storage, open } = await start(t);
  const { client } = open();
  const { id } = await client.guest();
  way.faults[REFRESH] = ['cut before', 'busy'];
  due(storage);
  await client.rename('Ada');
  spoil(storage);
  await t.rejects(client.rename('Bo'), { code: 'rate-limited', retryAfter: 1 });
  t.equal((await client.rename('Bo')).id, id);
});

t.test('a session that is over is told, and its actions wait for their user', async (t) => {
  const { storage, open } = await start(t);
  const { client, next } = open();
  const credentials = { username: 'ada', password: 'correct horse battery' };
  await client.register(credentials);
  spoil(storage);
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
  t.equal(client.pending.length, 1, 'not for somebody else');
  await client.login(credentials);
  t.match(await next('counted'), { action: { userId: client.user?.id } });
  t.same(client.pending, []);
});
