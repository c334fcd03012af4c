import { csvLine, textField } from '../csv.js';
import { rfc3339, timestampAt } from '../postgres/sql.js';
import { fromUuid } from '../stored-ids.js';

export type Format = 'csv' | 'ndjson';

/** Each entry once, in the order of the board: along its index, with the user looked up. $1 a leaderboard, $2 a season, $3 behind which rank. */
export const entriesSql = `
SELECT s.rank, s.shared_rank AS "sharedRank", s.user_id AS "userId", u.external_id AS "externalId",
       coalesce(u.display_name, '') AS "displayName", s.score, ${rfc3339('s.achieved_at')} AS "achievedAt"
FROM (
  SELECT row_number() OVER (ORDER BY sort_key, achieved_at, user_id) AS rank, rank() OVER (ORDER BY sort_key) AS shared_rank,
         user_id, score, achieved_at
  FROM scores WHERE leaderboard_id = $1 AND season = $2 AND score IS NOT NULL
) s LEFT JOIN LATERAL (SELECT external_id, display_name FROM users WHERE id = s.user_id AND erased_at IS NULL LIMIT 1) u ON true
WHERE s.rank > $3
ORDER BY s.rank`;

export interface EntryRow {
  readonly rank: number;
  readonly sharedRank: number;
  readonly userId: string;
  readonly externalId: string | null;
  readonly displayName: string;
  readonly score: number;
  readonly achievedAt: string;
}

export const ENTRIES_HEAD = csvLine(
  'rank',
  'sharedRank',
  'userId',
  'externalId',
  'displayName',
  'score',
  'achievedAt',
);

export function entryLine({ userId: uuid, ...row }: EntryRow, format: Format): string {
  const userId = fromUuid('usr', uuid);
  const { rank, sharedRank, externalId, displayName, score, achievedAt } = row;
  if (format === 'ndjson')
    return `${JSON.stringify({ rank, sharedRank, userId, externalId, displayName, score, achievedAt })}\n`;
  return csvLine(rank, sharedRank, userId, textField(externalId), textField(displayName), score, achievedAt);
}

/**
 * Events of a span of time, in the order of their ids. $1 and $2 from and until, in milliseconds; $3 and $4 between which ids they are; $5
 * behind which one; $6 a leaderboard or null.
 */
export const EVENTS = `
SELECT e.id AS "eventId", e.user_id AS "userId", u.external_id AS "externalId", e.action_id AS action, e.points,
       ${rfc3339('e.accepted_at')} AS "acceptedAt", ${rfc3339('e.achieved_at')} AS "achievedAt", e.status, e.boards::text AS boards,
       e.metadata::text AS metadata
FROM score_events e LEFT JOIN LATERAL (SELECT external_id FROM users WHERE id = e.user_id AND erased_at IS NULL LIMIT 1) u ON true
WHERE e.accepted_at >= ${timestampAt('$1::float8')} AND e.accepted_at < ${timestampAt('$2::float8')}
  AND e.id >= $3 AND e.id < $4 AND e.id > $5 AND ($6::text IS NULL OR e.boards ? $6)
ORDER BY e.id`;

export interface EventRow {
  readonly eventId: string;
  readonly userId: string;
  readonly externalId: string | null;
  readonly action: string;
  readonly points: number;
  readonly acceptedAt: string;
  readonly achievedAt: string | null;
  readonly status: string;
  /** As JSON. */
  readonly boards: string;
  readonly metadata: string | null;
}

export const EVENTS_HEAD = csvLine(
  'eventId',
  'userId',
  'externalId',
  'action',
  'points',
  'acceptedAt',
  'achievedAt',
  'status',
  'boards',
  'metadata',
);

export function eventLine(row: EventRow, format: Format): string {
  const { externalId, action, points, acceptedAt, achievedAt, status, boards, metadata } = row;
  const [eventId, userId] = [fromUuid('evt', row.eventId), fromUuid('usr', row.userId)];
  if (format === 'csv')
    return csvLine(
      eventId,
      userId,
      textField(externalId),
      action,
      points,
      acceptedAt,
      achievedAt,
      status,
      textField(boards),
      textField(oneLine(metadata)),
    );
  const text = JSON.stringify({
    eventId,
    userId,
    externalId,
    action,
    points,
    acceptedAt,
    achievedAt,
    status,
  });
  return `${text.slice(0, -1)},"boards":${boards},"metadata":${oneLine(metadata)}}\n`;
}

/** Metadata is copied, not read: a number in it may be one that JavaScript would round. Only between its values it can have line ends. */
export const oneLine = (json: string | null): string | null => json?.replaceAll(/[\r\n]+/g, ' ') ?? null;
