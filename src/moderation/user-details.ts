import type pg from 'pg';
import type { ModeratedEntry, ModeratedSession, ModeratedUserDetails } from '../../schemas/admin-user.js';
import type { ModeratedUser } from '../../schemas/moderation.js';
import { HOLDS_EXTERNAL_ID } from '../access/users.js';
import type { AuditLog } from '../audit.js';
import { boardKey } from '../board-key.js';
import { instant } from '../clock.js';
import { Problem } from '../errors.js';
import type { Sort } from '../leaderboard/entry.js';
import type { Leaderboards } from '../leaderboard/leaderboards.js';
import { milliseconds, rfc3339 } from '../postgres/sql.js';
import { inTurn } from '../postgres/turns.js';
import { toUuid, withIds } from '../stored-ids.js';
import type { Moderation } from './moderation.js';
import { MODERATED_USER } from './user-search.js';

const MAX_ENTRIES = 100;
const NEWEST = 20;

const USER = `SELECT ${MODERATED_USER} FROM users WHERE id = $1 AND ${HOLDS_EXTERNAL_ID}`;
/** The condition on the version is that of the index. */
const ENTRIES = `
SELECT l.id AS leaderboard, l.title, l.season, l.sort, coalesce(s.score, s.withheld_score) AS score,
       ${milliseconds('CASE WHEN s.score IS NULL THEN s.withheld_at ELSE s.achieved_at END')} AS "achievedAt",
       s.score IS NULL AS withheld
FROM scores s JOIN leaderboards l ON l.id = s.leaderboard_id AND l.season = s.season AND l.removed_at IS NULL
WHERE s.user_id = $1 AND s.version > 0 AND coalesce(s.score, s.withheld_score) IS NOT NULL
ORDER BY l.id LIMIT ${MAX_ENTRIES}`;
const SESSIONS = `
SELECT id, ${rfc3339('created_at')} AS "createdAt", ${rfc3339('refreshed_at')} AS "refreshedAt",
       ${rfc3339('expires_at')} AS "expiresAt", ${rfc3339('revoked_at')} AS "revokedAt"
FROM sessions WHERE user_id = $1 ORDER BY id DESC LIMIT ${NEWEST}`;

interface UserDetailsOptions {
  readonly pool: pg.Pool;
  readonly leaderboards: Pick<Leaderboards, 'standings'>;
  readonly moderation: Pick<Moderation, 'events'>;
  readonly auditLog: Pick<AuditLog, 'entries'>;
}

/** One user as an administrator sees it: with what it has done, and what was done about it. */
export class UserDetails {
  readonly #options: UserDetailsOptions;

  constructor(options: UserDetailsOptions) {
    this.#options = options;
  }

  /** @throws Problem `not-found`, also if the user was erased and is not banned */
  async of(userId: string): Promise<ModeratedUserDetails> {
    const { pool, moderation, auditLog } = this.#options;
    const user = await this.#read<ModeratedUser>(userId, USER);
    const [found] = withIds(user, { id: 'usr' });
    if (found === undefined) throw new Problem('not-found', `There is no user "${userId}".`);
    const ever = { from: null, to: null };
    return {
      ...found,
      entries: await this.#entries(userId),
      events: (await moderation.events({ userId }, ever, NEWEST, null)).items,
      sessions: withIds(await this.#read<ModeratedSession>(userId, SESSIONS), { id: 'ses' }),
      acts: (await inTurn(pool, userId, () => auditLog.entries({ target: userId }, ever, NEWEST, null)))
        .items,
    };
  }

  async #entries(userId: string): Promise<ModeratedEntry[]> {
    type Row = Omit<ModeratedEntry, 'rank' | 'achievedAt'> & { achievedAt: number; sort: Sort };
    const rows = await this.#read<Row>(userId, ENTRIES);
    const shown = rows.filter(({ withheld }) => !withheld);
    const standings = await this.#options.leaderboards.standings(
      shown.map(({ leaderboard, season, sort, score, achievedAt }) => ({
        board: boardKey(leaderboard, season),
        sort,
        userId,
        score,
        achievedAt,
      })),
    );
    const ranks = new Map(shown.map((row, i) => [row, standings[i]?.rank ?? null]));
    return rows.map((row) => {
      const { leaderboard, title, season, score, withheld } = row;
      const [achievedAt, rank] = [instant(row.achievedAt), ranks.get(row) ?? null];
      return { leaderboard, title, season, score, achievedAt, rank, withheld };
    });
  }

  async #read<Row extends pg.QueryResultRow>(userId: string, sql: string): Promise<Row[]> {
    const { pool } = this.#options;
    return (await inTurn(pool, userId, () => pool.query<Row>(sql, [toUuid('usr', userId)]))).rows;
  }
}
