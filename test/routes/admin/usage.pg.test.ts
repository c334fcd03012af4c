import t from 'tap';
import { Action } from '../../../schemas/action.js';
import { Leaderboard } from '../../../schemas/leaderboard.js';
import { Receipt } from '../../../schemas/score.js';
import { ActionsUsage, LeaderboardsUsage } from '../../../schemas/usage.js';
import { newPlayer, serviceApi, startApi } from '../../api.js';
import { mint } from '../../mint.js';

const service = await startApi(t);
const { api, app } = service;
const [server, admin] = [await serviceApi(service, 'server'), await serviceApi(service, 'admin')];
const RULES = { title: 'Test', sort: 'desc', operator: 'best' };

t.test(
  'boards and actions are listed with their entries, events and what feeds them, also hidden ones',
  async (t) => {
    (await admin.put('/v1/admin/leaderboards/secret', { ...RULES, hidden: true })).is(200, Leaderboard);
    (
      await admin.put('/v1/admin/actions/walk', {
        title: 'Walk',
        points: { min: 0, max: 100 },
        leaderboards: ['global', 'secret'],
        issuer: 'server',
        minDurationMs: 0,
      })
    ).is(200, Action);
    const [one, two] = [await newPlayer(api), await newPlayer(api)];
    for (const [id, act] of [
      [one.id, 'walk'],
      [one.id, 'walk'],
      [two.id, 'win-match'],
    ] as const)
      (await server.post('/v1/scores', { actionToken: mint(id, { act, pts: [10, 10] }) })).is(200, Receipt);
    // An old event is not recent.
    await app.pg.pool.query(
      `INSERT INTO score_events (id, user_id, action_id, token_id, points, accepted_at, boards)
     VALUES ('018b0000-0000-7000-8000-000000000000', gen_random_uuid(), 'walk', gen_random_uuid(), 1, '2023-10-06', '{"global": 1}')`,
    );
    const boards = (await admin.get('/v1/admin/leaderboards')).is(200, LeaderboardsUsage);
    t.match(boards.items, [
      {
        id: 'global',
        entries: 2,
        recentEvents: 3,
        actions: ['collect-coin', 'finish-level', 'walk', 'win-match'],
      },
      { id: 'secret', hidden: true, entries: 1, recentEvents: 2, actions: ['walk'] },
    ]);
    t.ok(Date.parse(boards.since) < Date.now() - 23 * 3_600_000);
    const page = (await admin.get('/v1/admin/leaderboards?limit=1')).is(200, LeaderboardsUsage);
    t.match(page.items, [{ id: 'global' }]);
    const rest = await admin.get(`/v1/admin/leaderboards?limit=1&cursor=${page.nextCursor}`);
    t.match(rest.is(200, LeaderboardsUsage), { items: [{ id: 'secret' }], nextCursor: null });
    const actions = (await admin.get('/v1/admin/actions')).is(200, ActionsUsage);
    t.same(
      actions.items.map(({ id, recentEvents }) => [id, recentEvents]),
      [
        ['collect-coin', 0],
        ['finish-level', 0],
        ['walk', 2],
        ['win-match', 1],
      ],
    );
    (await server.get('/v1/admin/leaderboards')).fails('forbidden');
  },
);
