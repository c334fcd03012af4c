import { Type } from '@sinclair/typebox';
import { now } from '../clock.js';
import { type Job, type JobKind, job } from '../jobs/job.js';
import { makeNextPartition } from '../postgres/partitions.js';
import { dropNextTokens } from './purge-tokens.js';

const EVERY_MS = 600_000;
/** After a lock was not to be had: each try may hold up scores for 0.2 s. */
const AGAIN_MS = 60_000;

const Nothing = Type.Object({});

/** Makes the partitions of the times to come, and drops those of tokens that nobody can use any more: one at a time. */
export const PARTITIONS: JobKind<typeof Nothing> = {
  name: 'partitions',
  payload: Nothing,
  keyOf: () => 'all',
};

export const partitions: Job = job(PARTITIONS, async (client) => {
  const made = await makeNextPartition(client, now());
  // The locks of what was made are held until the bite ends.
  const result = made === 'more' ? made : await dropNextTokens(client);
  const isLate = made === 'later' || result === 'later';
  return { rest: {}, afterMs: isLate ? AGAIN_MS : result === 'more' ? 0 : EVERY_MS };
});
