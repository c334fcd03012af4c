import assert from 'node:assert/strict';
import pg from 'pg';
import t from 'tap';
import { ModeratedUserDetails } from '../../../schemas/admin-user.js';
import { Entries, EntryDetails } from '../../../schemas/leaderboard.js';
import { AuditTrail, ModeratedUser } from '../../../schemas/moderation.js';
import { Receipt } from '../../../schemas/score.js';
import { Session } from '../../../schemas/session.js';
import { PublicUser, User } from '../../../schemas/user.js';
import { endBan } from '../../../src/moderation/ended-bans.js';
import { transact } from '../../../src/postgres/database.js';
import { eventually, newPlayer, serviceApi, startApi } from '../../api.js';
import { BoardStream } from '../../faults/board-stream.js';
import { during } from '../../ledger/waiting.js';
import { mint, typeId } from '../../mint.js';

const service = await startApi(t);
const { api, app, config } = service;
const other = await startApi(t, { DATABASE_URL: config.DATABASE_URL });
const [server, admin] = [await serviceApi(service, 'server'), await serviceApi(service, 'admin')];
const { pool } = app.pg;
const why = { reason: 'A test of the police.' };
const asQuery = new URLSearchParams(why);

const score = async (userId: string, points: number, url = service.url) =>
  (
    await server
      .at(url)
      .post('/v1/scores', { actionToken: mint(userId, { act: 'win-match', pts: [points, points] }) })
  ).is(200, Receipt);
const patch = (id: string, body: object, url = service.url) =>
  admin.at(url).patch(`/v1/admin/users/${id}`, { ...why, ...body });
const ban = (id: string, body: object, url = service.url) =>
  admin.at(url).post(`/v1/admin/users/${id}/ban`, { ...why, ...body });
const details = async (id: string) =>
  (await admin.get(`/v1/admin/users/${id}`)).is(200, ModeratedUserDetails);
const auditOf = async (target: string) =>
  (await admin.get(`/v1/admin/audit?target=${target}`)).is(200, AuditTrail).items;
const everywhere = async (check: (url: string) => Promise<void>) => {
  for (const { url } of [service, other]) await eventually(() => check(url));
};

t.test(
  'who is hidden is off boards and streams, plays on, and comes back with all of its score',
  async (t) => {
    const player = await newPlayer(api, 'Shady');
    await score(player.id, 50);
    const stream = await BoardStream.open(t, other.url, `limit=100&user=${player.id}`);
    const follows = async (wanted: number | null) => {
      await everywhere(async (url) => {
        const { items } = (await api.at(url).get('/v1/leaderboards/global/entries?limit=100')).is(
          200,
          Entries,
        );
        assert.equal(items.find(({ userId }) => userId === player.id)?.score ?? null, wanted);
      });
      await eventually(async () => {
        const shown = stream.board?.items.find(({ userId }) => userId === player.id)?.score ?? null;
        assert.deepEqual([shown, stream.own?.score], [wanted, wanted]);
      });
    };
    await follows(50);
    const hidden = (await patch(player.id, { hidden: true })).is(200, ModeratedUser);
    t.match(hidden, { hiddenAt: /Z$/, bannedAt: null });
    t.same((await patch(player.id, { hidden: true })).is(200, ModeratedUser), hidden, 'once is enough');
    await follows(null);
    for (const { url } of [service, other])
      t.match(await score(player.id, 10, url), {
        status: 'counted',
        leaderboards: [
          { id: 'global', previousScore: url === service.url ? 50 : 60, rank: null, previousRank: null },
        ],
      });
    (await player.api.patch('/v1/users/me', { displayName: 'Shadier' })).is(200, User);
    await follows(null);
    t.match((await details(player.id)).entries, [{ score: 70, rank: null, withheld: true }]);
    t.match((await patch(player.id, { hidden: false }, other.url)).is(200, ModeratedUser), {
      hiddenAt: null,
    });
    await follows(70);
    t.equal((await score(player.id, 5)).leaderboards.length, 1);
    await follows(75);
    t.same(
      (await auditOf(player.id)).map(({ action }) => action),
      ['unhide-user', 'hide-user'],
    );
    t.same(stream.disorder, []);
  },
);

