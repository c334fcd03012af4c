import Fastify from 'fastify';
import { Redis } from 'ioredis';
import { userId } from './players.js';
import { answerUsage } from './usage.js';

/*
 * The least that can be called a leaderboard service: Fastify and a sorted set, without accounts, tokens, a ledger, limits, logs or
 * metrics. Started like the service in `server.ts`, with the number of entries.
 */

const BOARD = 'bare:global';
const NEIGHBOURS = 5;

const { REDIS_URL } = process.env;
if (REDIS_URL === undefined) throw new Error('REDIS_URL is missing');
const redis = new Redis(REDIS_URL);
const app = Fastify();

app.post<{ Body: { userId: string; points: number } }>(
  '/v1/scores',
  async ({ body: { userId, points } }) => ({
    status: 'counted',
    score: Number(await redis.zincrby(BOARD, points, userId)),
  }),
);

app.get<{ Querystring: { limit: string } }>('/v1/leaderboards/global/entries', async ({ query }) => ({
  items: entries(0, await redis.zrevrange(BOARD, 0, Number(query.limit) - 1, 'WITHSCORES')),
}));

app.get<{ Params: { userId: string } }>(
  '/v1/leaderboards/global/entries/:userId/around',
  async ({ params }) => {
    const place = (await redis.zrevrank(BOARD, params.userId)) ?? 0;
    const first = Math.max(0, place - NEIGHBOURS);
    return { items: entries(first, await redis.zrevrange(BOARD, first, place + NEIGHBOURS, 'WITHSCORES')) };
  },
);

function entries(first: number, answer: readonly string[]) {
  const items = [];
  for (let i = 0; i < answer.length; i += 2)
    items.push({ rank: first + i / 2 + 1, userId: answer[i], score: Number(answer[i + 1]) });
  return items;
}

const [users] = process.argv.slice(2).map(Number);
await redis.zadd(BOARD, ...Array.from({ length: users ?? 0 }, (_, n) => [n, userId(n)]).flat());
const address = await app.listen({ host: '127.0.0.1', port: 0 });
answerUsage();
process.on('disconnect', () => process.exit());
process.send?.(Number(new URL(address).port));
