import { now } from '../clock.js';
import { type Job, type JobKind, job, Nothing } from '../jobs/job.js';
import { defaultPartitions, LARGEST_DEFAULT_BYTES, makeNextPartition } from '../postgres/partitions.js';
import { dropNextEvents } from './old-events.js';
import { dropNextTokens } from './purge-tokens.js';

const EVERY_MS = 600_000;
/** After a lock was not to be had: each try may hold up scores for 0.2 s. */
const AGAIN_MS = 60_000;

interface PartitionsOptions {
  /** How long events are kept, in seconds; null is for ever. */
  readonly retention: number | null;
  /** A month that should be dropped must stay. */
  readonly onKept: (month: string, why: string) => void;
  /** A default partition is so large that no partition can be made beside it. */
  readonly onLarge: (table: string, bytes: number) => void;
}

/**
 * Makes the partitions of the times to come, and drops those of tokens that nobody can use any more, and of events that are older than
 * the retention: one step at a time.
 */
export const PARTITIONS: JobKind<typeof Nothing> = {
  name: 'partitions',
  payload: Nothing,
  keyOf: () => 'all',
};

export const partitions = ({ retention, onKept, onLarge }: PartitionsOptions): Job =>
  job(PARTITIONS, async (client) => {
    const steps = [
      () => makeNextPartition(client, now()),
      () => dropNextTokens(client),
      ...(retention === null ? [] : [() => dropNextEvents(client, retention, onKept)]),
    ];
    let isLate = false;
    for (const step of steps) {
      const result = await step();
      // The locks that it has are held until the bite ends.
      if (result === 'more') return { rest: {}, afterMs: isLate ? AGAIN_MS : 0 };
      if (result === 'later') isLate = true;
    }
    for (const { table, bytes } of await defaultPartitions(client))
      if (bytes > LARGEST_DEFAULT_BYTES) onLarge(table, bytes);
    return { rest: {}, afterMs: isLate ? AGAIN_MS : EVERY_MS };
  });
