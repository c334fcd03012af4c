import type pg from 'pg';
import { errorCode } from '../error-code.js';
import { SQLSTATE } from './errors.js';

/** True on a standby too. */
const IS_READ_ONLY = "SELECT current_setting('transaction_read_only') = 'on' AS \"isReadOnly\"";
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
    const { rows } = await this.#probe.query<{ isReadOnly: boolean }>(IS_READ_ONLY);
    this.#mayBeReadOnly = rows[0]?.isReadOnly !== false;
    if (this.#mayBeReadOnly) throw new Error('PostgreSQL is read-only');
    if (!this.#mayBeFull) return;
    await this.#probe.query(TAKE_ROOM);
    this.#mayBeFull = false;
  }
}
