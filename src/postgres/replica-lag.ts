import type { Queryable } from './database.js';

/** Positions that are remembered. Above this number every other one is forgotten, which only makes a lag look longer. */
const MOST_POSITIONS = 256;

const PRIMARY = `
SELECT (pg_current_wal_lsn() - '0/0')::text AS position, substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) AS timeline`;
/**
 * Null if it is no standby: one that was promoted, or that is not told apart from the primary, follows nobody. What it receives is told
 * to roles with pg_read_all_stats; others learn of a new timeline when the standby has made its next restart point.
 */
const STANDBY = `
SELECT CASE WHEN pg_is_in_recovery() THEN (pg_last_wal_replay_lsn() - '0/0')::text END AS position,
       lpad(upper(to_hex(coalesce((SELECT received_tli FROM pg_stat_wal_receiver), (SELECT timeline_id FROM pg_control_checkpoint())))),
            8, '0') AS timeline`;

interface ReplicaLagOptions {
  readonly primary: Queryable;
  readonly replica: Queryable;
  /** The longest lag at which the replica may be read, in milliseconds. */
  readonly maxMs: number;
  /** The replica may be read now, or no longer. Called after a measurement, at the first one only if it may not. */
  readonly onChange: (isShort: boolean) => void;
}

/**
 * Measures how far a replica is behind: it has everything that was committed before the primary was at a position that the
 * replica has reached. The time of its last transaction would say nothing: on an idle primary it becomes older and older.
 *
 * What is not known counts as lag: the time since the last proof goes on while primary or replica do not answer.
 */
export class ReplicaLag {
  readonly #options: ReplicaLagOptions;
  /** Of the primary, oldest first, with the times on the clock of `performance.now()` at which they were asked for. */
  #positions: { readonly position: bigint; readonly at: number }[] = [];
  #timeline: string | null = null;
  #provenAt: number | undefined;
  readonly #since = performance.now();
  #wasShort = true;

  constructor(options: ReplicaLagOptions) {
    this.#options = options;
  }

  /** At most this far, in milliseconds; before the first proof the time since the start. */
  get ms(): number {
    return performance.now() - (this.#provenAt ?? this.#since);
  }

  /** Whether the replica may be read. */
  get isShort(): boolean {
    return this.#provenAt !== undefined && this.ms <= this.#options.maxMs;
  }

  /** Compares the positions of both. @throws what the queries throw */
  async measure(): Promise<void> {
    try {
      await this.#compare();
    } finally {
      const { isShort } = this;
      if (isShort !== this.#wasShort) this.#options.onChange(isShort);
      this.#wasShort = isShort;
    }
  }

  async #compare(): Promise<void> {
    const { primary, replica } = this.#options;
    // The time before the question: what is committed later may be behind the position.
    const at = performance.now();
    const { position, timeline } = await placeOf(primary, PRIMARY);
    if (position === null) throw new RangeError('The primary does not say its position');
    const last = this.#positions.at(-1);
    // Another primary, which took over: positions of the one before say nothing about it.
    if (timeline !== this.#timeline || (last !== undefined && position < last.position)) this.#positions = [];
    this.#timeline = timeline;
    this.#positions.push({ position, at });
    if (this.#positions.length > MOST_POSITIONS)
      this.#positions = this.#positions.filter((_, index) => index % 2 === 0);

    const reached = await placeOf(replica, STANDBY);
    // It still follows the primary of before, which may be ahead of the one of now.
    if (reached.timeline !== timeline) return;
    const ahead = this.#positions.findIndex(
      (known) => reached.position === null || known.position > reached.position,
    );
    const behind = ahead === -1 ? this.#positions.length : ahead;
    const newest = this.#positions[behind - 1];
    if (newest === undefined) return;
    this.#provenAt = newest.at;
    this.#positions = this.#positions.slice(behind - 1);
  }
}

interface Place {
  /** In bytes of the log of changes. */
  readonly position: bigint | null;
  /** A standby that becomes the primary begins a new one. */
  readonly timeline: string | null;
}

async function placeOf(database: Queryable, text: string): Promise<Place> {
  const { rows } = await database.query<{ position: string | null; timeline: string | null }>(text);
  const { position = null, timeline = null } = rows[0] ?? {};
  return { position: position === null ? null : BigInt(position), timeline };
}
