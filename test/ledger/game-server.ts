import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { text } from 'node:stream/consumers';
import pg from 'pg';
import type { Test } from 'tap';
import { jwt } from '../../dev/mint.js';
import type { ProblemDocument } from '../../schemas/problem.js';
import type { Receipt } from '../../schemas/score.js';
import { errorCode } from '../../src/error-code.js';
import { types } from '../../src/postgres/database.js';
import { toUuids } from '../../src/stored-ids.js';
import { JWT_SECRET } from '../helper.js';
import { mint, typeId } from '../mint.js';

/** The action of these tests feeds one board of each operator; the sums are on `global`. */
export const ACTION = 'finish-race';
export const BOARDS = ['best-race', 'global', 'latest-race'] as const;

/** Adds boards, the action and players to a database. @returns the players' ids */
export async function prepare(databaseUrl: string, players: number): Promise<string[]> {
  return await withPool(databaseUrl, async (pool) => {
    await pool.query(`
      INSERT INTO leaderboards (id, title, sort, operator)
      VALUES ('best-race', 'Best', 'desc', 'best'), ('latest-race', 'Latest', 'asc', 'latest')`);
    await pool.query(`INSERT INTO actions VALUES ('${ACTION}', 'Finish a race', 0, 100000, 'server', 0)`);
    await pool.query('INSERT INTO action_leaderboards SELECT $1, unnest($2::text[])', [ACTION, BOARDS]);
    return await addPlayers(pool, players);
  });
}

export async function addPlayers(pool: pg.Pool, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, () => typeId('usr'));
  await pool.query(`INSERT INTO users (id, display_name) SELECT id, 'Player' FROM unnest($1::uuid[]) id`, [
    toUuids('usr', ids),
  ]);
  return ids;
}

/** A pool that the test owns: what it reads does not depend on the service under test. */
export function openPool(t: Test, databaseUrl: string, options: pg.PoolConfig = {}): pg.Pool {
  const pool = new pg.Pool({ connectionString: databaseUrl, types, ...options });
  pool.on('error', () => {});
  pool.on('connect', (client) => void client.on('error', () => {}));
  t.teardown(() => pool.end());
  return pool;
}

export async function withPool<T>(databaseUrl: string, work: (pool: pg.Pool) => Promise<T>): Promise<T> {
  const pool = new pg.Pool({ connectionString: databaseUrl, types });
  try {
    return await work(pool);
  } finally {
    await pool.end();
  }
}

export interface Token {
  readonly id: string;
  readonly userId: string;
  readonly points: number;
  readonly text: string;
}

export function newToken(userId: string, points: number, overrides: Record<string, unknown> = {}): Token {
  const id = typeId('tok');
  return {
    id,
    userId,
    points,
    text: mint(userId, { jti: id, act: ACTION, pts: [points, points], ...overrides }),
  };
}

export interface Answer {
  readonly token: Token;
  /** 0 if the connection broke before there was one. */
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly ms: number;
  readonly receipt: Receipt | undefined;
  readonly problem: ProblemDocument | undefined;
  /** Why there was no answer: ECONNREFUSED, ECONNRESET … */
  readonly fault?: string | undefined;
}

/**
 * Posts scores as a trusted game server does, over at most `connections` connections to each address. Not through the SDK:
 * fetch() has no limit of connections, and here a lost connection is an answer like any other, with its error code.
 */
export class GameServer {
  readonly #agent: Agent;
  readonly #authorization: string;

  constructor(t: Test, connections = 64) {
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections });
    t.teardown(() => this.#agent.destroy());
    const now = Math.floor(Date.now() / 1000);
    const claims = { iss: 'scoreboard-api', aud: 'scoreboard-api', sub: typeId('svc'), role: 'server' };
    this.#authorization = `Bearer ${jwt({ alg: 'HS256', typ: 'JWT' }, { ...claims, iat: now, exp: now + 3600 }, JWT_SECRET)}`;
  }

  async post(url: string, token: Token, metadata?: object): Promise<Answer> {
    const start = performance.now();
    const since = () => performance.now() - start;
    try {
      const outgoing = request(`${url}/v1/scores`, {
        method: 'POST',
        agent: this.#agent,
        headers: { authorization: this.#authorization, 'content-type': 'application/json' },
      });
      outgoing.end(JSON.stringify({ actionToken: token.text, metadata }));
      const [response] = await once(outgoing, 'response');
      const { statusCode: status, headers } = response;
      const body = JSON.parse(await text(response));
      const isReceipt = status === 200;
      return {
        token,
        status,
        retryAfter: headers['retry-after'],
        ms: since(),
        receipt: isReceipt ? body : undefined,
        problem: isReceipt ? undefined : body,
      };
    } catch (error) {
      const none = { retryAfter: undefined, receipt: undefined, problem: undefined };
      return { token, status: 0, ms: since(), fault: errorCode(error), ...none };
    }
  }
}

/** The same order each time, but no order that anybody would choose. */
export function shuffled<T>(items: readonly T[]): T[] {
  const result = [...items];
  let random = 42;
  for (let i = result.length - 1; i > 0; i--) {
    random = (random * 1_103_515_245 + 12_345) % 2 ** 31;
    const other = Math.floor((random / 2 ** 31) * (i + 1));
    result.splice(i, 1, ...result.splice(other, 1, ...result.slice(i, i + 1)));
  }
  return result;
}

export const sum = (numbers: Iterable<number>): number => [...numbers].reduce((total, n) => total + n, 0);

export function groupBy<T>(items: Iterable<T>, keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return groups;
}
