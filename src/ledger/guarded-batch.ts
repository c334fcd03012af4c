import type pg from 'pg';
import type { Problem } from '../errors.js';
import { CLOCK_SLACK_MS, firstIdAt } from '../ids.js';
import { type Queryable, transact } from '../postgres/database.js';
import { type Attempt, actionSince, judge, type Past, pointsSince } from './limits.js';
import { limitReached, noSuchUser } from './refusals.js';
import { CONSUMED_TOKENS, LOCK_FREE_PLAYERS, PAST_DAYS, PAST_POINTS } from './statements.js';
import { type BatchRow, type Entrant, type Pending, recordBatch } from './submission.js';

interface Player {
  readonly id: string;
  readonly banned: boolean;
  /** By somebody else. */
  readonly locked: boolean;
  /** When the transaction began, in milliseconds since 1970, to the microsecond. */
  readonly now: number;
}

interface Guarded {
  /** What was sent to the ledger, and the rows of the answer. */
  readonly entrants: readonly Pending[];
  readonly rows: readonly BatchRow[];
  /** What was not sent, because a limit was reached. Such tokens are not consumed. */
  readonly refused: Map<Pending, Problem>;
  /** What was not sent, because its users are locked by somebody else. */
  readonly locked: Pending[];
}

/**
 * Records a batch of submissions that have limits: one transaction. First it takes the locks of the users, as the statement
 * that records would, so that whatever another instance does for them is either there to be seen or waits.
 */
export async function recordGuarded(
  pool: pg.Pool,
  batch: readonly Pending[],
  writer: string,
  changeId: string,
  timeoutMs: number,
): Promise<Guarded> {
  // Before the transaction begins: measured later, a submission would seem to have arrived earlier than it did, and than one that
  // was answered before it.
  const start = performance.now();
  return await transact(
    pool,
    async (client) => {
      const ask = asking(client, start + timeoutMs);
      const rowsOfPlayers = await ask<Player>(LOCK_FREE_PLAYERS, [unique(batch, ({ userId }) => userId)]);
      const players = new Map(rowsOfPlayers.map((player) => [player.id, player]));

      const consumed = new Set(
        (await ask<{ tokenId: string }>(CONSUMED_TOKENS, [unique(batch, ({ tokenId }) => tokenId)])).map(
          ({ tokenId }) => tokenId,
        ),
      );
      const refused = new Map<Pending, Problem>();
      const locked: Pending[] = [];
      const ages = new Map<Pending, number>();
      // By token: one that comes twice at once is judged once.
      const attempts = new Map<string, Attempt>();
      for (const pending of batch) {
        const { userId, actionId, points, tokenId, limits } = pending;
        const player = players.get(userId);
        if (player === undefined) {
          refused.set(pending, noSuchUser(userId));
          continue;
        }
        if (player.locked) {
          locked.push(pending);
          continue;
        }
        // To the millisecond, as the ledger keeps it: what is judged and what is written is the same time.
        const at = Math.round(player.now - (start - pending.arrivedAt));
        ages.set(pending, player.now - at);
        // A submission that cannot count does not use up a limit. The statement that records the batch refuses it.
        if (limits === null || player.banned || consumed.has(tokenId) || attempts.has(tokenId)) continue;
        attempts.set(tokenId, { userId, actionId, points, at, limits });
      }
      const judged = judge([...attempts.values()], await readPast(ask, [...attempts.values()]));
      const verdicts = new Map([...attempts.keys()].map((tokenId, i) => [tokenId, judged[i]]));

      const entrants: Entrant[] = [];
      for (const [pending, age] of ages) {
        const verdict = verdicts.get(pending.tokenId);
        if (verdict?.result === 'refused')
          refused.set(pending, limitReached(pending.actionId, verdict.retryAfter));
        else entrants.push({ pending, age, held: verdict?.result === 'held' });
      }
      const { text, values = [], name } = recordBatch(entrants, writer, changeId);
      const rows = entrants.length === 0 ? [] : await ask<BatchRow>(text, values, name);
      return { entrants: entrants.map(({ pending }) => pending), rows, refused, locked };
    },
    timeoutMs,
  );
}

type Ask = <Row extends pg.QueryResultRow>(text: string, values: unknown[], name?: string) => Promise<Row[]>;

/** Queries that together may take until the deadline. */
const asking =
  (client: Queryable, deadline: number): Ask =>
  async (text, values, name) => {
    const query_timeout = Math.max(1, deadline - performance.now());
    const query = { text, values, query_timeout, ...(name !== undefined && { name }) };
    return (await client.query<never>(query)).rows;
  };

/** What is in the ledger that these attempts may come up against. */
async function readPast(ask: Ask, attempts: readonly Attempt[]): Promise<Past> {
  const actions = new Map<string, { userId: string; actionId: string; since: number }>();
  const boards = new Map<string, { userId: string; leaderboardId: string; since: number }>();
  for (const attempt of attempts) {
    const { userId, actionId, limits } = attempt;
    const since = actionSince(attempt);
    if (since !== null) {
      const key = `${userId} ${actionId}`;
      const earlier = actions.get(key)?.since ?? since;
      actions.set(key, { userId, actionId, since: Math.min(earlier, since) });
    }
    for (const { id: leaderboardId } of limits.boards) {
      const key = `${userId} ${leaderboardId}`;
      const earlier = boards.get(key)?.since ?? pointsSince(attempt);
      boards.set(key, { userId, leaderboardId, since: Math.min(earlier, pointsSince(attempt)) });
    }
  }
  const parameters = (wanted: readonly { userId: string; since: number }[], of: readonly string[]) => [
    wanted.map(({ userId }) => userId),
    of,
    wanted.map(({ since }) => firstIdAt('evt', since - CLOCK_SLACK_MS)),
    wanted.map(({ since }) => since),
  ];
  const days = [...actions.values()];
  const points = [...boards.values()];
  return {
    days:
      days.length === 0
        ? []
        : await ask(
            PAST_DAYS,
            parameters(
              days,
              days.map(({ actionId }) => actionId),
            ),
          ),
    points:
      points.length === 0
        ? []
        : await ask(
            PAST_POINTS,
            parameters(
              points,
              points.map(({ leaderboardId }) => leaderboardId),
            ),
          ),
  };
}

const unique = (batch: readonly Pending[], of: (pending: Pending) => string): string[] => [
  ...new Set(batch.map(of)),
];