t.test('who is banned while it is hidden stays off the boards until both are over', async () => {
  const { id } = await newPlayer(api);
  await score(id, 20);
  (await patch(id, { hidden: true })).is(200, ModeratedUser);
  await score(id, 1);
  (await ban(id, {})).is(200, ModeratedUser);
  (await patch(id, { hidden: false })).is(200, ModeratedUser);
  await everywhere(async (url) => {
    (await api.at(url).get(`/v1/leaderboards/global/entries/${id}`)).fails('not-found');
  });
  (await admin.post(`/v1/admin/users/${id}/unban`, why)).is(200, ModeratedUser);
  await everywhere(async (url) => {
    const entry = (await api.at(url).get(`/v1/leaderboards/global/entries/${id}`)).is(200, EntryDetails);
    assert.equal(entry.score, 21);
  });
});

t.test('who is hidden stays off the boards when a ban is lifted', async () => {
  const { id } = await newPlayer(api);
  await score(id, 20);
  (await patch(id, { hidden: true })).is(200, ModeratedUser);
  (await ban(id, {})).is(200, ModeratedUser);
  (await admin.post(`/v1/admin/users/${id}/unban`, why)).is(200, ModeratedUser);
  const entries = async () => (await details(id)).entries.map(({ withheld }) => withheld);
  assert.deepEqual(await entries(), [true]);
  (await patch(id, { hidden: false })).is(200, ModeratedUser);
  assert.deepEqual(await entries(), [false]);
});

t.test('a first score of somebody who is hidden counts, and is shown afterwards', async (t) => {
  const { id } = await newPlayer(api);
  (await patch(id, { hidden: true })).is(200, ModeratedUser);
  t.match((await score(id, 9)).leaderboards, [{ score: 9, previousScore: null, rank: null }]);
  (await patch(id, { hidden: false })).is(200, ModeratedUser);
  await everywhere(async (url) => {
    (await api.at(url).get(`/v1/leaderboards/global/entries/${id}`)).is(200, EntryDetails);
  });
});

t.test(
  'a name that an administrator gives is shown everywhere, and locked until it is unlocked',
  async (t) => {
    const player = await newPlayer(api, 'A slur');
    await score(player.id, 1_000_000);
    const named = (await patch(player.id, { displayName: '  Player   4711 ' })).is(200, ModeratedUser);
    t.match(named, { displayName: 'Player 4711', nameLocked: true });
    (await patch(player.id, { displayName: 'Player 4711' })).is(200, ModeratedUser);
    await everywhere(async (url) => {
      const entry = (await api.at(url).get(`/v1/leaderboards/global/entries/${player.id}`)).is(
        200,
        EntryDetails,
      );
      assert.equal(entry.displayName, 'Player 4711');
    });
    (await player.api.patch('/v1/users/me', { displayName: 'A slur' })).fails('name-locked');
    t.equal((await api.get(`/v1/users/${player.id}`)).is(200, PublicUser).displayName, 'Player 4711');
    t.match((await patch(player.id, { nameLocked: false })).is(200, ModeratedUser), {
      displayName: 'Player 4711',
      nameLocked: false,
    });
    t.equal(
      (await player.api.patch('/v1/users/me', { displayName: 'Nice' })).is(200, User).displayName,
      'Nice',
    );
    t.match(await auditOf(player.id), [
      { action: 'rename-user', details: { from: 'Player 4711', to: 'Player 4711', locked: false } },
      {
        action: 'rename-user',
        details: { from: 'A slur', to: 'Player 4711', locked: true },
        reason: why.reason,
      },
    ]);
    (await patch(player.id, { displayName: 'Admin' })).fails('validation-failed');
    (await patch(player.id, {})).fails('validation-failed');
    (await patch(typeId('usr'), { hidden: true })).fails('not-found');
  },
);

