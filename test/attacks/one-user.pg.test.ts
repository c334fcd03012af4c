import assert from 'node:assert/strict';
import t from 'tap';
import { Receipt } from '../../schemas/score.js';
import { Session } from '../../schemas/session.js';
import { eventually, newPlayer, serviceApi, startApi } from '../api.js';
import { openPool } from '../ledger/game-server.js';
import { holding } from '../ledger/waiting.js';
import { mint } from '../mint.js';

t.test(
  'whatever is asked for one locked user, it holds two connections, and nobody else waits',
  async (t) => {
    const service = await startApi(t, { DATABASE_POOL_SIZE: 10 });
    const { api } = service;
    const [server, admin] = [await serviceApi(service, 'server'), await serviceApi(service, 'admin')];
    const pool = openPool(t, service.config.DATABASE_URL);
    const player = await newPlayer(api, 'Locked');
    const sessions = await Promise.all(
      Array.from({ length: 12 }, async () =>
        (await server.post(`/v1/users/${player.id}/sessions`)).is(201, Session),
      ),
    );
    const credentials = { username: 'other', password: 'correct horse battery staple' };
    (await api.post('/v1/auth/register', credentials)).is(201, Session);
    const others = await Promise.all(Array.from({ length: 4 }, () => newPlayer(api)));
    const score = (id: string) => server.post('/v1/scores', { actionToken: mint(id) });
    const event = (await score(player.id)).is(200, Receipt).eventId;

    // As a long erasure, void or rename would.
    const commit = await holding(pool, async (client) => {
      await client.query('SELECT FROM sessions WHERE user_id = uuid_of($1) FOR UPDATE', [player.id]);
      await client.query('SELECT FROM users WHERE id = uuid_of($1) FOR UPDATE', [player.id]);
    });
    const why = { reason: 'A test.' };
    let arrived = 0;
    service.app.server.on('request', () => arrived++);
    const flood = [
      ...Array.from({ length: 30 }, (_, i) =>
        player.api.send('PATCH', '/v1/users/me', { json: { displayName: `Ada ${i}` } }),
      ),
      ...sessions.map(({ refreshToken }) => api.post('/v1/auth/refresh', { refreshToken })),
      ...sessions.map(({ accessToken }) => api.as(accessToken).post('/v1/auth/logout')),
      ...Array.from({ length: 12 }, (_, i) => [
        server.post(`/v1/users/${player.id}/sessions`),
        server.post('/v1/action-tokens', { action: 'win-match', userId: player.id }),
        admin.post(`/v1/admin/users/${player.id}/${i % 2 ? 'ban' : 'unban'}`, why),
        admin.post(`/v1/admin/events/${event}/void`, why),
        player.api.get('/v1/users/me/events'),
        score(player.id),
      ]).flat(),
      player.api.delete('/v1/users/me'),
    ];
    const waiting = async () =>
      (
        await pool.query(
          "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
        )
      ).rowCount ?? 0;
    await eventually(async () => {
      assert(arrived >= flood.length);
      assert((await waiting()) > 0);
    });

    const took: number[] = [];
    const began = performance.now();
    // Until the first of them are told to come again.
    for (let i = 0; performance.now() < began + 1_500; i++) {
      const start = performance.now();
      for (const { status } of await Promise.all(others.map(({ id }) => score(id)))) t.equal(status, 200);
      took.push(performance.now() - start);
      t.ok((await waiting()) <= 2);
      if (i % 20 === 0) (await api.post('/v1/auth/login', credentials)).is(200, Session);
    }
    took.sort((a, b) => a - b);
    const p99 = took[Math.floor(0.99 * took.length)] ?? Number.NaN;
    t.comment(`others score in ${Math.round(p99)} ms (p99 of ${took.length})`);
    // If the locked user held all connections they would wait for one for more than two seconds.
    t.ok(p99 < 2_000);
    await commit();
    // Each is done, or told to come again.
    for (const answer of await Promise.all(flood)) if (answer.status >= 400) answer.problem();
    t.equal(await waiting(), 0);
  },
);
