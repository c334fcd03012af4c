import { Type } from '@sinclair/typebox';
import { addJob, type Job, type JobKind, job } from '../jobs/job.js';
import { PURGE } from '../jobs/purge.js';
import { closeFenceBriefly } from '../ledger/fence.js';

const EVERY_MS = 60_000;
const AGAIN_MS = 1_000;

const Nothing = Type.Object({});

/** Drops the seasons that are more than their leaderboards keep, again and again. */
export const DROP_SEASONS: JobKind<typeof Nothing> = {
  name: 'drop-seasons',
  payload: Nothing,
  keyOf: () => 'all',
};

/** A leaderboard that has more final seasons than it keeps of those that are over; the ones up to `through` are too many. */
const TOO_MANY = `
SELECT l.id, n.season - l.keep_seasons AS through
FROM leaderboards l CROSS JOIN LATERAL (
  SELECT s.season FROM seasons s WHERE s.leaderboard_id = l.id AND s.state = 'final' ORDER BY s.season DESC LIMIT 1) n
WHERE l.keep_seasons IS NOT NULL AND l.removed_at IS NULL AND n.season - l.keep_seasons > l.removed_through LIMIT 1`;
const REMOVE = 'UPDATE leaderboards SET removed_through = greatest(removed_through, $2) WHERE id = $1';

/**
 * Takes seasons from all reads at once, those of one leaderboard a bite; their scores leave with the job `purge`. Corrections under
 * way are over before, so that they do not bring scores of theirs back.
 */
export const dropSeasons: Job = job(DROP_SEASONS, async (client) => {
  const [board] = (await client.query<{ id: string; through: number }>(TOO_MANY)).rows;
  if (board === undefined) return { rest: {}, afterMs: EVERY_MS };
  const isDropped = await closeFenceBriefly(client, board.id, () =>
    client.query(REMOVE, [board.id, board.through]),
  );
  if (isDropped) await addJob(client, PURGE, {});
  return { rest: {}, afterMs: isDropped ? 0 : AGAIN_MS };
});
