import assert from 'node:assert/strict';
import t from 'tap';
import { Leaderboard } from '../../schemas/leaderboard.js';
import { Receipt } from '../../schemas/score.js';
import { purgeScores } from '../../src/catalog/purge-scores.js';
import { eventually, newPlayer, projected, serviceApi, startApi } from '../api.js';
import { mint } from '../mint.js';
import { connectTestRedis, RedisServer } from '../redis-server.js';

t.test(
  'what Redis has of a deleted leaderboard goes with its rows, also if Redis is away for a while',
  async (t) => {
    const server = await RedisServer.start(t, { appendonly: 'yes', appendfsync: 'always' });
    const service = await startApi(t, { REDIS_MODE: 'single', REDIS_URL: server.url });
    const { app, api } = service;
    const admin = await serviceApi(service, 'admin');
    const player = await newPlayer(api);
    const { pool } = app.pg;
    (
      await admin.put('/v1/admin/leaderboards/laps', { title: 'Laps', sort: 'desc', operator: 'increment' })
    ).is(200, Leaderboard);
    const rules = { title: 'Lap', points: { min: 1, max: 9 }, issuer: 'server', minDurationMs: 0 };
    await admin.put('/v1/admin/actions/lap', { ...rules, leaderboards: ['laps', 'global'] });
    const actionToken = mint(player.id, { act: 'lap', pts: [5, 5] });
    (await player.api.post('/v1/scores', { actionToken })).is(200, Receipt);
    await projected(app);
    const redis = await connectTestRedis(t, server.url);
    const keys = async () => (await redis.keys('scoreboard:{laps:*')).length;
    t.ok((await keys()) > 0);
    await admin.delete('/v1/admin/actions/lap');
    await admin.post('/v1/admin/leaderboards/laps/freeze', { reason: 'over' });
    (await admin.delete('/v1/admin/leaderboards/laps')).isEmpty(204);

    const purge = () => purgeScores(pool, 100, app.removeBoards);
    t.equal(await purge(), true, 'the rows go');
    await server.kill();
    t.equal(await purge(), false, 'the keys must wait');
    await server.restart();
    await eventually(async () => assert.equal(await purge(), true));
    t.equal(await purge(), false);
    await eventually(async () => assert.equal(await keys(), 0));
    t.equal(await redis.exists('scoreboard:{global:1}:rank'), 1);
  },
);
