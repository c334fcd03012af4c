import type pg from 'pg';
import type { HeldBecause } from '../../schemas/moderation.js';
import type { Why, WhyEvent } from '../../schemas/why.js';
import { actorName } from '../audit.js';
import type { BoardKey } from '../board-key.js';
import { instant } from '../clock.js';
import { Problem } from '../errors.js';
import { countsFor, ruleIn } from '../ledger/event-boards.js';
import { achievedAt, NEWEST_OF_USER, newestOfUser, olderThan } from '../postgres/events-of-user.js';
import { milliseconds } from '../postgres/sql.js';
import { inTurn } from '../postgres/turns.js';
import { fromUuid, toUuid } from '../stored-ids.js';

const ON_BOARD = `e.user_id = $3 AND e.id >= (SELECT carried_before FROM archive_progress)
  AND ${countsFor('e', '$1::text', '$2::int')}`;
/** The line of the audit by which something was decided about an event, or null. */
const line = (id: string): string => `(
  SELECT json_build_object('act', a.id, 'at', ${milliseconds('a.at')}, 'actor', a.actor, 'reason', a.reason,
                           'actorName', ${actorName('a.actor')})
  FROM admin_audit a WHERE a.id = ${id})`;

/** What the score of a user is made of, in one row. $1 a leaderboard, $2 a season, $3 a user. What is withheld is made of the same events. */
const MADE = `
SELECT ${ruleIn('operator', 'l', '$2::int')} AS operator, s.score, coalesce(s.score, s.withheld_score) AS made,
       CASE WHEN s.score IS NULL THEN s.withheld_at ELSE s.achieved_at END AS achieved_at,
       a.points::float8 AS archived, a.achieved_at AS "archivedAt"
FROM leaderboards l
LEFT JOIN scores s ON s.leaderboard_id = l.id AND s.season = $2 AND s.user_id = $3
LEFT JOIN archived_standings a ON a.leaderboard_id = l.id AND a.season = $2 AND a.user_id = $3
WHERE l.id = $1`;
/** $4 how many events, $5 before which one unless they are the first. */
const events = (isFirst: boolean): string => `
WITH own AS (${MADE})
SELECT e.id AS "eventId", e.action_id AS action, e.points, e.metadata, e.accepted_at AS "acceptedAt", e.achieved_at AS "achievedAt", e.status,
       e.user_id = e.issued_by AS "isOfPlayer", e.issued_by AS "issuedBy", e.signing_key AS "signingKey",
       e.held_because AS "heldBecause",
       e.hold_ended_by AS "holdEndedBy", ${line('e.hold_ended_by')} AS "holdEnded", ${line('e.voided_by')} AS voided,
       e.status = 'counted' AND CASE o.operator
         WHEN 'increment' THEN true
         WHEN 'best' THEN e.points = o.made AND ${achievedAt('e')} = o.achieved_at
         ELSE e.id = (SELECT n.id FROM score_events n WHERE n.user_id = $3 AND n.status = 'counted' AND ${countsFor('n', '$1::text', '$2::int')}
                      ORDER BY n.accepted_at DESC, n.id DESC LIMIT 1) END AS "inScore"
FROM own o, ${newestOfUser(isFirst ? ON_BOARD : `${ON_BOARD} AND ${olderThan('$5::uuid')}`, '$4')} e
ORDER BY ${NEWEST_OF_USER} LIMIT $4`;
const FIRST = events(true);
const REST = events(false);

interface Line {
  readonly act: string;
  readonly at: number;
  readonly actor: string;
  readonly actorName: string | null;
  readonly reason: string | null;
}

interface Row extends Pick<WhyEvent, 'action' | 'points' | 'metadata' | 'status' | 'inScore'> {
  readonly eventId: string;
  readonly acceptedAt: number;
  readonly achievedAt: number | null;
  readonly isOfPlayer: boolean | null;
  readonly issuedBy: string | null;
  readonly signingKey: string | null;
  readonly heldBecause: HeldBecause | null;
  readonly holdEndedBy: string | null;
  readonly holdEnded: Line | null;
  readonly voided: Line | null;
}
type Made = Pick<Why, 'operator' | 'score' | 'archived'>;

/** What scores are made of. */
export class Reasons {
  readonly #pool: pg.Pool;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  /** @throws Problem `not-found` if the leaderboard was deleted just now */
  async score({ leaderboard, season }: BoardKey, userId: string): Promise<Made> {
    const { rows } = await this.#pool.query<
      Pick<Why, 'operator' | 'score'> & { archived: number | null; archivedAt: number | null }
    >(MADE, [leaderboard, season, toUuid('usr', userId)]);
    const [row] = rows;
    if (row === undefined) throw new Problem('not-found', `There is no leaderboard "${leaderboard}".`);
    const { operator, score, archived, archivedAt } = row;
    const isArchived = archived !== null && archivedAt !== null;
    return {
      operator,
      score,
      archived: isArchived ? { points: archived, achievedAt: instant(archivedAt) } : null,
    };
  }

  /**
   * The events of a user on a board before the given one, newest first.
   * @param isForAdmin whether it is said who has issued and judged them, and why
   */
  async events(
    { leaderboard, season }: BoardKey,
    userId: string,
    isForAdmin: boolean,
    limit: number,
    before: string | null,
  ): Promise<WhyEvent[]> {
    const values = [leaderboard, season, toUuid('usr', userId), limit];
    const { rows } = await inTurn(this.#pool, userId, () =>
      before === null
        ? this.#pool.query<Row>(FIRST, values)
        : this.#pool.query<Row>(REST, [...values, toUuid('evt', before)]),
    );
    return rows.map((row) => eventOf(row, isForAdmin));
  }
}

function eventOf(row: Row, isForAdmin: boolean): WhyEvent {
  const {
    action,
    points,
    metadata,
    status,
    inScore,
    isOfPlayer,
    signingKey,
    heldBecause,
    holdEndedBy,
    holdEnded,
    voided,
  } = row;
  const acceptedAt = instant(row.acceptedAt);
  const wasHeld = status === 'held' || holdEndedBy !== null;
  const judgements: WhyEvent['judgements'] = [
    ...(wasHeld ? [{ status: 'held' as const, at: acceptedAt }] : []),
    // An event that was voided while it was held was never released.
    ...(holdEnded !== null && holdEnded.act !== voided?.act
      ? [judgement('counted', holdEnded, isForAdmin)]
      : []),
    ...(voided === null ? [] : [judgement('voided', voided, isForAdmin)]),
  ];
  const issuedBy = row.issuedBy === null ? null : isOfPlayer ? 'player' : fromUuid('svc', row.issuedBy);
  return {
    eventId: fromUuid('evt', row.eventId),
    action,
    points,
    metadata,
    acceptedAt,
    ...(row.achievedAt !== null && { achievedAt: instant(row.achievedAt) }),
    status,
    inScore,
    issuer: isOfPlayer ? 'player' : 'server',
    ...(isForAdmin && { issuedBy, signingKey, heldBecause }),
    judgements,
  };
}

function judgement(
  status: 'counted' | 'voided',
  { act, at, actor, actorName, reason }: Line,
  isForAdmin: boolean,
): WhyEvent['judgements'][number] {
  return {
    status,
    at: instant(at),
    ...(isForAdmin && {
      act: fromUuid('aud', act),
      actor,
      ...(actorName !== null && { actorName }),
      ...(reason !== null && { reason }),
    }),
  };
}
