import type { Queryable } from '../postgres/database.js';
import { type Job, type JobKind, job, Nothing } from './job.js';

const EVERY_MS = 60_000;
const ROWS = 5_000;

/** Deletes what is of no use any more, again and again: to ask for it makes it happen at once. */
export const PURGE: JobKind<typeof Nothing> = { name: 'purge', payload: Nothing, keyOf: () => 'all' };

/** Deletes at most so many rows of one table. @returns whether there may be more */
type Purge = (client: Queryable, limit: number) => Promise<boolean>;

export const purge = (purges: readonly Purge[]): Job =>
  job(PURGE, async (client) => {
    let isDone = true;
    for (const one of purges) if (await one(client, ROWS)) isDone = false;
    return { rest: {}, afterMs: isDone ? EVERY_MS : 0 };
  });
