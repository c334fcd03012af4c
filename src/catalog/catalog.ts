import type pg from 'pg';
import type { Action } from '../../schemas/action.js';
import type { Leaderboard } from '../../schemas/leaderboard.js';
import { type AdminAct, audit } from '../audit.js';
import { announce } from '../changes/change.js';
import { errorCode } from '../error-code.js';
import { invalid, Problem } from '../errors.js';
import type { Limits } from '../ledger/limits.js';
import { type Queryable, transact } from '../postgres/database.js';
import { SQLSTATE } from '../postgres/errors.js';

/** A leaderboard as it is defined; what stands on it is for the projection to say. */
export type LeaderboardDefinition = Omit<Leaderboard, 'entries'>;

/** Limits that do not exist are absent, also from answers. */
const LEADERBOARDS = `
SELECT json_strip_nulls(json_build_object('id', id, 'title', title, 'sort', sort, 'operator', operator, 'season', season,
         'maxPointsPerMinute', max_points_per_minute)) AS definition
FROM leaderboards ORDER BY id`;
const ACTIONS = `
SELECT json_strip_nulls(json_build_object('id', a.id, 'title', a.title,
         'points', json_build_object('min', a.points_min, 'max', a.points_max), 'issuer', a.issuer,
         'minDurationMs', a.min_duration_ms, 'cooldownMs', a.cooldown_ms, 'dailyLimit', a.daily_limit,
         'leaderboards', ARRAY(SELECT leaderboard_id FROM action_leaderboards WHERE action_id = a.id ORDER BY 1)))
         AS definition
FROM actions a ORDER BY a.id`;

const PUT_LEADERBOARD = `
INSERT INTO leaderboards (id, title, sort, operator, max_points_per_minute) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (id) DO UPDATE SET title = excluded.title, sort = excluded.sort, operator = excluded.operator,
  max_points_per_minute = excluded.max_points_per_minute`;

const PUT_ACTION = `
INSERT INTO actions (id, title, points_min, points_max, issuer, min_duration_ms, cooldown_ms, daily_limit)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (id) DO UPDATE SET title = excluded.title, points_min = excluded.points_min,
  points_max = excluded.points_max, issuer = excluded.issuer, min_duration_ms = excluded.min_duration_ms,
  cooldown_ms = excluded.cooldown_ms, daily_limit = excluded.daily_limit`;

const DEMO_ACTIONS: readonly Action[] = [
  {
    id: 'collect-coin',
    title: 'Collect a coin',
    points: { min: 10, max: 10 },
    leaderboards: ['global'],
    issuer: 'player',
    minDurationMs: 0,
  },
  {
    id: 'finish-level',
    title: 'Finish a level',
    points: { min: 1, max: 100 },
    leaderboards: ['global'],
    issuer: 'player',
    minDurationMs: 1_000,
  },
  {
    id: 'win-match',
    title: 'Win a match',
    points: { min: 250, max: 250 },
    leaderboards: ['global'],
    issuer: 'server',
    minDurationMs: 0,
  },
];

