import { isDeepStrictEqual } from 'node:util';
import { Type } from '@sinclair/typebox';
import { LeaderboardId } from '../../schemas/common.js';
import type { Schedule } from '../../schemas/schedule.js';
import { audit } from '../audit.js';
import { announce } from '../changes/change.js';
import { instantOrNull, now } from '../clock.js';
import { newId } from '../ids.js';
import { type Job, type JobKind, job } from '../jobs/job.js';
import type { Queryable } from '../postgres/database.js';
import { finiteMilliseconds, timestampOr } from '../postgres/sql.js';
import { SHORTEST_SEASON_MS, seasonFrom, seasonsAfter } from './schedule.js';

const HOUR_MS = 3_600_000;
const BOARDS = 100;
/** Nobody changes the rules of a time zone by more than a day. */
const FURTHEST_MS = 26 * HOUR_MS;
/** More than the hours in that time, before and after. */
const NEAR = 64;

const Place = Type.Object({ after: Type.Union([LeaderboardId, Type.Literal('')]) });

/**
 * Moves boundaries that are further away than an hour, if PostgreSQL has got other rules for a time zone: the stored instant is then
 * not the local time of the schedule any more.
 */
export const MOVE_BOUNDARIES: JobKind<typeof Place> = {
  name: 'move-boundaries',
  payload: Place,
  keyOf: () => 'all',
};

/** Nothing moves without a time zone. */
const SCHEDULED = `
SELECT l.id, l.season, l.schedule, s.end_is_set AS "endIsSet", coalesce(n.end_is_set, false) AS "nextEndIsSet",
       ${finiteMilliseconds('season_ends_at')} AS "endsAt", ${finiteMilliseconds('next_starts_at')} AS "nextStartsAt", ${finiteMilliseconds('next_ends_at')} AS "nextEndsAt"
FROM leaderboards l
JOIN seasons s ON s.leaderboard_id = l.id AND s.season = l.season
LEFT JOIN seasons n ON n.leaderboard_id = l.id AND n.season = l.season + 1
WHERE l.id > $1 AND removed_at IS NULL AND season_ends_at < 'infinity' AND schedule->>'timeZone' <> 'UTC'
ORDER BY l.id LIMIT ${BOARDS}`;
/** Unless the board has been changed meanwhile, or its page was turned. $3 to $5 as it was, $6 to $8 as it is to be. */
const MOVE = `
UPDATE leaderboards SET season_ends_at = ${timestampOr('$6')}, next_starts_at = ${timestampOr('$7')}, next_ends_at = ${timestampOr('$8')},
  revision = revision + 1
WHERE id = $1 AND season = $2 AND season_ends_at = ${timestampOr('$3')} AND next_starts_at = ${timestampOr('$4')} AND next_ends_at = ${timestampOr('$5')}`;

interface Boundaries {
  readonly endsAt: number | null;
  readonly nextStartsAt: number | null;
  readonly nextEndsAt: number | null;
}
interface Board extends Boundaries {
  readonly id: string;
  readonly season: number;
  readonly schedule: Schedule;
  readonly endIsSet: boolean;
  readonly nextEndIsSet: boolean;
  readonly endsAt: number;
}

/**
 * @param writer names this instance in what it announces to the others
 * @param onError the boundaries of one board cannot be computed, as PostgreSQL may know its time zone no more: it keeps those it has
 */
export const moveBoundaries = (writer: string, onError: (error: unknown, doing: string) => void): Job =>
  job(MOVE_BOUNDARIES, async (client, { after }) => {
    const { rows } = await client.query<Board>(SCHEDULED, [after]);
    for (const board of rows) {
      await client.query('SAVEPOINT board');
      try {
        await moveBoundariesOf(client, board, writer);
      } catch (error) {
        await client.query('ROLLBACK TO board');
        onError(error, `moving the boundaries of ${board.id}`);
      }
    }
    const last = rows.length < BOARDS ? undefined : rows.at(-1);
    return last === undefined ? { rest: { after: '' }, afterMs: HOUR_MS } : { rest: { after: last.id } };
  });

async function moveBoundariesOf(client: Queryable, board: Board, writer: string): Promise<void> {
  const { id, season, endsAt, nextStartsAt, nextEndsAt } = board;
  const before: Boundaries = { endsAt, nextStartsAt, nextEndsAt };
  const after = await recomputed(client, board);
  if (isDeepStrictEqual(before, after)) return;
  const { rowCount } = await client.query(MOVE, [id, season, ...inOrder(before), ...inOrder(after)]);
  if (rowCount !== 1) return;
  const reason = `PostgreSQL has other rules for ${board.schedule.timeZone} than before.`;
  const details = { from: shown(before), to: shown(after) };
  await audit(client, { actor: 'service', reason }, 'move-boundaries', id, details);
  await announce(client, { type: 'leaderboard', id: newId('chg'), writer, leaderboard: id, removed: false });
}

async function recomputed(client: Queryable, board: Board): Promise<Boundaries> {
  const { schedule, endsAt: known, nextStartsAt, nextEndsAt } = board;
  const endsAt = board.endIsSet ? known : unlessSoon(known, await nearestEnd(client, schedule, known));
  const next = await seasonFrom(client, schedule, endsAt);
  return {
    endsAt,
    nextStartsAt: unlessSoon(nextStartsAt, next?.startsAt ?? null),
    nextEndsAt: board.nextEndIsSet ? nextEndsAt : unlessSoon(nextEndsAt, next?.endsAt ?? null),
  };
}

/** What ends within the hour, or then would, stays as it is: instances and players count on it. */
function unlessSoon<T extends number | null>(known: T, moved: T): T {
  const soon = now() + HOUR_MS;
  return (known ?? soon) < soon || (moved ?? soon) < soon ? known : moved;
}

/** The end of a season of the schedule that is nearest to a known one; that itself if it still is one, or if none is near. */
async function nearestEnd(client: Queryable, schedule: Schedule, known: number): Promise<number> {
  const [same] = await seasonsAfter(client, schedule, known - SHORTEST_SEASON_MS, 1);
  if (same?.endsAt === known) return known;
  const near = await seasonsAfter(client, schedule, known - FURTHEST_MS, NEAR);
  const distance = (end: number) => Math.abs(end - known);
  const [nearest = known] = near.map(({ endsAt }) => endsAt).sort((a, b) => distance(a) - distance(b));
  return distance(nearest) > FURTHEST_MS ? known : nearest;
}

const inOrder = ({ endsAt, nextStartsAt, nextEndsAt }: Boundaries) => [endsAt, nextStartsAt, nextEndsAt];

const shown = ({ endsAt, nextStartsAt, nextEndsAt }: Boundaries) => ({
  endsAt: instantOrNull(endsAt),
  nextStartsAt: instantOrNull(nextStartsAt),
  nextEndsAt: instantOrNull(nextEndsAt),
});
