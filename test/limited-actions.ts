import { Action } from '../schemas/action.js';
import { Leaderboard } from '../schemas/leaderboard.js';
import type { Api } from './api.js';

/**
 * Defines a board `slow`, on which 15 points a minute count, and three actions for it: `cool` can be done once a minute, `daily`
 * once a day, and `points` has no limit but that of the board.
 */
export async function putLimitedActions(admin: Api): Promise<void> {
  const board = { title: 'Slow', sort: 'desc', operator: 'increment', maxPointsPerMinute: 15 };
  (await admin.put('/v1/admin/leaderboards/slow', board)).is(200, Leaderboard);
  for (const [id, limits] of Object.entries({
    cool: { cooldownMs: 60_000 },
    daily: { dailyLimit: 1 },
    points: {},
  })) {
    const action = { title: 'A', points: { min: 0, max: 99 }, leaderboards: ['slow'], issuer: 'server' };
    (await admin.put(`/v1/admin/actions/${id}`, { ...action, minDurationMs: 0, ...limits })).is(200, Action);
  }
}
