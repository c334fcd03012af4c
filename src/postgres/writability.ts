import type pg from 'pg';
import { errorCode } from '../error-code.js';
import { SQLSTATE } from './errors.js';

/** On a standby every session is read-only. What the role and the database say holds for sessions that begin from now on. */
const IS_READ_ONLY = `
SELECT current_setting('transaction_read_only') = 'on' AS "isReadOnly", coalesce((
  SELECT split_part(setting, '=', 2)::boolean FROM pg_db_role_setting, unnest(setconfig) setting
  WHERE split_part(setting, '=', 1) = 'default_transaction_read_only'
    AND setrole IN (0, (SELECT oid FROM pg_roles WHERE rolname = session_user))
    AND setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
  ORDER BY setrole DESC, setdatabase DESC LIMIT 1
), false) AS "willBeReadOnly"`;
interface ReadOnly {
  readonly isReadOnly: boolean;
  readonly willBeReadOnly: boolean;
}
/** Sorts more than fits into so little memory, which takes room on the disk for a moment. */
const TAKE_ROOM = `
SELECT set_config('work_mem', '64kB', true);
SELECT count(*) FROM (SELECT FROM generate_series(1, 50000) n ORDER BY -n OFFSET 0) sorted`;

/** Whether PostgreSQL takes writes: not as a standby or otherwise read-only, nor while its disk is full. */
export class Writability {
  readonly #probe: pg.Pool;
  #mayBeReadOnly = false;
  #mayBeFull = false;

  /** @param probe a pool of one connection */
  constructor(probe: pg.Pool) {
    this.#probe = probe;
  }

  /** Takes note of a failed statement. */
  failed(error: unknown): void {
    const code = errorCode(error);
    if (code === SQLSTATE.readOnly) this.#mayBeReadOnly = true;
    if (code === SQLSTATE.diskFull) this.#mayBeFull = true;
  }

  /** @throws Error that says why there can be no writes, or what PostgreSQL fails with */
  async check(): Promise<void> {
    // Whether a database or role is read-only is decided when a session begins.
    if (this.#mayBeReadOnly) (await this.#probe.connect()).release(true);
    const { rows } = await this.#probe.query<ReadOnly>(IS_READ_ONLY);
    this.#mayBeReadOnly = rows[0]?.isReadOnly !== false;
    if (this.#mayBeReadOnly) throw new Error('PostgreSQL is read-only');
    if (rows[0]?.willBeReadOnly !== false) throw new Error('PostgreSQL is read-only for new sessions');
    if (!this.#mayBeFull) return;
    await this.#probe.query(TAKE_ROOM);
    this.#mayBeFull = false;
  }
}
