import type { FastifyInstance } from 'fastify';
import { Entries } from '../schemas/leaderboard.js';
import { newId } from '../src/ids.js';
import { toUuid } from '../src/stored-ids.js';
import { userId } from './players.js';

/** The service, and modified services to compare it with. */
export const VARIANTS = {
  service: () => {},
  'constant receipt': constantReceipt,
  'transaction a request': transactionARequest,
  'constant top': constantTop,
} satisfies Record<string, (app: FastifyInstance) => void>;

export type Variant = keyof typeof VARIANTS;

export const isVariant = (name: string): name is Variant => name in VARIANTS;

/** The same route, checks and answer, but nothing is recorded. */
function constantReceipt(app: FastifyInstance): void {
  const leaderboards = [
    { id: 'global', season: 1, seasonEndsAt: null, score: 30, previousScore: 20, rank: 4, previousRank: 6 },
  ];
  const recorded = {
    eventId: 'evt_01kcx7g2c4f9f8r8w5w3v0y6hd',
    acceptedAt: Date.now(),
    status: 'counted' as const,
    leaderboards,
  };
  app.ledger.record = async () => recorded;
}

/** Adds the route `/constant/entries`, which always returns the same ten entries. */
function constantTop(app: FastifyInstance): void {
  const items = Array.from({ length: 10 }, (_, i) => ({
    rank: i + 1,
    userId: userId(i + 1),
    displayName: `Player ${i + 1}`,
    score: 1_000_000 - i,
    achievedAt: new Date().toISOString(),
  }));
  const page = { leaderboard: 'global', season: 1, seasonEndsAt: null, version: 1, total: 1_000, items };
  const nextCursor = 'x'.repeat(200);
  app.get('/constant/entries', { schema: { response: { 200: Entries } } }, async () => ({
    ...page,
    nextCursor,
  }));
}

const INSERT_TOKEN = `
INSERT INTO consumed_tokens (token_id, event_id, expires_at)
VALUES ($1, $2, to_timestamp($3)) ON CONFLICT DO NOTHING RETURNING token_id`;
const INSERT_EVENT = `
INSERT INTO score_events (id, user_id, action_id, token_id, points, accepted_at, boards)
VALUES ($1, $2, $3, $4, $5, now(), '{"global": 1}')`;
const UPSERT_SCORE = `
INSERT INTO scores AS s (leaderboard_id, season, user_id, score, sort_key, achieved_at, version)
VALUES ('global', 1, $1, $2::bigint, -$2::bigint, now(), 1)
ON CONFLICT (leaderboard_id, season, user_id) DO UPDATE
SET score = s.score + excluded.score, sort_key = s.sort_key + excluded.sort_key, achieved_at = now(),
    version = s.version + 1
RETURNING score`;

/** The usual implementation: the same checks, then a transaction of five statements for each request. */
function transactionARequest(app: FastifyInstance): void {
  app.ledger.record = async ({ tokenId, userId, actionId, points, tokenExpiresAt }) => {
    const eventId = newId('evt');
    const event = toUuid('evt', eventId);
    const token = toUuid('tok', tokenId);
    const user = toUuid('usr', userId);
    const client = await app.pg.pool.connect();
    try {
      await client.query('BEGIN');
      const { rowCount } = await client.query({
        name: 'token',
        text: INSERT_TOKEN,
        values: [token, event, tokenExpiresAt],
      });
      if (rowCount === 0) throw new Error('The token was consumed before');
      await client.query({
        name: 'event',
        text: INSERT_EVENT,
        values: [event, user, actionId, token, points],
      });
      const { rows } = await client.query<{ score: number }>({
        name: 'score',
        text: UPSERT_SCORE,
        values: [user, points],
      });
      await client.query('COMMIT');
      const score = rows[0]?.score ?? 0;
      const board = {
        id: 'global',
        season: 1,
        seasonEndsAt: null,
        score,
        previousScore: score - points,
        rank: null,
        previousRank: null,
      };
      return { eventId, acceptedAt: Date.now(), status: 'counted', leaderboards: [board] };
    } catch (error) {
      await client.query('ROLLBACK');
      throw error;
    } finally {
      client.release();
    }
  };
}
