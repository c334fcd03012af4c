import type pg from 'pg';
import { Problem } from '../errors.js';

/** How many connections of a pool one key may hold. */
const AT_A_TIME = 2;
const MAX_WAITING = 64;
/** As long as for a free connection of the pool. */
const PATIENCE_MS = 2_000;

interface Line {
  working: number;
  /** In the order of their arrival. */
  readonly waiting: Set<() => void>;
}

const lines = new WeakMap<pg.Pool, Map<string, Line>>();

/**
 * Does what needs a connection of the pool on behalf of `key`, a user or whatever else many requests may be about at once.
 * Two are done at a time, and the others wait without a connection: those who wait for one row, or are just many, leave the
 * pool to everybody else. With workers or several instances a key may hold two of each: their pools are apart as well. Must not be called again for the same key within `work`: two such would wait for each other.
 * @throws Problem `rate-limited` if too many wait, or for too long
 */
export async function inTurn<T>(pool: pg.Pool, key: string, work: () => Promise<T>): Promise<T> {
  const ofPool = lines.get(pool) ?? new Map<string, Line>();
  lines.set(pool, ofPool);
  const line = ofPool.get(key) ?? { working: 0, waiting: new Set() };
  ofPool.set(key, line);
  if (line.working < AT_A_TIME) line.working++;
  else await turnIn(line);
  try {
    return await work();
  } finally {
    // Whoever is next takes over this turn.
    const [next] = line.waiting;
    if (next !== undefined) next();
    else if (--line.working === 0) ofPool.delete(key);
  }
}

function turnIn({ waiting }: Line): Promise<void> {
  if (waiting.size >= MAX_WAITING) throw tooMany();
  return new Promise((resolve, reject) => {
    const begin = () => {
      clearTimeout(timer);
      waiting.delete(begin);
      resolve();
    };
    const timer = setTimeout(() => {
      waiting.delete(begin);
      reject(tooMany());
    }, PATIENCE_MS);
    waiting.add(begin);
  });
}

const tooMany = (): Problem =>
  new Problem('rate-limited', 'Too many requests about the same at once. Try again in 1 s.', {
    retryAfter: 1,
  });
