import type pg from 'pg';
import { now } from '../clock.js';
import type { Problem } from '../errors.js';
import { CLOCK_SLACK_MS, firstIdAt } from '../ids.js';
import { type Queryable, transact } from '../postgres/database.js';
import { toUuid, toUuids, withIds } from '../stored-ids.js';
import { publish } from '../webhooks/publish.js';
import { noteReasons } from './held-because.js';
import { type Attempt, actionSince, judge, type Past, pointsSince, type Usual } from './limits.js';
import { limitReached, noSuchUser } from './refusals.js';
import { CONSUMED_IDS, idParameters, LOCK_FREE_PLAYERS, PAST_DAYS, PAST_POINTS } from './statements.js';
import { type BatchRow, type Entrant, type Pending, recordBatch } from './submission.js';
import { usualPoints } from './usual-points.js';

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
      const rowsOfPlayers = await ask<Player>(LOCK_FREE_PLAYERS, [
        toUuids(
          'usr',
          unique(batch, ({ userId }) => userId),
        ),
      ]);
      const players = new Map(withIds(rowsOfPlayers, { id: 'usr' }).map((player) => [player.id, player]));

      const tokens = idParameters(
        'tok',
        unique(batch, ({ tokenId }) => tokenId),
      );
      const rowsOfTokens = await ask<{ tokenId: string }>(CONSUMED_IDS, tokens, 'consumed-ids');
      const consumed = new Set(withIds(rowsOfTokens, { tokenId: 'tok' }).map(({ tokenId }) => tokenId));
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
      const judged = judge([...attempts.values()], await readPast(pool, ask, [...attempts.values()]));
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
      const held = heldOf(entrants, rows);
      await noteReasons(
        client,
        held.flatMap(({ eventId, tokenId }) => {
          const verdict = verdicts.get(tokenId);
          return verdict?.result === 'held' ? [{ eventId, because: verdict.because }] : [];
        }),
      );
      await publishHeld(client, held);
      return { entrants: entrants.map(({ pending }) => pending), rows, refused, locked };
    },
    timeoutMs,
  );
}

/** What is recorded, and waits for an administrator. */
const heldOf = (entrants: readonly Entrant[], rows: readonly BatchRow[]): Pending[] =>
  rows.flatMap(({ index, acceptedAt, held }) =>
    held && acceptedAt !== null ? (entrants[index]?.pending ?? []) : [],
  );

/** Tells webhooks of it. */
async function publishHeld(client: Queryable, held: readonly Pending[]): Promise<void> {
  const events = held.map(({ eventId, userId, actionId: action, points }) => ({
    type: 'event.held' as const,
    data: { eventId, userId, action, points },
  }));
  await publish(client, ...events);
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
async function readPast(pool: pg.Pool, ask: Ask, attempts: readonly Attempt[]): Promise<Past> {
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
    toUuids(
      'usr',
      wanted.map(({ userId }) => userId),
    ),
    of,
    wanted.map(({ since }) => since),
    toUuid('evt', firstIdAt('evt', Math.min(...wanted.map(({ since }) => since)) - CLOCK_SLACK_MS)),
    toUuid('evt', firstIdAt('evt', now() + 2 * CLOCK_SLACK_MS)),
  ];
  const wantedDays = [...actions.values()];
  const ofActions = wantedDays.map(({ actionId }) => actionId);
  const wantedPoints = [...boards.values()];
  const ofBoards = wantedPoints.map(({ leaderboardId }) => leaderboardId);
  const days =
    wantedDays.length === 0
      ? []
      : await ask<Past['days'][number]>(PAST_DAYS, parameters(wantedDays, ofActions));
  const points =
    wantedPoints.length === 0
      ? []
      : await ask<Past['points'][number]>(PAST_POINTS, parameters(wantedPoints, ofBoards));
  const bounded = attempts.filter(({ limits }) => limits.maxRobustZ !== undefined);
  const usual = await usualPoints(pool, new Set(bounded.map(({ actionId }) => actionId)), (text, values) =>
    ask<Usual>(text, values),
  );
  return { days: withIds(days, { userId: 'usr' }), points: withIds(points, { userId: 'usr' }), usual };
}

const unique = (batch: readonly Pending[], of: (pending: Pending) => string): string[] => [
  ...new Set(batch.map(of)),
];
