import assert from 'node:assert/strict';
import t from 'tap';
import { Entries } from '../../schemas/leaderboard.js';
import { Receipt } from '../../schemas/score.js';
import { addJob } from '../../src/jobs/job.js';
import { CLOSE_SEASON } from '../../src/seasons/corrections.js';
import { eventually, newPlayer, projected, startApi } from '../api.js';
import { mint } from '../mint.js';
import { connectTestRedis, RedisServer } from '../redis-server.js';
import { endSeason, seasonRow } from './final-seasons.js';

t.test(
  'what Redis and instances hold of a season goes when it is final, and pages come from PostgreSQL',
  async (t) => {
    const server = await RedisServer.start(t);
    const service = await startApi(t, { REDIS_MODE: 'single', REDIS_URL: server.url });
    const { app, api } = service;
    const player = await newPlayer(api);
    const score = async () => {
      const actionToken = mint(player.id, { act: 'collect-coin', pts: [10, 10] });
      (await player.api.post('/v1/scores', { actionToken })).is(200, Receipt);
    };
    await score();
    await projected(app);
    const redis = await connectTestRedis(t, server.url);
    const keys = async (season: number) => (await redis.keys(`scoreboard:{global:${season}}:*`)).length;
    const isOpen = () => app.boards.projections().some(({ board }) => board.key.text === 'global:1');
    t.ok((await keys(1)) > 0 && isOpen());
    await endSeason(app.pg.pool);
    app.catalog.forgetAll();
    await addJob(app.pg.pool, CLOSE_SEASON, { leaderboard: 'global', season: 1 });
    await score();
    await eventually(async () => assert.equal((await seasonRow(app.pg.pool)).state, 'final'));
    await eventually(async () => assert(!isOpen()));
    // Sooner than it would be by itself.
    await app.pg.pool.query(
      "UPDATE scoreboard_jobs._private_jobs SET run_at = now() WHERE key = 'forget-season:global:1'",
    );
    await eventually(async () => assert.equal(await keys(1), 0));
    t.ok((await keys(2)) > 0);
    const { items } = (await api.get('/v1/leaderboards/global/entries?season=1')).is(200, Entries);
    t.match(items, [{ userId: player.id, score: 10 }]);
    t.notOk(isOpen(), 'nothing is loaded for that');
    t.equal(await keys(1), 0);
  },
);