t.test('an administrator erases a user, and the audit keeps no name of it', async (t) => {
  const player = await newPlayer(api, 'Forget me');
  await score(player.id, 10);
  (await patch(player.id, { displayName: 'Somebody' })).is(200, ModeratedUser);
  (await admin.delete(`/v1/admin/users/${player.id}`)).fails('validation-failed');
  (await admin.delete(`/v1/admin/users/${player.id}?${asQuery}`)).isEmpty(204);
  (await player.api.get('/v1/users/me')).fails('unauthenticated');
  (await api.get(`/v1/users/${player.id}`)).fails('not-found');
  (await api.get(`/v1/leaderboards/global/entries/${player.id}`)).fails('not-found');
  (await admin.delete(`/v1/admin/users/${player.id}?${asQuery}`)).fails('not-found');
  (await patch(player.id, { hidden: true })).fails('not-found');
  await eventually(async () => {
    assert.deepEqual(
      (await auditOf(player.id)).map(({ action, details: said }) => [action, said]),
      [
        ['erase-user', {}],
        ['rename-user', {}],
      ],
    );
  });
  t.equal((await auditOf(player.id))[0]?.reason, why.reason);
});

t.test('all sessions of a user end on every instance, and it may log in again', async (t) => {
  const credentials = { username: 'many-sessions', password: 'correct horse battery' };
  const first = (await api.post('/v1/auth/register', credentials)).is(201, Session);
  const second = (await api.post('/v1/auth/login', credentials)).is(200, Session);
  const { id } = first.user;
  (await admin.delete(`/v1/admin/users/${id}/sessions?${asQuery}`)).isEmpty(204);
  for (const { accessToken, refreshToken } of [first, second]) {
    await everywhere(async (url) => {
      (await api.at(url).as(accessToken).get('/v1/users/me')).fails('unauthenticated');
    });
    (await api.post('/v1/auth/refresh', { refreshToken })).fails('refresh-token-invalid');
  }
  (await api.post('/v1/auth/login', credentials)).is(200, Session);
  t.match(await auditOf(id), [{ action: 'end-sessions', details: { sessions: 2 } }]);
  const { sessions } = await details(id);
  t.equal(sessions.filter(({ revokedAt }) => revokedAt === null).length, 1);
  (await admin.delete(`/v1/admin/users/${typeId('usr')}/sessions?${asQuery}`)).fails('not-found');
});

t.test('a ban with an end ends by itself, once', async (t) => {
  const { id } = await newPlayer(api);
  await score(id, 30);
  const until = new Date(Date.now() + 1_000).toISOString();
  t.match((await ban(id, { until })).is(200, ModeratedUser), { bannedUntil: until });
  (await api.get(`/v1/leaderboards/global/entries/${id}`)).fails('not-found');
  await everywhere(async (url) => {
    (await api.at(url).get(`/v1/leaderboards/global/entries/${id}`)).is(200, EntryDetails);
  });
  t.match(await details(id), { bannedAt: null, bannedUntil: null });
  t.match(await auditOf(id), [
    { action: 'unban-user', actor: 'service', actorName: null, details: { until } },
    { action: 'ban-user', details: { until } },
  ]);
  t.equal((await auditOf(id)).length, 2);
  (await ban(id, { until: '2020-01-01T00:00:00.000Z' })).fails('validation-failed');
});

