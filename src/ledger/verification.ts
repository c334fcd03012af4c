import { boardKey } from '../board-key.js';
import { CLOCK_SLACK_MS, firstIdAt } from '../ids.js';
import { ByUser, pages } from '../postgres/cursor.js';
import type { Queryable } from '../postgres/database.js';
import { fromUuid, toUuid } from '../stored-ids.js';
import { CountedBoards } from './counted-boards.js';
import { REMEMBER_TOKENS_FOR } from './purge-tokens.js';
import { Recount, type Rules } from './standing.js';
import { claimOf, isWellFormed, ledgerText, storedText } from './stored-entry.js';
import {
  ABOUT_HOW_MANY,
  ARCHIVED,
  type ArchivedRow,
  BEGIN,
  type Difference,
  ENTRIES,
  type EntryRow,
  EVENTS,
  EVENTS_WITHOUT_TOKEN,
  HOW_MANY_TOKENS,
  type Scope,
  TOKENS_WITHOUT_EVENT,
  type TokenRow,
  WHEN_AND_WHAT,
  type YoungEventRow,
} from './verification-statements.js';
import { verifyDigests } from './verify-digests.js';

interface Counts {
  entries: number;
  /** Those that count for one of the boards. */
  events: number;
  /** Entries that are right if events, a few seconds apart, were recorded in another order than that of their times. */
  reordered: number;
}

/** What was verified. */
export interface Verified extends Readonly<Counts> {
  /** When the snapshot was taken, in milliseconds since 1970. */
  readonly at: number;
  readonly boards: number;
  /** Those that are remembered. Null if they were not verified, because they are of no leaderboard. */
  readonly tokens: number | null;
  /** Seasons whose digest was made again. */
  readonly finalSeasons: number;
  readonly differences: number;
}

interface Snapshot {
  readonly at: number;
  readonly boards: number;
  readonly isKnown: boolean;
  readonly isKnownSeason: boolean;
}

/**
 * The session of a verification: one process of PostgreSQL that ends at some time. It reads tables from beginning to end and sorts,
 * as if nothing of them were in memory: by an index it would fetch a page for each event, and crowd out those of the service.
 */
export const VERIFYING = {
  statement_timeout: '1h',
  idle_in_transaction_session_timeout: '1min',
  enable_seqscan: 'on',
  cursor_tuple_fraction: '1',
  effective_cache_size: '8MB',
  max_parallel_workers_per_gather: '0',
  work_mem: '64MB',
};

/** PostgreSQL sorts this many events at a time, in some 1.1 GB of temporary files: a ledger with more is read several times. */
const EVENTS_AT_ONCE = 10_000_000;

/**
 * Recounts every score from its events, in one snapshot of the database: scores may go on. Before that, in a snapshot of its own
 * because their partitions cannot be dropped meanwhile, compares consumed tokens with events. A page of rows and the boards of
 * one user are in memory at a time.
 * @param client a session of its own, see VERIFYING
 * @param onDifference called with each
 * @returns what there is not, if it is to be verified
 */
export async function verify(
  client: Queryable,
  scope: Scope,
  onDifference: (difference: Difference) => void,
  eventsAtOnce = EVENTS_AT_ONCE,
): Promise<Verified | 'no leaderboard' | 'no season'> {
  const { leaderboard = null, season = null } = scope;
  let differences = 0;
  const tell = (difference: Difference) => {
    differences++;
    onDifference(difference);
  };
  const inSnapshot = async <T>(work: () => Promise<T>): Promise<T> => {
    await client.query(BEGIN);
    const result = await work();
    await client.query('COMMIT');
    return result;
  };
  const tokens = leaderboard === null ? await inSnapshot(() => verifyTokens(client, tell)) : null;
  return await inSnapshot(async () => {
    const { rows } = await client.query<Snapshot>(WHEN_AND_WHAT, [leaderboard, season]);
    const [snapshot] = rows;
    if (snapshot?.isKnown !== true) return 'no leaderboard';
    if (!snapshot.isKnownSeason) return 'no season';
    const counts: Counts = { entries: 0, events: 0, reordered: 0 };
    const slices = Math.ceil((await aboutHowManyEvents(client)) / eventsAtOnce) || 1;
    for (let slice = 0; slice < slices; slice++)
      await verifyUsers(client, scope, [slices, slice], counts, tell);
    const finalSeasons = await verifyDigests(client, scope, tell);
    return { at: snapshot.at, boards: snapshot.boards, ...counts, tokens, finalSeasons, differences };
  });
}

