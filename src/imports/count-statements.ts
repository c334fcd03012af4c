import { HOLDS_EXTERNAL_ID } from '../access/users.js';
import { countsFor, ruleIn } from '../ledger/event-boards.js';
import { passFences } from '../ledger/fence.js';
import type { Rules } from '../ledger/standing.js';
import { achievedAt } from '../postgres/events-of-user.js';
import { IMPORTED } from './import-action.js';
import { MAX_FAULTS } from './import-row.js';

/**
 * The statements that count a page of rows, those of the table `rows` behind the line $1 up to the line $2, in one transaction. Locks
 * are taken in the order of RECORD_BATCH: users by id, the fence, the leaderboard, tokens by id.
 */

/** Where the page ends that begins behind the line $1. $2 how many rows it may have. */
export const pageOf = (rows: string): string =>
  `SELECT max(line) AS through, count(*) AS rows FROM (SELECT line FROM ${rows} WHERE line > $1 ORDER BY line LIMIT $2) p`;

const PAGE = (rows: string, columns: string) => `
page AS MATERIALIZED (
  SELECT ${columns}, sha256(convert_to(external_id, 'UTF8')) AS external_key FROM ${rows} WHERE line > $1 AND line <= $2
)`;
/** What is looked up for each row is found by an index, however large PostgreSQL takes the tables to be: LIMIT sees to that. */
const KNOWN = (row: string) => `
LEFT JOIN LATERAL (SELECT true AS is_known FROM consumed_tokens_keys WHERE token_id = ${row}.row_key LIMIT 1) c ON true`;
const HOLDER = (row: string) => `
LEFT JOIN LATERAL (
  SELECT id, banned_at, hidden_at FROM users WHERE external_key = ${row}.external_key AND ${HOLDS_EXTERNAL_ID} LIMIT 1) u ON true`;

/**
 * Makes the users that are not there. $3 ids, $4 the names of guests with these. In one order everywhere, so that nobody waits for
 * each other. A row that was counted before makes nobody: its user may be erased.
 */
export const makeUsers = (rows: string): string => `
WITH ${PAGE(rows, 'line, row_key, external_id, display_name')}, stranger AS (
  SELECT DISTINCT ON (external_key) external_id, external_key, display_name FROM page p ${HOLDER('p')} ${KNOWN('p')}
  WHERE u.id IS NULL AND c.is_known IS NULL
  ORDER BY external_key, line
)
INSERT INTO users (id, display_name, external_id, external_key)
SELECT n.id, coalesce(s.display_name, n.guest), s.external_id, s.external_key
FROM (SELECT *, row_number() OVER (ORDER BY external_id COLLATE "C") AS nth FROM stranger) s
JOIN unnest($3::uuid[], $4::text[]) WITH ORDINALITY n (id, guest, nth) USING (nth)
ORDER BY s.external_id COLLATE "C"
ON CONFLICT (external_key) WHERE ${HOLDS_EXTERNAL_ID} DO NOTHING`;

/** Locks the users who were there before. Nobody else sees those who were just made. */
export const lockUsers = (rows: string): string => `
WITH ${PAGE(rows, 'external_id')}
SELECT FROM users WHERE id = ANY (ARRAY(
  SELECT u.id FROM page p CROSS JOIN LATERAL (
    SELECT id FROM users WHERE external_key = p.external_key AND ${HOLDS_EXTERNAL_ID} AND xmin <> pg_current_xact_id()::xid LIMIT 1) u))
ORDER BY id FOR NO KEY UPDATE`;

/** $1 a leaderboard. */
export const PASS_FENCE = passFences('(SELECT $1::text AS leaderboard_id) f');

/** Whether season $2 of the leaderboard $1 takes scores, and its rules. No row if it is deleted. */
export const BOARD = `
SELECT l.frozen_at IS NOT NULL AS "isFrozen", s.closed_at IS NOT NULL OR s.ends_at <= now() AS "isOver",
       ${ruleIn('sort', 'l', 's.season')} AS sort, ${ruleIn('operator', 'l', 's.season')} AS operator
FROM leaderboards l JOIN seasons s ON s.leaderboard_id = l.id AND s.season = $2
WHERE l.id = $1 AND l.removed_at IS NULL AND s.season > l.removed_through
FOR KEY SHARE OF l`;

const MAX = Number.MAX_SAFE_INTEGER;
const IS_NEW = 'NOT e.is_known AND e.copy = 1 AND NOT e.is_banned';
const OF_USER = 'PARTITION BY e.external_id';

/** What a rule says of a row, beside what holds for all: as the column `verdict` of the entries `e`. */
const VERDICT: Readonly<Record<Rules['operator'], string>> = {
  // Once a sum has left the range, no further row of its user counts.
  increment: `
    SELECT e.*, CASE WHEN max(abs(e.running)) OVER (${OF_USER} ORDER BY e.line) > ${MAX} THEN 'points-out-of-range' END AS verdict
    FROM (SELECT e.*, coalesce(e.score, 0)::numeric + sum(e.points) FILTER (WHERE ${IS_NEW}) OVER (${OF_USER} ORDER BY e.line) AS running
          FROM entry e) e`,
  best: 'SELECT e.*, NULL AS verdict FROM entry e',
  // A score that is older than the last one is not the latest, and must not become it by being counted later.
  latest: `
    SELECT e.*, CASE WHEN row_number() OVER (${OF_USER} ORDER BY (${IS_NEW}) DESC, e.achieved_at DESC, e.line DESC) > 1
                       OR e.achieved_at < e.since OR e.achieved_at < (
                            SELECT ${achievedAt('n')} FROM score_events n
                            WHERE e.has_entry AND n.user_id = e.user_id AND n.status = 'counted'
                              AND ${countsFor('n', '$3::text', '$4::int')}
                            ORDER BY n.accepted_at DESC, n.id DESC LIMIT 1)
                     THEN 'outdated' END AS verdict
    FROM entry e`,
};

