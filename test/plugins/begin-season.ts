import assert from 'node:assert/strict';
import type { Test } from 'tap';
import { Entries, Leaderboard } from '../../schemas/leaderboard.js';
import { Receipt } from '../../schemas/score.js';
import { Health } from '../../schemas/service.js';
import { boardKey } from '../../src/board-key.js';
import type { AppConfig } from '../../src/config.js';
import { eventually, newPlayer, serviceApi, startApi } from '../api.js';
import { mint } from '../mint.js';
import { resultOn } from '../receipts.js';

/** A season ends and the next one begins, on two instances; every read and every receipt on the way is right. */
export async function beginSeason(t: Test, overrides: Partial<AppConfig> = {}): Promise<void> {
  const service = await startApi(t, overrides);
  const other = await startApi(t, { ...overrides, DATABASE_URL: service.config.DATABASE_URL });
  const server = await serviceApi(service, 'server');
  const { id } = await newPlayer(service.api);
  const urls = [service.url, other.url];
  const score = async (url: string, expected?: number) => {
    const actionToken = mint(id, { act: 'collect-coin', pts: [10, 10] });
    const season = expected === undefined ? undefined : { global: expected };
    const receipt = (await server.at(url).post('/v1/scores', { actionToken, season })).is(200, Receipt);
    const result = resultOn('global', receipt);
    assert(result !== undefined);
    return { ...result, acceptedAt: receipt.acceptedAt };
  };
  for (const url of urls) t.match(await score(url), { season: 1, seasonEndsAt: null });

  const { rows } = await service.app.pg.pool.query<{ endsAt: number }>(
    `UPDATE leaderboards SET season_ends_at = now() + interval '4 seconds', next_starts_at = now() + interval '4 seconds'
     WHERE id = 'global' RETURNING season_ends_at AS "endsAt"`,
  );
  const endsAt = new Date(rows[0]?.endsAt ?? 0).toISOString();
  for (const { app } of [service, other])
    await eventually(async () => assert(app.boards.peek(boardKey('global', 2))?.isReady));
  t.match(await score(service.url), { season: 1, seasonEndsAt: endsAt }, 'it was loaded ahead of time');
  const page = async (url: string) =>
    (await service.api.at(url).get('/v1/leaderboards/global/entries')).is(200, Entries);
  for (let season = 1; season === 1; ) {
    for (const url of urls) {
      const found = await page(url);
      t.equal(found.total, found.season === 1 ? 1 : 0, 'every page is of one season');
    }
    const result = await score(other.url);
    season = result.season;
    t.equal(season === 2, result.acceptedAt >= endsAt);
    t.ok(result.rank !== null, 'every receipt has a rank');
    (await service.api.get('/health')).is(200, Health);
  }
  // The first page of the new season has what was counted in it by the same instance.
  const first = await eventually(async () => {
    const found = await page(other.url);
    assert.equal(found.season, 2);
    return found;
  });
  t.match(first, { total: 1, items: [{ userId: id, score: 10 }] });
  await eventually(async () => assert.deepEqual((await page(service.url)).items, first.items));
  for (const { app } of [service, other]) t.ok(app.boards.peek(boardKey('global', 2))?.isReady);
  for (const url of urls)
    await eventually(async () =>
      assert.equal((await service.api.at(url).get('/v1/leaderboards/global')).is(200, Leaderboard).season, 2),
    );
  t.equal((await score(service.url, 2)).season, 2);
  const actionToken = mint(id, { act: 'collect-coin', pts: [10, 10] });
  const expecting = (season: number) =>
    server.post('/v1/scores', { actionToken, season: { global: season } });
  (await expecting(1)).fails('season-changed');
  (await expecting(2)).is(200, Receipt);
}
