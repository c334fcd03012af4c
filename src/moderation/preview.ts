import type pg from 'pg';
import type { VoidPreview } from '../../schemas/moderation.js';
import type { AdminAct } from '../audit.js';
import { errorCode } from '../error-code.js';
import { newId } from '../ids.js';
import { isOutOfRange } from '../ledger/batch-queue.js';
import { correct } from '../ledger/correction.js';
import { outOfRange } from '../ledger/refusals.js';
import { BOARDS_OF_EVENTS, idParameters } from '../ledger/statements.js';
import { type Queryable, transact } from '../postgres/database.js';
import { SQLSTATE } from '../postgres/errors.js';
import { inTurn } from '../postgres/turns.js';
import { spanOf } from '../span.js';
import { withIds } from '../stored-ids.js';
import { countEvents, SEARCH_MS, type SpanFilter } from './acts.js';
import { eventQuery, search } from './event-search.js';
import { NOT_VOIDED } from './mass-void.js';

/** More events are only counted: what they would change is tried out, which holds the rows of their users meanwhile. */
const MOST_EVENTS = 5_000;
/** How long that may take, in milliseconds: the scores of those users wait meanwhile. */
const TRY_MS = 5_000;
/** More boards are left out. */
const MOST_BOARDS = 20;

type Board = VoidPreview['boards'] extends (infer B)[] | null ? B : never;
type Move = Board['moves'][number];

/** The first 100 of a board. $1 a leaderboard, $2 a season. */
const FIRST = `
SELECT s.user_id AS "userId", u.display_name AS "displayName", s.score, row_number() OVER (ORDER BY s.sort_key, s.achieved_at, s.user_id) AS rank
FROM (SELECT * FROM scores WHERE leaderboard_id = $1 AND season = $2 AND score IS NOT NULL
      ORDER BY sort_key, achieved_at, user_id LIMIT 100) s JOIN users u ON u.id = s.user_id
ORDER BY rank`;
/** Where users stand. $1 and $2 as above, $3 users. */
const STAND = `
SELECT s.user_id AS "userId", s.score,
       1 + (SELECT count(*) FROM scores o WHERE o.leaderboard_id = $1 AND o.season = $2 AND o.score IS NOT NULL
            AND (o.sort_key, o.achieved_at, o.user_id) < (s.sort_key, s.achieved_at, s.user_id)) AS rank
FROM scores s WHERE s.leaderboard_id = $1 AND s.season = $2 AND s.user_id = ANY ($3::uuid[]) AND s.score IS NOT NULL`;

interface Standing {
  readonly userId: string;
  readonly score: number;
  readonly rank: number;
}

/**
 * What a void of many events would do. It is done in a transaction that is rolled back, by the code that does it in earnest, so the two
 * cannot differ; two at a time on each instance.
 * @throws Problem `season-final`, `points-out-of-range`, as the void would
 */
export async function previewVoid(pool: pg.Pool, filter: SpanFilter, act: AdminAct): Promise<VoidPreview> {
  const query = eventQuery(filter, spanOf(filter, null), NOT_VOIDED);
  const preview = async (client: Queryable): Promise<VoidPreview> => {
    const events = await countEvents(client, query);
    if (events === null || events > MOST_EVENTS) return { events, boards: null };
    await client.query('SAVEPOINT preview');
    try {
      const found = await search<{ userId: string }>(client, query, {
        columns: 'e.user_id AS "userId"',
        behind: null,
        limit: MOST_EVENTS,
        ms: SEARCH_MS,
      });
      if (found.rest !== null && found.items.length < events) return { events, boards: null };
      await client.query("SELECT set_config('enable_sort', 'on', true)");
      const items = withIds(found.items, { id: 'evt', userId: 'usr' });
      return { events: items.length, boards: items.length === 0 ? [] : await tryOut(client, items, act) };
    } catch (error) {
      if (errorCode(error) !== SQLSTATE.queryCanceled) throw error;
      return { events, boards: null };
    } finally {
      // Gives back the locks too, and takes the limit back.
      await client.query('ROLLBACK TO preview');
    }
  };
  try {
    return await inTurn(pool, 'preview of a void', () => transact(pool, preview));
  } catch (error) {
    throw isOutOfRange(error) ? outOfRange() : error;
  }
}

async function tryOut(
  client: Queryable,
  events: readonly { readonly id: string; readonly userId: string }[],
  { amend = false }: AdminAct,
): Promise<Board[] | null> {
  const ids = idParameters(
    'evt',
    events.map(({ id }) => id),
  );
  const { rows: boards } = await client.query<{ id: string; season: number }>(
    `SELECT DISTINCT leaderboard_id AS id, season FROM (${BOARDS_OF_EVENTS}) b ORDER BY 1, 2 LIMIT ${MOST_BOARDS}`,
    ids,
  );
  const until = performance.now() + TRY_MS;
  const limit = () =>
    client.query(`SET LOCAL statement_timeout = ${Math.max(1, Math.ceil(until - performance.now()))}`);
  await limit();
  const before = new Map<(typeof boards)[number], (Standing & { displayName: string })[]>();
  for (const board of boards) {
    const { rows } = await client.query<Standing & { displayName: string }>(FIRST, [board.id, board.season]);
    before.set(board, rows);
  }
  await limit();
  await correct(client, events, ['counted', 'held'], 'voided', 'a preview', { id: newId('aud'), amend });
  const after: Board[] = [];
  for (const [board, first] of before) {
    await limit();
    const { rows } = await client.query<Standing>(STAND, [
      board.id,
      board.season,
      first.map(({ userId }) => userId),
    ]);
    const standings = new Map(rows.map((row) => [row.userId, row]));
    const moves = first.flatMap((row): Move[] => {
      const { userId, displayName, score, rank } = row;
      const then = standings.get(userId);
      if (then?.rank === rank && then.score === score) return [];
      return [
        { userId, displayName, from: rank, to: then?.rank ?? null, score, scoreAfter: then?.score ?? null },
      ];
    });
    after.push({ ...board, moves: withIds(moves, { userId: 'usr' }) });
  }
  return after;
}
