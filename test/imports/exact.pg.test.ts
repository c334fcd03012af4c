import t from 'tap';
import { Entries, Leaderboard } from '../../schemas/leaderboard.js';
import { AdminEvent, AdminEvents } from '../../schemas/moderation.js';
import { Receipt } from '../../schemas/score.js';
import { User } from '../../schemas/user.js';
import { serviceApi, startApi } from '../api.js';
import { differencesAt } from '../ledger/old-months.js';
import { mint } from '../mint.js';
import { bring, csvOf } from './files.js';

const service = await startApi(t);
const { api, config } = service;
const [server, admin] = [await serviceApi(service, 'server'), await serviceApi(service, 'admin')];

const BOARDS = { sums: ['increment', 'desc'], laps: ['best', 'asc'], last: ['latest', 'desc'] } as const;
for (const [id, [operator, sort]] of Object.entries(BOARDS))
  (await admin.put(`/v1/admin/leaderboards/${id}`, { title: id, operator, sort })).is(200, Leaderboard);
await admin.put('/v1/admin/actions/race', {
  title: 'Race',
  points: { min: -1_000, max: 1_000 },
  leaderboards: Object.keys(BOARDS),
  issuer: 'server',
  minDurationMs: 0,
});

/** The same numbers at each run. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const entriesOf = async (board: string, query = '') =>
  (await api.get(`/v1/leaderboards/${board}/entries?limit=100${query}`))
    .is(200, Entries)
    .items.map(({ userId, score, achievedAt }) => ({ userId, score, achievedAt }));

t.test('imports among other scores keep the ledger exact, by each operator', async (t) => {
  const next = numbers(7);
  const points = () => [0, 0, 5, 5, -5, next(40) - 20][next(6)] ?? 0;
  const players: { externalId: string; id: string }[] = [];
  for (let n = 0; n < 5; n++) {
    const answer = await server.post('/v1/users', { displayName: `Player ${n}`, externalId: `exact-${n}` });
    players.push({ externalId: `exact-${n}`, id: answer.is(201, User).id });
  }
  const snapshots: { readonly at: string; readonly entries: Record<string, unknown> }[] = [];
  for (let round = 0; round < 8; round++) {
    for (let n = 0; n < 4; n++) {
      const value = points();
      const { id = '' } = players[next(players.length)] ?? {};
      const actionToken = mint(id, { act: 'race', pts: [value, value] });
      (await server.post('/v1/scores', { actionToken })).is(200, Receipt);
    }
    for (const board of Object.keys(BOARDS)) {
      const rows = Array.from({ length: 8 }, (_, n) => ({
        key: `${round}-${n}`,
        externalId: players[next(players.length)]?.externalId ?? '',
        score: points(),
        achievedAt: next(5) === 0 ? '' : new Date(1_600_000_000_000 + next(6) * 86_400_000).toISOString(),
      }));
      const { counted, faulty, faults } = await bring(admin, `board=${board}`, csvOf(rows));
      t.equal(counted + faulty, rows.length);
      t.ok(faults.every(({ code }) => code === 'outdated' && board === 'last'));
    }
    const entries: Record<string, unknown> = {};
    for (const board of Object.keys(BOARDS)) entries[board] = await entriesOf(board);
    const [latest] = (await admin.get('/v1/admin/events?limit=1')).is(200, AdminEvents).items;
    snapshots.push({ at: latest?.acceptedAt ?? '', entries });
    t.strictSame(await differencesAt(config.DATABASE_URL), []);
  }
  // Without limits of time between them two imports may be of one millisecond: the past is asked for after each round.
  for (const { at, entries } of snapshots)
    for (const board of Object.keys(BOARDS))
      t.strictSame(await entriesOf(board, `&asOf=${at}`), entries[board], `${board} as of ${at}`);

  const { items } = (await admin.get('/v1/admin/events?limit=100')).is(200, AdminEvents);
  for (const { eventId } of items.filter((_, n) => n % 3 === 0))
    (await admin.post(`/v1/admin/events/${eventId}/void`, { reason: 'A test.' })).is(200, AdminEvent);
  t.strictSame(await differencesAt(config.DATABASE_URL), []);
});
