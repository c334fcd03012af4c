import assert from 'node:assert/strict';
import t from 'tap';
import { Session } from '../../schemas/session.js';
import { Api, documentOf, eventually, startApi } from '../api.js';
import { buildTestDatabase } from '../helper.js';
import { openPool, prepare } from '../ledger/game-server.js';
import { holding, waiting } from '../ledger/waiting.js';
import { startService } from './service.js';

const EVENTS = 200_000;
const BOARDS = 2_000;
const SESSIONS = 6_000;

t.test(
  'a player of a year is erased at once, and what is left of it although the service is killed',
  async (t) => {
    const databaseUrl = await buildTestDatabase(t);
    await prepare(databaseUrl, 1);
    const pool = openPool(t, databaseUrl);
    let service = await startService(t, databaseUrl);
    const document = documentOf(await startApi(t, { DATABASE_URL: await buildTestDatabase(t) }));
    const api = new Api(service.url, document);
    const { user, accessToken, refreshToken } = (
      await api.post('/v1/auth/guest', { displayName: 'Forget Me' })
    ).is(201, Session);
    const me = api.as(accessToken);
    await pool.query(
      `INSERT INTO score_events (id, user_id, action_id, token_id, points, metadata, accepted_at, boards)
     SELECT lpad(n::text, 32, '0')::uuid, uuid_of($1), 'play', gen_random_uuid(), 1, '{"email": "me@example.org"}', now() - (${EVENTS} - n) * interval '1 second', '{"global": 1}'
     FROM generate_series(1, ${EVENTS}) n`,
      [user.id],
    );
    await pool.query(
      `INSERT INTO leaderboards (id, title, sort, operator) SELECT 'level-' || n, 'Level', 'desc', 'best' FROM generate_series(1, ${BOARDS}) n`,
    );
    await pool.query(`INSERT INTO scores SELECT id, 1, uuid_of($1), 7, -7, now(), 1 FROM leaderboards`, [
      user.id,
    ]);
    await pool.query(
      `INSERT INTO sessions (id, user_id, family_hash, secret_hash, expires_at)
     SELECT lpad(n::text, 32, '0')::uuid, uuid_of($1), '', '', now() + interval '1 day' FROM generate_series(1, ${SESSIONS}) n`,
      [user.id],
    );
    const personal = async () => {
      const { rows } = await pool.query<Record<'events' | 'sessions', number>>(
        `SELECT (SELECT count(*) FROM score_events WHERE metadata IS NOT NULL) AS events,
              (SELECT count(*) FROM sessions) AS sessions`,
      );
      return rows[0] ?? { events: -1, sessions: -1 };
    };

    // The job gets as far as this event.
    const there = String(0.9 * EVENTS).padStart(32, '0');
    const unlock = await holding(pool, (client) =>
      client.query('SELECT FROM score_events WHERE id = $1 FOR UPDATE', [there]),
    );
    t.teardown(() => unlock().catch(() => {}));
    (await me.delete('/v1/users/me')).isEmpty(204);
    (await me.get('/v1/users/me')).fails('unauthenticated');
    (await api.get(`/v1/users/${user.id}`)).fails('not-found');
    for (const board of ['global', 'level-1', `level-${BOARDS}`])
      (await api.get(`/v1/leaderboards/${board}/entries/${user.id}`)).fails('not-found');
    (await api.post('/v1/auth/refresh', { refreshToken })).fails('refresh-token-invalid');

    await waiting(pool, 1);
    service.process.kill('SIGKILL');
    await service.ended;
    await unlock();
    const { events } = await personal();
    t.ok(events >= 0.9 * EVENTS && events < EVENTS, `${events} events are left`);

    // As if the half minute had passed after which a process is taken for dead.
    await pool.query("UPDATE scoreboard_jobs._private_jobs SET locked_at = locked_at - interval '1 hour'");
    service = await startService(t, databaseUrl);
    (await me.at(service.url).get('/v1/users/me')).fails('unauthenticated');
    await eventually(async () => {
      const { rows } = await pool.query(
        "SELECT FROM scoreboard_jobs.jobs WHERE task_identifier NOT IN ('purge', 'partitions', 'move-boundaries', 'close-seasons', 'drop-seasons')",
      );
      assert.deepEqual(rows, []);
    }, 30_000);
    t.same(await personal(), { events: 0, sessions: 0 });
    const { rows } = await pool.query(
      'SELECT display_name, username, external_id, external_key, password_hash FROM users WHERE id = uuid_of($1)',
      [user.id],
    );
    t.same(rows, [
      { display_name: '', username: null, external_id: null, external_key: null, password_hash: null },
    ]);
    const kept = await pool.query('SELECT count(*) AS events FROM score_events WHERE user_id = uuid_of($1)', [
      user.id,
    ]);
    t.same(kept.rows, [{ events: EVENTS }], 'the ledger keeps the points');
  },
);
