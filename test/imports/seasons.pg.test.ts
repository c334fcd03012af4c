import t from 'tap';
import { Entries, Leaderboard } from '../../schemas/leaderboard.js';
import { serviceApi, startApi } from '../api.js';
import { close, endSeason } from '../ledger/final-seasons.js';
import { differencesAt } from '../ledger/old-months.js';
import { bring, csvOf, over, send } from './files.js';

const service = await startApi(t);
const { api, app, config } = service;
const admin = await serviceApi(service, 'admin');
const { pool } = app.pg;
const BOARD = 'weekly';
(
  await admin.put(`/v1/admin/leaderboards/${BOARD}`, { title: 'Week', sort: 'desc', operator: 'increment' })
).is(200, Leaderboard);
const file = csvOf(
  [3, 2, 1].map((n) => ({
    externalId: `week-${n}`,
    displayName: `Player ${n}`,
    score: n,
    achievedAt: '2020-01-01T00:00:00Z',
  })),
);

t.test('rows count in the season in force, and once in all of them', async (t) => {
  t.match(await bring(admin, `board=${BOARD}`, file), { season: 1, counted: 3 });
  await endSeason(pool, BOARD);
  app.catalog.forgetAll();
  (await send(admin, `board=${BOARD}&season=1`, file)).fails('season-ended');
  t.match(await bring(admin, `board=${BOARD}`, file), { season: 2, counted: 0, known: 3 });
  const other = csvOf([{ externalId: 'week-3', score: 9 }]);
  t.match(await bring(admin, `board=${BOARD}`, other), { season: 2, counted: 1, newUsers: 0 });
  const { items } = (await api.get(`/v1/leaderboards/${BOARD}/entries?season=1`)).is(200, Entries);
  t.strictSame(
    items.map(({ score }) => score),
    [3, 2, 1],
  );
  t.strictSame(await differencesAt(config.DATABASE_URL), []);
});

t.test(
  'an import whose board is frozen, or whose season ends, meanwhile fails and counts nothing',
  async (t) => {
    const received = async (meanwhile: () => Promise<unknown>) => {
      const { id } = await app.imports.begin(
        { board: BOARD, dryRun: false },
        { actor: 'operator', reason: null },
      );
      await meanwhile();
      async function* rows() {
        yield Buffer.from(csvOf([{ externalId: 'late-1', score: 1 }]));
      }
      await app.imports.receive(id, 0, rows());
      return over(admin, id);
    };
    const freeze = () => pool.query('UPDATE leaderboards SET frozen_at = now() WHERE id = $1', [BOARD]);
    t.match(await received(freeze), { state: 'failed', problem: 'board-frozen', counted: 0 });
    await pool.query('UPDATE leaderboards SET frozen_at = NULL WHERE id = $1', [BOARD]);
    t.match(await received(() => endSeason(pool, BOARD)), {
      state: 'failed',
      problem: 'season-ended',
      counted: 0,
    });
    t.strictSame(await differencesAt(config.DATABASE_URL), []);
  },
);

t.test('an export of a final season is continued behind a rank', async (t) => {
  await close(pool, BOARD, 1);
  app.catalog.forgetAll();
  const lines = async (query: string) =>
    `${(await admin.get(`/v1/admin/exports?board=${BOARD}&season=1&${query}`)).body}`.trimEnd().split('\n');
  const all = await lines('format=csv');
  t.equal(all.length, 4);
  t.strictSame(await lines('after=1'), all.slice(2));
});
