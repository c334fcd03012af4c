import assert from 'node:assert/strict';
import t from 'tap';
import { Entries } from '../../schemas/leaderboard.js';
import { Receipt } from '../../schemas/score.js';
import { User } from '../../schemas/user.js';
import type { AppConfig } from '../../src/config.js';
import { type Api, eventually, projected, serviceApi, startApi } from '../api.js';
import { mint } from '../mint.js';
import { RedisServer } from '../redis-server.js';
import { bring, csvOf } from './files.js';

const RULES = {
  title: 'Race',
  points: { min: 1, max: 1 },
  leaderboards: ['global'],
  issuer: 'server',
  minDurationMs: 0,
};

/** The last state that a stream has shown, as long as it is open. */
async function follow(t: Parameters<typeof startApi>[0], url: string): Promise<() => string> {
  const abort = new AbortController();
  t.teardown(() => abort.abort());
  const { body } = await fetch(`${url}/v1/leaderboards/global/stream?limit=3`, { signal: abort.signal });
  assert(body !== null);
  let shown = '';
  const reading = async () => {
    for await (const chunk of body.pipeThrough(new TextDecoderStream()))
      shown = (shown + chunk).slice(-4_000);
  };
  reading().catch(() => {});
  return () => shown.split('\ndata: ').at(-1) ?? '';
}

async function shows(t: Parameters<typeof startApi>[0], overrides: Partial<AppConfig>): Promise<void> {
  const first = await startApi(t, overrides);
  const second = await startApi(t, { ...overrides, DATABASE_URL: first.config.DATABASE_URL });
  const [server, admin] = [await serviceApi(first, 'server'), await serviceApi(first, 'admin')];
  await admin.put('/v1/admin/actions/race', RULES);
  const ada = (await server.post('/v1/users', { displayName: 'Ada', externalId: 'shown-0' })).is(
    201,
    User,
  ).id;
  const score = async () =>
    (await server.post('/v1/scores', { actionToken: mint(ada, { act: 'race', pts: [1, 1] }) })).is(
      200,
      Receipt,
    );
  await score();
  const streams = [await follow(t, first.url), await follow(t, second.url)];
  await eventually(async () => assert(streams.every((shown) => shown().includes('"total":1'))));
  await projected(first.app, second.app);

  const lines = Array.from({ length: 6_000 }, (_, n) => ({
    externalId: `shown-${n}`,
    displayName: `Player ${n}`,
    score: n + 1,
  }));
  t.match(await bring(admin, 'board=global', csvOf(lines)), { counted: 6_000, newUsers: 5_999 });
  const top = async (api: Api) => (await api.get('/v1/leaderboards/global/entries?limit=1')).is(200, Entries);
  for (const api of [first.api, second.api])
    await eventually(async () => {
      const { total, items } = await top(api);
      assert.equal(total, 6_000);
      assert.equal(items[0]?.score, 6_000);
    });
  await eventually(async () =>
    assert(
      streams.every(
        (shown) => shown().includes('"total":6000') && shown().includes('"displayName":"Player 5999"'),
      ),
    ),
  );
  await projected(first.app, second.app);
  // The next score is ranked by the projections, which have all of it.
  const { leaderboards } = await score();
  t.match(leaderboards, [{ score: 3, rank: 5_999 }]);
  for (const api of [first.api, second.api])
    await eventually(async () => assert.equal((await top(api)).total, 6_000));
}

t.test('every instance and stream shows what was imported: boards in memory', (t) => shows(t, {}));

t.test('every instance and stream shows what was imported: boards in Redis', async (t) => {
  const server = await RedisServer.start(t);
  await shows(t, { REDIS_MODE: 'single', REDIS_URL: server.url });
});
