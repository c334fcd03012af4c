import assert from 'node:assert/strict';
import t from 'tap';
import { Entries, Leaderboard } from '../../schemas/leaderboard.js';
import { Act, AdminEvent, AuditTrail, ModeratedUser, VoidPreview } from '../../schemas/moderation.js';
import { Receipt } from '../../schemas/score.js';
import { FinalPlaces } from '../../schemas/season.js';
import { addJob } from '../../src/jobs/job.js';
import { CLOSE_SEASON } from '../../src/seasons/corrections.js';
import { type Api, eventually, newPlayer, serviceApi, startApi } from '../api.js';
import { close, endSeason, seasonRow } from '../ledger/final-seasons.js';
import { differencesAt } from '../ledger/old-months.js';
import { type Change, during } from '../ledger/waiting.js';
import { mint } from '../mint.js';

const service = await startApi(t);
const { api, app, config } = service;
const [server, admin] = [await serviceApi(service, 'server'), await serviceApi(service, 'admin')];
const { pool } = app.pg;
const why = { reason: 'A test.' };
const amend = { ...why, amend: true };

interface Season {
  readonly board: string;
  readonly players: readonly { readonly id: string; readonly api: Api; readonly eventId: string }[];
  /** Players and scores of the first season, in its order. */
  standings(): Promise<[player: number, score: number][]>;
  /** Waits until it is final, perhaps again. */
  final(revision: number): Promise<void>;
}

/** A season with a score of each player, which has ended; another board, which goes on, has the same scores. */
async function newSeason(board: string, players = 3): Promise<Season> {
  const rules = { title: board, sort: 'desc', operator: 'increment' };
  for (const id of [board, `${board}-ever`])
    (await admin.put(`/v1/admin/leaderboards/${id}`, rules)).is(200, Leaderboard);
  await admin.put(`/v1/admin/actions/${board}`, {
    title: board,
    points: { min: 0, max: 1_000 },
    leaderboards: [board, `${board}-ever`],
    issuer: 'server',
    minDurationMs: 0,
  });
  const known: { id: string; api: Api; eventId: string }[] = [];
  for (let n = 0; n < players; n++) {
    const player = await newPlayer(api, `Player ${n}`);
    const actionToken = mint(player.id, { act: board, pts: [10 * n, 10 * n] });
    const { eventId } = (await server.post('/v1/scores', { actionToken })).is(200, Receipt);
    known.push({ id: player.id, api: player.api, eventId });
  }
  // So that the service does not close it before the test wants it.
  await pool.query(`UPDATE leaderboards SET late_tokens = 'issued', grace_ms = 3600000 WHERE id = $1`, [
    board,
  ]);
  await endSeason(pool, board);
  app.catalog.forgetAll();
  return {
    board,
    players: known,
    async standings() {
      const { items } = (await api.get(`/v1/leaderboards/${board}/entries?season=1`)).is(200, Entries);
      return items.map(({ userId, score }) => [known.findIndex(({ id }) => id === userId), score]);
    },
    async final(revision) {
      if (revision === 1) await addJob(pool, CLOSE_SEASON, { leaderboard: board, season: 1 });
      await eventually(async () => {
        const row = await seasonRow(pool, board);
        assert.equal(row.state, 'final');
        assert.equal(row.revision, revision);
      });
    },
  };
}
const standsOn = async (board: string, userId: string) =>
  (await api.get(`/v1/leaderboards/${board}/entries/${userId}`)).status === 200;
const audited = async (target: string) => {
  const { items } = (await admin.get('/v1/admin/audit?limit=100')).is(200, AuditTrail);
  return items.filter((item) => item.target === target);
};

t.test('a score of a final season is voided only to amend it, which gives it another digest', async (t) => {
  const season = await newSeason('voided');
  await season.final(1);
  const before = await seasonRow(pool, 'voided');
  const { eventId = '', id = '' } = season.players[2] ?? {};
  const path = `/v1/admin/events/${eventId}/void`;
  t.match((await admin.post(path, why)).fails('season-final').detail, /Season 1 of "voided" is final/);
  t.same(await seasonRow(pool, 'voided'), before);
  t.ok(await standsOn('voided-ever', id), 'nothing of the event is voided');
  t.match((await admin.post(path, amend)).is(200, AdminEvent), { status: 'voided' });
  await season.final(2);
  t.same(await season.standings(), [
    [1, 10],
    [0, 0],
  ]);
  t.not((await seasonRow(pool, 'voided')).digest, before.digest);
  t.match(await seasonRow(pool, 'voided'), { entries: 2 });
  t.notOk(await standsOn('voided-ever', id));
  t.match(await audited(eventId), [{ action: 'void-event', details: { amend: true } }]);
});

t.test('what is held when a season becomes final is released only to amend it', async (t) => {
  const season = await newSeason('held');
  const { eventId = '' } = season.players[0] ?? {};
  await pool.query("UPDATE score_events SET status = 'held' WHERE id = uuid_of($1)", [eventId]);
  await pool.query("DELETE FROM scores WHERE leaderboard_id LIKE 'held%' AND score = 0");
  await season.final(1);
  const path = `/v1/admin/events/${eventId}/release`;
  (await admin.post(path, why)).fails('season-final');
  (await admin.post(path, amend)).is(200, AdminEvent);
  await season.final(2);
  t.same((await season.standings()).at(-1), [0, 0]);
  await admin.post(`/v1/admin/events/${season.players[1]?.eventId}/void`, amend);
  await season.final(3);
});