async function aboutHowManyEvents(client: Queryable): Promise<number> {
  const { rows } = await client.query<{ 'QUERY PLAN': [{ Plan: { 'Plan Rows': number } }] }>(ABOUT_HOW_MANY);
  return rows[0]?.['QUERY PLAN'][0].Plan['Plan Rows'] ?? 0;
}

/** Goes through the entries and the events of one user after the other. */
async function verifyUsers(
  client: Queryable,
  scope: Scope,
  slice: readonly [slices: number, slice: number],
  counts: Counts,
  tell: (difference: Difference) => void,
): Promise<void> {
  const counted = new CountedBoards(client, scope);
  const { leaderboard = null, season = null } = scope;
  const entries = new ByUser(pages<EntryRow>(client, 'entries', ENTRIES, [...slice, leaderboard, season]));
  const archived = new ByUser(
    pages<ArchivedRow>(client, 'archived', ARCHIVED, [...slice, leaderboard, season]),
  );
  const events = new ByUser(counted.learn(pages(client, 'events', EVENTS, [...slice, leaderboard])));
  for (;;) {
    const userId = first(first(await entries.nextUser(), await archived.nextUser()), await events.nextUser());
    if (userId === undefined) break;
    const boards = new Map<string, { readonly row: EntryRow | null; readonly recount: Recount }>();
    await entries.takeAll(userId, (row) => {
      counts.entries++;
      const board = boardKey(row.leaderboard, row.season).text;
      boards.set(board, { row, recount: new Recount(row, claimOf(row)) });
    });
    const add = (board: string, rules: Rules, ...event: Parameters<Recount['add']>) => {
      const entry = boards.get(board) ?? { row: null, recount: new Recount(rules, null) };
      boards.set(board, entry);
      entry.recount.add(...event);
    };
    // Whatever the operator, it is as if one event had brought what all archived ones have.
    await archived.takeAll(userId, ({ leaderboard: id, season: of, points, at, ...rules }) =>
      add(boardKey(id, of).text, rules, BigInt(points), at, at, true),
    );
    await events.takeAll(userId, ({ boards: of, points, at, achieved }) => {
      const countsFor = counted.of(of);
      if (countsFor.length > 0) counts.events++;
      for (const { board, rules } of countsFor) add(board, rules, BigInt(points), at, achieved);
    });
    for (const [board, { row, recount }] of boards) {
      const judgement = isWellFormed(row) ? recount.judge() : 'wrong';
      if (judgement === 'right in another order') counts.reordered++;
      if (judgement === 'wrong') {
        const ledger = ledgerText(recount.standing, row);
        tell({ of: `${board} ${fromUuid('usr', userId)}`, stored: storedText(row), ledger });
      }
    }
  }
}

const first = (a: string | undefined, b: string | undefined): string | undefined =>
  a === undefined || (b !== undefined && b < a) ? b : a;

/** Each consumed token belongs to the event that it names, and each event that is young enough has its token. */
async function verifyTokens(client: Queryable, tell: (difference: Difference) => void): Promise<number> {
  const { rows } = await client.query<{ tokens: number; at: number }>(HOW_MANY_TOKENS);
  const [{ tokens, at } = { tokens: 0, at: 0 }] = rows;
  for await (const page of pages<TokenRow>(client, 'tokens', TOKENS_WITHOUT_EVENT, []))
    for (const { tokenId, eventId, tokenOfEvent } of page)
      tell({
        of: `consumed token ${tok(tokenId)}`,
        stored: `counted as ${evt(eventId)}`,
        ledger: tokenOfEvent === null ? 'no such event' : `${evt(eventId)} is of ${tok(tokenOfEvent)}`,
      });
  // A token expires after its event was accepted, or a moment before.
  const young = at - REMEMBER_TOKENS_FOR * 1000 + CLOCK_SLACK_MS;
  const from = toUuid('evt', firstIdAt('evt', young - CLOCK_SLACK_MS));
  for await (const page of pages<YoungEventRow>(client, 'young', EVENTS_WITHOUT_TOKEN, [young, from]))
    for (const { eventId, tokenId, eventOfToken } of page)
      tell({
        of: `event ${evt(eventId)}`,
        stored: `${tok(tokenId)} is ${eventOfToken === null ? 'not consumed' : `counted as ${evt(eventOfToken)}`}`,
        ledger: `counted for ${tok(tokenId)}`,
      });
  return tokens;
}

const tok = (uuid: string): string => fromUuid('tok', uuid);
const evt = (uuid: string): string => fromUuid('evt', uuid);
