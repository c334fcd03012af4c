import assert from 'node:assert/strict';
import t from 'tap';
import { Import } from '../../schemas/import.js';
import { Entry } from '../../schemas/leaderboard.js';
import { Receipt } from '../../schemas/score.js';
import { User } from '../../schemas/user.js';
import { serviceApi, startApi } from '../api.js';
import { openPool } from '../ledger/game-server.js';
import { differencesAt } from '../ledger/old-months.js';
import { mint } from '../mint.js';
import { bring, csvOf, over, send } from './files.js';

const service = await startApi(t);
const { api, config } = service;
const [server, admin] = [await serviceApi(service, 'server'), await serviceApi(service, 'admin')];
await admin.put('/v1/admin/actions/race', {
  title: 'Race',
  points: { min: 1, max: 1 },
  leaderboards: ['global'],
  issuer: 'server',
  minDurationMs: 0,
});
const PLAYERS = 200;
const scoreOf = async (userId: string) =>
  (await api.get(`/v1/leaderboards/global/entries/${userId}`)).is(200, Entry).score;
const playerOf = async (externalId: string) => {
  const answer = await server.post('/v1/users', { displayName: 'Player', externalId });
  return answer.is(answer.status, User).id;
};

t.test('of two imports of the same file at once each row counts once', async (t) => {
  const file = csvOf(
    Array.from({ length: 12_000 }, (_, n) => ({
      key: n,
      externalId: `two-${n % PLAYERS}`,
      displayName: 'Two',
      score: 1,
    })),
  );
  const sent = await Promise.all(
    [0, 1].map(async () => (await send(admin, 'board=global', file)).is(202, Import).id),
  );
  const both = await Promise.all(sent.map((id) => over(admin, id)));
  t.equal(
    both.reduce((sum, { counted }) => sum + counted, 0),
    12_000,
  );
  t.equal(
    both.reduce((sum, { known }) => sum + known, 0),
    12_000,
  );
  t.equal(
    both.reduce((sum, { newUsers }) => sum + newUsers, 0),
    PLAYERS,
  );
  for (const n of [0, 7, 199]) t.equal(await scoreOf(await playerOf(`two-${n}`)), 60);
  t.strictSame(await differencesAt(config.DATABASE_URL), []);
});

/** Of a file: each player has as many of them as the others. */
const ROWS = 4_000;

/** As on a slow PostgreSQL: a page of a thousand rows takes more than a second. */
const SLOW_ROWS = `
CREATE FUNCTION be_slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.001); RETURN new; END $$;
CREATE TRIGGER be_slow BEFORE INSERT ON score_events FOR EACH ROW WHEN (new.action_id = 'import') EXECUTE FUNCTION be_slow()`;

t.test('the same players score while their rows are counted, and nothing fails or is lost', async (t) => {
  await openPool(t, config.DATABASE_URL).query(SLOW_ROWS);
  const players = await Promise.all(Array.from({ length: 20 }, (_, n) => playerOf(`beside-${n}`)));
  const file = csvOf(
    Array.from({ length: ROWS }, (_, n) => ({
      key: `beside-${n}`,
      externalId: `beside-${n % PLAYERS}`,
      displayName: 'Beside',
      score: 1,
    })),
  );
  let isOver = false;
  const scored = new Map(players.map((id) => [id, 0]));
  const play = async (userId: string): Promise<void> => {
    while (!isOver) {
      const actionToken = mint(userId, { act: 'race', pts: [1, 1] });
      (await server.post('/v1/scores', { actionToken })).is(200, Receipt);
      scored.set(userId, (scored.get(userId) ?? 0) + 1);
    }
  };
  const playing = Promise.all(players.map(play));
  const done = await bring(admin, 'board=global', file).finally(() => {
    isOver = true;
  });
  await playing;
  t.match(done, { counted: ROWS, faulty: 0 });
  for (const [userId, points] of scored) {
    assert(points > 0);
    t.equal(await scoreOf(userId), ROWS / PLAYERS + points);
  }
  t.strictSame(await differencesAt(config.DATABASE_URL), []);
});