/** What becomes of each row of the page. A user who is hidden is one whose entry is recomputed, which knows how to keep it off the board. $3 a leaderboard, $4 its season. */
const judged = (rows: string, { operator }: Rules): string => `
${PAGE(rows, '*')}, entry AS MATERIALIZED (
  SELECT p.*, row_number() OVER (ORDER BY p.line) AS nth, row_number() OVER (PARTITION BY p.row_key ORDER BY p.line) AS copy,
         u.id AS user_id, u.banned_at IS NOT NULL AS is_banned, c.is_known IS NOT NULL AS is_known,
         k.user_id IS NOT NULL OR u.hidden_at IS NOT NULL AS has_entry, k.score, CASE WHEN k.score IS NOT NULL THEN k.achieved_at END AS since
  FROM page p ${HOLDER('p')} ${KNOWN('p')}
  LEFT JOIN LATERAL (
    SELECT user_id, score, achieved_at FROM scores
    WHERE leaderboard_id = $3::text AND season = $4::int AND user_id = u.id LIMIT 1) k ON true
), judged AS MATERIALIZED (
  SELECT e.*, CASE WHEN e.is_known OR e.copy > 1 THEN 'known' WHEN e.is_banned THEN 'user-banned' ELSE e.verdict END AS outcome
  FROM (${VERDICT[operator]}) e
)`;

const FAULTS = `
(SELECT json_agg(json_build_object('line', line, 'code', outcome) ORDER BY line)
 FROM (SELECT line, outcome FROM judged WHERE outcome <> 'known' ORDER BY line LIMIT ${MAX_FAULTS}) f) AS faults`;
const FAULTY = `count(*) FILTER (WHERE outcome <> 'known') AS faulty`;

/** What the entries are that the page makes, by operator: of users who have none. */
const MADE: Readonly<Record<Rules['operator'], (sort: Rules['sort']) => string>> = {
  increment: () => `
    SELECT user_id, sum(points)::bigint AS score,
           coalesce(max(achieved_at) FILTER (WHERE points <> 0), (array_agg(achieved_at ORDER BY line))[1]) AS achieved_at
    FROM accepted WHERE NOT has_entry GROUP BY user_id`,
  best: (sort) => `
    SELECT DISTINCT ON (user_id) user_id, points AS score, achieved_at FROM accepted WHERE NOT has_entry
    ORDER BY user_id, points ${sort}, achieved_at`,
  latest: () => 'SELECT user_id, points AS score, achieved_at FROM accepted WHERE NOT has_entry',
};

/**
 * Counts the page. $3 and $4 as above, $5 ids of events, $6 the import. Users must be locked, and the fence passed. The events of users
 * who have an entry are given back as `further`: their scores are to be recomputed.
 */
export const countPage = (rows: string, rules: Rules): string => `
WITH ${judged(rows, rules)}, consumed AS (
  INSERT INTO consumed_tokens (token_id, event_id, expires_at)
  SELECT row_key, ($5::uuid[])[nth], 'infinity' FROM judged WHERE outcome IS NULL AND user_id IS NOT NULL
  ORDER BY row_key
  ON CONFLICT (token_id) DO NOTHING
  RETURNING event_id
), accepted AS MATERIALIZED (
  SELECT j.*, c.event_id FROM judged j JOIN consumed c ON c.event_id = ($5::uuid[])[j.nth]
), recorded AS (
  INSERT INTO score_events (id, user_id, action_id, token_id, points, metadata, accepted_at, achieved_at, imported_by, boards, best)
  SELECT event_id, user_id, '${IMPORTED}', row_key, points, metadata, now(), achieved_at, $6::uuid,
         jsonb_build_object($3::text, $4::int), ${rules.operator === 'best'}
  FROM accepted ORDER BY event_id
), made AS (
  ${MADE[rules.operator](rules.sort)}
), created AS (
  INSERT INTO scores (leaderboard_id, season, user_id, score, sort_key, achieved_at, version)
  SELECT $3, $4, user_id, score, ${rules.sort === 'desc' ? '-score' : 'score'}, achieved_at, 1 FROM made ORDER BY user_id
)
SELECT (SELECT count(*) FROM consumed) AS counted, ${FAULTY}, ${FAULTS},
       count(*) FILTER (WHERE outcome IS NULL AND user_id IS NULL) AS "withoutUser",
       (SELECT array_agg(event_id) FROM accepted WHERE has_entry) AS further
FROM judged`;

/** Says what would become of the page. */
export const judgePage = (rows: string, rules: Rules): string => `
WITH ${judged(rows, rules)}
SELECT count(*) FILTER (WHERE outcome IS NULL) AS counted, ${FAULTY}, ${FAULTS},
       count(DISTINCT external_id) FILTER (WHERE outcome IS NULL AND user_id IS NULL) AS "newUsers"
FROM judged`;
