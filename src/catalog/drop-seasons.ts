import { addJob, type Job, type JobKind, job, Nothing } from '../jobs/job.js';
import { PURGE } from '../jobs/purge.js';
import { closeFenceBriefly } from '../ledger/fence.js';

const EVERY_MS = 60_000;
const AGAIN_MS = 1_000;

/** Drops the seasons that are more than their leaderboards keep, again and again. */
export const DROP_SEASONS: JobKind<typeof Nothing> = {
  name: 'drop-seasons',
  payload: Nothing,
  keyOf: () => 'all',
};

/**
 * A leaderboard that has more final seasons than it keeps of those that are over; the ones up to `through` are too many. What is
 * still being closed stays, and all behind it: seasons that were missed are final before those that were played.
 */
const TOO_MANY = `
SELECT l.id, n.through
FROM leaderboards l CROSS JOIN LATERAL (
  SELECT least(
    (SELECT max(s.season) - l.keep_seasons FROM seasons s WHERE s.leaderboard_id = l.id AND s.state = 'final'),
    (SELECT min(s.season) - 1 FROM seasons s
     WHERE s.leaderboard_id = l.id AND s.state = 'closing' AND s.season > l.removed_through)) AS through) n
WHERE l.keep_seasons IS NOT NULL AND l.removed_at IS NULL AND n.through > l.removed_through LIMIT 1`;
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