t.test('the last end that a ban was given counts, also none', async (t) => {
  const { id } = await newPlayer(api);
  const [soon, later] = ['2099-01-01T00:00:00.000Z', '2099-06-01T00:00:00.000Z'];
  (await ban(id, { until: soon })).is(200, ModeratedUser);
  const { bannedAt } = (await ban(id, { until: later }, other.url)).is(200, ModeratedUser);
  t.match((await ban(id, { until: later })).is(200, ModeratedUser), { bannedAt, bannedUntil: later });
  t.match((await ban(id, {})).is(200, ModeratedUser), { bannedAt, bannedUntil: null });
  const acts = await auditOf(id);
  t.match(acts, [
    { details: { was: { until: later, by: acts[1]?.id } } },
    { details: { until: later, was: { until: soon, by: acts[2]?.id } } },
    { details: { until: soon } },
  ]);
  t.equal(acts.length, 3);
});

t.test('a ban that is given a later end while it is ending goes on', async (t) => {
  const { id } = await newPlayer(api);
  (await ban(id, { until: '2099-01-01T00:00:00.000Z' })).is(200, ModeratedUser);
  await pool.query("UPDATE users SET banned_until = now() - interval '1 second' WHERE id = uuid_of($1)", [
    id,
  ]);
  const { bite } = endBan({ leaderboards: app.leaderboards, bans: app.bans, writer: 'a test' });
  // The end waits for the row of the user, as the extension holds it, and finds it changed.
  await during(
    pool,
    (client) => client.query("UPDATE users SET banned_until = '2099-01-01' WHERE id = uuid_of($1)", [id]),
    1,
    () => transact(pool, (client) => bite(client, { userId: id })),
  );
  t.match(await details(id), { bannedAt: /Z$/, bannedUntil: '2099-01-01T00:00:00.000Z' });
  await pool.query("UPDATE users SET banned_until = now() - interval '1 second' WHERE id = uuid_of($1)", [
    id,
  ]);
  await Promise.all(
    Array.from({ length: 4 }, () => transact(pool, (client) => bite(client, { userId: id }))),
  );
  t.equal((await auditOf(id)).filter(({ action }) => action === 'unban-user').length, 1);
  t.match(await details(id), { bannedAt: null });
});

t.test('two moderators who do the same at once do it once', async (t) => {
  const { id } = await newPlayer(api, 'Two at once');
  await score(id, 5);
  const done = await Promise.all(
    [service, other, service, other].flatMap(({ url }) => [
      patch(id, { hidden: true }, url),
      ban(id, { until: '2099-01-01T00:00:00.000Z' }, url),
      patch(id, { displayName: 'Given' }, url),
    ]),
  );
  for (const answer of done) answer.is(200, ModeratedUser);
  t.same((await auditOf(id)).map(({ action }) => action).sort(), ['ban-user', 'hide-user', 'rename-user']);
});

t.test('a ban ends also if no instance ran when it was to end', async (t) => {
  const alone = await startApi(t);
  const judge = await serviceApi(alone, 'admin');
  const { id } = await newPlayer(alone.api);
  const until = new Date(Date.now() + 60_000).toISOString();
  (await judge.post(`/v1/admin/users/${id}/ban`, { ...why, until })).is(200, ModeratedUser);
  await alone.app.close();
  const client = new pg.Client({ connectionString: alone.config.DATABASE_URL });
  await client.connect();
  // As if the minute had passed meanwhile.
  await client.query("UPDATE users SET banned_until = now() - interval '1 hour' WHERE banned_at IS NOT NULL");
  await client.query(
    "UPDATE scoreboard_jobs._private_jobs SET run_at = now() - interval '1 hour' WHERE key LIKE 'end-ban:%'",
  );
  await client.end();
  const next = await startApi(t, { DATABASE_URL: alone.config.DATABASE_URL });
  await eventually(async () => {
    const { items } = (await judge.at(next.url).get(`/v1/admin/audit?target=${id}`)).is(200, AuditTrail);
    assert.deepEqual(
      items.map(({ action, actor }) => [action, actor === 'service']),
      [
        ['unban-user', true],
        ['ban-user', false],
      ],
    );
  });
});
