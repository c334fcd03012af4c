import { openSession } from './connection.js';
import type { Doing } from './migration-run.js';

/** What is known of a migration. Seconds are since it began, or since the wait for it did. */
export interface Told extends Partial<Doing> {
  readonly seconds?: number;
  readonly index?: string;
}

/** Takes what happens while the schema is changed. */
export type Report = (message: string, told: Told) => void;

const BUILD = `
SELECT phase, blocks_done AS done, blocks_total AS total, nullif(current_locker_pid, 0) AS locker
FROM pg_stat_progress_create_index WHERE pid = $1`;

interface Build {
  readonly phase: string;
  readonly done: number;
  readonly total: number;
  readonly locker: number | null;
}

/** Says of one migration after the other when it begins, at intervals how far it is, and when it ends. */
export class MigrationReports {
  readonly #report: Report;
  readonly #everyMs: number;
  /** How an index that is being built gets on. */
  readonly #index: () => Promise<string | undefined>;
  #timer: NodeJS.Timeout | undefined;

  constructor(report: Report, everyMs: number, index: () => Promise<string | undefined>) {
    this.#report = report;
    this.#everyMs = everyMs;
    this.#index = index;
  }

  /** @returns whom to tell that it has ended */
  begins(doing: Doing): () => void {
    const started = performance.now();
    const said = (more: Told = {}) => ({ ...known(doing), ...more, seconds: secondsSince(started) });
    this.#report('Migration begins', known(doing));
    this.#timer = setInterval(async () => {
      const timer = this.#timer;
      const index = await this.#index().catch(() => undefined);
      if (timer === this.#timer)
        this.#report('Migration goes on', said(index === undefined ? {} : { index }));
    }, this.#everyMs);
    return () => {
      this.stop();
      this.#report('Migration ends', said());
    };
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** @returns what to call again and again while another instance migrates, with what that one has noted */
  waits(): (noted: Told | undefined) => void {
    const started = performance.now();
    let said = -1;
    return (noted) => {
      const due = Math.floor((performance.now() - started) / this.#everyMs);
      if (due === said) return;
      said = due;
      this.#report('Waiting for another instance to migrate the database', {
        ...noted,
        seconds: secondsSince(started),
      });
    };
  }
}

/** How the index gets on that this session is building, asked for by another session; undefined if it builds none. */
export async function indexProgress(url: string, pid: number): Promise<string | undefined> {
  const options = { application_name: 'scoreboard-api migrate', connectionTimeoutMillis: 2_000 };
  const session = await openSession(url, options);
  try {
    const { rows } = await session.query<Build>(BUILD, [pid]);
    const [build] = rows;
    if (build === undefined) return undefined;
    const { phase, done, total, locker } = build;
    const part = total > 0 ? `, ${Math.floor((100 * done) / total)} %` : '';
    return `${phase}${locker === null ? part : ` (process ${locker})`}`;
  } finally {
    await session.end();
  }
}

const secondsSince = (started: number): number => Math.round((performance.now() - started) / 1000);

/** Without what is not known. */
const known = (doing: Doing): Told =>
  Object.fromEntries(Object.entries(doing).filter(([, value]) => value !== null));