t.test('a void of many events ends at those of final seasons, or amends them', async (t) => {
  const season = await newSeason('many');
  await season.final(1);
  for (const { id } of season.players)
    await server.post('/v1/scores', { actionToken: mint(id, { act: 'many', pts: [5, 5] }) });
  const filter = { action: 'many', from: '2020-01-01T00:00:00.000Z', to: '2100-01-01T00:00:00.000Z' };
  (await admin.post('/v1/admin/events/void', { ...filter, ...why })).fails('season-final');
  t.equal((await season.standings()).length, 3);
  (await admin.post('/v1/admin/events/void', { ...filter, ...why, preview: true })).fails('season-final');
  const said = await admin.post('/v1/admin/events/void', { ...filter, ...amend, preview: true });
  t.equal(said.is(200, VoidPreview).boards?.length, 3);
  const { id } = (await admin.post('/v1/admin/events/void', { ...filter, ...amend })).is(200, Act);
  await season.final(2);
  t.same(await season.standings(), []);
  (await admin.post(`/v1/admin/acts/${id}/undo`, why)).fails('season-final');
  (await admin.post(`/v1/admin/acts/${id}/undo`, amend)).is(200, Act);
  await season.final(3);
  t.same(await season.standings(), [
    [2, 20],
    [1, 10],
    [0, 0],
  ]);
});

for (const [act, board] of [
  ['a ban', 'banned'],
  ['hiding', 'hidden'],
] as const)
  t.test(
    `${act} leaves final seasons as they are, and so does its end, unless they are amended`,
    async (t) => {
      const season = await newSeason(board);
      await season.final(1);
      const { id = '' } = season.players[2] ?? {};
      const ban = async (what: 'ban' | 'unban', body: object) => {
        const path = `/v1/admin/users/${id}`;
        const answer =
          board === 'banned'
            ? admin.post(`${path}/${what}`, body)
            : admin.patch(path, { hidden: what === 'ban', ...body });
        return (await answer).is(200, ModeratedUser);
      };
      await ban('ban', why);
      t.notOk(await standsOn(`${board}-ever`, id));
      t.equal((await season.standings())[0]?.[0], 2);
      await ban('unban', why);
      t.ok(await standsOn(`${board}-ever`, id));
      await season.final(1);
      await ban('ban', amend);
      await season.final(2);
      t.same(
        (await season.standings()).map(([player]) => player),
        [1, 0],
      );
      await ban('unban', why);
      t.equal((await season.standings()).length, 2, 'it is final without the user');
      t.ok(await standsOn(`${board}-ever`, id));
      await ban('ban', why);
      await ban('unban', amend);
      await season.final(3);
      t.equal((await season.standings()).length, 3);
    },
  );

t.test('an erased user keeps its places in final seasons, without a name', async (t) => {
  const season = await newSeason('erased');
  await season.final(1);
  const { id = '', api: own = api } = season.players[2] ?? {};
  const { digest } = await seasonRow(pool, 'erased');
  (await own.delete('/v1/users/me')).isEmpty(204);
  t.notOk(await standsOn('erased-ever', id));
  const { items } = (await api.get('/v1/leaderboards/erased/entries?season=1')).is(200, Entries);
  t.match(items[0], { userId: id, displayName: 'Erased player', score: 20 });
  t.match(await seasonRow(pool, 'erased'), { state: 'final', revision: 1, digest });
  (await api.get(`/v1/users/${id}/seasons`)).fails('not-found');
  t.match((await api.get(`/v1/users/${season.players[1]?.id}/seasons`)).is(200, FinalPlaces), {
    items: [{ leaderboard: 'erased', rank: 2 }],
  });
});

t.test('before a season is final it is corrected as ever', async (t) => {
  const season = await newSeason('ended', 5);
  const [first, second, third, fourth] = season.players;
  await admin.post(`/v1/admin/events/${first?.eventId}/void`, why);
  // As if its closing were half done.
  await pool.query(
    `UPDATE seasons SET closed_at = now(), cursor = '{"rank": 3}' WHERE leaderboard_id = 'ended' AND season = 1`,
  );
  await pool.query(
    `INSERT INTO season_marks SELECT 'ended', 1, 3, sort_key, achieved_at, user_id FROM scores
     WHERE leaderboard_id = 'ended' AND score IS NOT NULL LIMIT 1`,
  );
  const lock: Change = (client) =>
    client.query("SELECT FROM seasons WHERE leaderboard_id = 'ended' FOR UPDATE");
  const acts = () =>
    Promise.all([
      admin.post(`/v1/admin/events/${second?.eventId}/void`, why),
      admin.post(`/v1/admin/users/${third?.id}/ban`, why),
      fourth?.api.delete('/v1/users/me'),
    ]);
  // The first that is committed asks for the closing. It must not come before the others.
  await app.jobs.stop();
  const answers = await during(pool, lock, 3, acts);
  t.same(
    answers.map((answer) => answer?.status),
    [200, 200, 204],
  );
  await close(pool, 'ended');
  t.same(await season.standings(), [[4, 40]]);
  const { rows } = await pool.query("SELECT FROM season_marks WHERE leaderboard_id = 'ended'");
  t.equal(rows.length, 0);
});

t.test('after all of this every score equals the ledger, and every digest its scores', async (t) => {
  t.same(await differencesAt(config.DATABASE_URL), []);
});
