import type { Bans } from '../access/bans.js';
import { instant } from '../clock.js';
import { isNotFound } from '../errors.js';
import { type Job, job } from '../jobs/job.js';
import type { BoardChange } from '../leaderboard/entry.js';
import { toUuid } from '../stored-ids.js';
import { END_BAN } from './end-ban.js';
import { liftBan, lockUser } from './user-acts.js';

/** Whether a ban has corrected final seasons too, by the line of the audit that has begun it. */
const AMENDS = `SELECT FROM admin_audit WHERE id = $1 AND details->>'amend' = 'true'`;

interface EndingOptions {
  /** Shows what is committed. */
  readonly leaderboards: { apply(changeId: string, changes: readonly BoardChange[]): Promise<void> };
  readonly bans: Pick<Bans, 'refresh'>;
  /** Names this instance in what it announces to the others. */
  readonly writer: string;
}

/**
 * Lifts a ban when its time has come. The row of the user decides, under its lock: a ban that was given a later end meanwhile goes
 * on until then, and one that was lifted or has no end any more is left alone. So it does not matter how often this runs, or how late.
 */
export const endBan = ({ leaderboards, bans, writer }: EndingOptions): Job =>
  job(END_BAN, async (client, payload) => {
    const user = await lockUser(client, payload.userId).catch((error: unknown) => {
      if (isNotFound(error)) return null;
      throw error;
    });
    if (user === null || user.bannedUntil === null) return {};
    if (user.bannedUntil > user.now) return { rest: payload, afterMs: user.bannedUntil - user.now };
    const amend =
      user.bannedBy !== null && (await client.query(AMENDS, [toUuid('aud', user.bannedBy)])).rowCount !== 0;
    const act = { actor: 'service', reason: null, amend };
    const done = await liftBan(client, user, { act, writer }, { until: instant(user.bannedUntil) });
    return {
      committed: async () => {
        if (done !== null) await leaderboards.apply(done.changeId, done.entries);
        await bans.refresh(user.id);
      },
    };
  });