/** Which leaderboards and actions there are: few, read at every request, so all of them are kept in the process. */
export class Catalog {
  readonly #pool: pg.Pool;
  readonly #listeners: (() => void)[] = [];
  #leaderboards = new Map<string, LeaderboardDefinition>();
  #actions = new Map<string, Action>();
  #limits = new Map<string, Limits>();
  #loading: Promise<void> = Promise.resolve();

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  get leaderboards(): LeaderboardDefinition[] {
    return [...this.#leaderboards.values()];
  }

  get actions(): Action[] {
    return [...this.#actions.values()];
  }

  action(id: string): Action | undefined {
    return this.#actions.get(id);
  }

  /** What bounds an action, or null. */
  limits(actionId: string): Limits | null {
    return this.#limits.get(actionId) ?? null;
  }

  /** @throws Problem `not-found` */
  leaderboard(id: string): LeaderboardDefinition {
    const leaderboard = this.#leaderboards.get(id);
    if (leaderboard === undefined) throw new Problem('not-found', `There is no leaderboard "${id}".`);
    return leaderboard;
  }

  onLoad(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Reads the catalog again. Loads follow one another, so that an older one cannot overwrite a newer one. */
  load(): Promise<void> {
    this.#loading = this.#loading.catch(() => {}).then(() => this.#load());
    return this.#loading;
  }

  async #load(): Promise<void> {
    const [leaderboards, actions] = await Promise.all([
      this.#pool.query<{ definition: LeaderboardDefinition }>(LEADERBOARDS),
      this.#pool.query<{ definition: Action }>(ACTIONS),
    ]);
    this.#leaderboards = new Map(leaderboards.rows.map(({ definition }) => [definition.id, definition]));
    this.#actions = new Map(actions.rows.map(({ definition }) => [definition.id, definition]));
    this.#limits = new Map(
      this.actions.flatMap((action) => {
        const limits = limitsOf(action, this.#leaderboards);
        return limits === null ? [] : [[action.id, limits] as const];
      }),
    );
    for (const listener of this.#listeners) listener();
  }

  /**
   * Creates or replaces a leaderboard, on all instances.
   * @throws Problem `leaderboard-in-use` if it has entries and would sort or count otherwise
   */
  async putLeaderboard(board: Omit<LeaderboardDefinition, 'season'>, act: AdminAct): Promise<void> {
    await transact(this.#pool, async (client) => {
      // Waits for batches that write to this board, and makes those that follow wait and then see what we have done.
      const { rows } = await client.query<Pick<LeaderboardDefinition, 'sort' | 'operator'>>(
        'SELECT sort, operator FROM leaderboards WHERE id = $1 FOR UPDATE',
        [board.id],
      );
      const [known] = rows;
      if (known !== undefined && (known.sort !== board.sort || known.operator !== board.operator)) {
        const entries = await client.query(
          'SELECT FROM scores WHERE leaderboard_id = $1 AND score IS NOT NULL LIMIT 1',
          [board.id],
        );
        if (entries.rowCount !== 0) {
          throw new Problem(
            'leaderboard-in-use',
            `The leaderboard "${board.id}" has entries: sort and operator stay ${known.sort} and ${known.operator}.`,
          );
        }
      }
      const { id, title, sort, operator, maxPointsPerMinute = null } = board;
      await client.query(PUT_LEADERBOARD, [id, title, sort, operator, maxPointsPerMinute]);
      await audit(client, act, 'put-leaderboard', id, board);
      await announce(client, { type: 'catalog' });
    });
    await this.load();
  }

  /**
   * Creates or replaces an action, on all instances.
   * @throws Problem `validation-failed` if it feeds a leaderboard that does not exist
   */
  async putAction(action: Action, act: AdminAct): Promise<void> {
    try {
      await transact(this.#pool, async (client) => {
        await writeAction(client, action);
        await audit(client, act, 'put-action', action.id, action);
        await announce(client, { type: 'catalog' });
      });
    } catch (error) {
      if (errorCode(error) !== SQLSTATE.foreignKeyViolation) throw error;
      throw invalid('/leaderboards', 'names a leaderboard that does not exist');
    }
    await this.load();
  }

  /** Adds the demo actions to a database that has no actions at all. */
  async seedDemoActions(): Promise<void> {
    await transact(this.#pool, async (client) => {
      // Of instances that start together one seeds; the others wait for it and find the actions there.
      await client.query('LOCK TABLE actions IN SHARE ROW EXCLUSIVE MODE');
      const { rowCount } = await client.query('SELECT FROM actions LIMIT 1');
      if (rowCount === 0) for (const action of DEMO_ACTIONS) await writeAction(client, action);
    });
  }
}

function limitsOf(
  { cooldownMs, dailyLimit, leaderboards }: Action,
  definitions: ReadonlyMap<string, LeaderboardDefinition>,
): Limits | null {
  const boards = leaderboards.flatMap((id) => {
    const { maxPointsPerMinute } = definitions.get(id) ?? {};
    return maxPointsPerMinute === undefined ? [] : [{ id, maxPointsPerMinute }];
  });
  return cooldownMs === undefined && dailyLimit === undefined && boards.length === 0
    ? null
    : { cooldownMs: cooldownMs ?? null, dailyLimit: dailyLimit ?? null, boards };
}

async function writeAction(client: Queryable, action: Action): Promise<void> {
  const { id, title, points, issuer, minDurationMs, leaderboards, cooldownMs, dailyLimit } = action;
  await client.query(PUT_ACTION, [
    id,
    title,
    points.min,
    points.max,
    issuer,
    minDurationMs,
    cooldownMs ?? null,
    dailyLimit ?? null,
  ]);
  await client.query('DELETE FROM action_leaderboards WHERE action_id = $1', [id]);
  await client.query(
    'INSERT INTO action_leaderboards (action_id, leaderboard_id) SELECT DISTINCT $1, unnest($2::text[])',
    [id, leaderboards],
  );
}
