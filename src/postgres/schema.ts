import type pg from 'pg';
import Postgrator from 'postgrator';
import { UnfitDatabase } from './errors.js';
import type { MigrationReports } from './migration-reports.js';
import { type Migration, MigrationRun, notBegun, PROGRESS_TABLE } from './migration-run.js';
import { stepsOf } from './migration-steps.js';

/** The versions that a schema was at, and is at. */
interface Range {
  readonly from: number;
  readonly to: number;
}

/** The schema of a database, and the migrations that lead to it. */
export class Schema {
  readonly #client: pg.Client;
  readonly #postgrator: Postgrator;

  constructor(client: pg.Client, folder: string) {
    this.#client = client;
    this.#postgrator = new Postgrator({
      migrationPattern: `${folder}/*.sql`,
      driver: 'pg',
      schemaTable: 'schemaversion',
      validateChecksums: false,
      execQuery: (query: string) => client.query(query),
    });
  }

  /**
   * The version, if nothing is left to do for this code. Then it need not wait for anybody: instances of the version before start
   * while a newer one migrates.
   */
  async upToDate(): Promise<Range | null> {
    const version = await this.#postgrator.getDatabaseVersion();
    const newest = await this.#postgrator.getMaxVersion();
    if (version < newest) return null;
    const halfDone = await this.halfDone();
    if (halfDone !== undefined && halfDone.version <= newest) return null;
    await this.#validate(version);
    return { from: version, to: version };
  }

  /** A migration that has begun, and has not ended. */
  async halfDone(): Promise<Migration | undefined> {
    const { rowCount } = await this.#client.query("SELECT WHERE to_regclass('schemaprogress') IS NOT NULL");
    if (rowCount === 0) return undefined;
    const { rows } = await this.#client.query<Migration>(
      'SELECT version, action, name, step + 1 AS step, rows FROM schemaprogress LIMIT 1',
    );
    return rows[0];
  }

  /** Goes to a version, the newest by default. The caller holds the lock for it. */
  async migrate(
    target: number | undefined,
    reports: MigrationReports,
    signal: AbortSignal | undefined,
  ): Promise<Range> {
    const from = await this.#postgrator.getDatabaseVersion();
    const newest = await this.#postgrator.getMaxVersion();
    // A schema newer than this code belongs to a newer instance: it is left alone, not undone.
    const to = target ?? Math.max(from, newest);
    if (to >= from) await this.#validate(from);
    const migrations = this.#postgrator.getRunnableMigrations(from, to);
    const [first] = migrations;
    const halfDone = await this.halfDone();
    if (halfDone !== undefined && (first !== undefined || halfDone.version <= newest)) {
      const { version, action, name } = halfDone;
      if (version !== first?.version || action !== first.action)
        throw new UnfitDatabase(
          `Migration ${version} (${name}) is half ${action === 'do' ? 'done' : 'undone'}. End that first: npm run migrate -- ${action === 'do' ? version : version - 1}`,
        );
    }
    if (first === undefined) return { from, to };
    await this.#client.query(PROGRESS_TABLE);
    // It is at this version already: this makes the table schemaversion, and nothing else.
    await this.#postgrator.migrate(String(from));
    for (const migration of migrations) await this.#run(migration, reports, signal);
    return { from, to };
  }

  async #run(
    migration: Postgrator.Migration,
    reports: MigrationReports,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { version, action, name } = migration;
    const steps = stepsOf(migration.getSql());
    const doing = notBegun({ version, action, name });
    const ends = reports.begins(doing);
    const run = new MigrationRun(this.#client, steps ?? [], doing, signal);
    if (steps !== null) await run.toItsEnd();
    // Its row in schemaversion: with the migration itself if that is one transaction.
    await run.transaction(async () => {
      await this.#client.query('DELETE FROM schemaprogress WHERE version = $1', [version]);
      await this.#postgrator.runMigrations([steps === null ? migration : { ...migration, getSql: () => '' }]);
    });
    ends();
  }

  async #validate(version: number): Promise<void> {
    try {
      await this.#postgrator.validateMigrations(version);
    } catch (error) {
      if (!(error instanceof Error && /checksum failed/.test(error.message))) throw error;
      throw new UnfitDatabase(
        `${error.message}: this schema was made from other files, by another version of the service. Use a database of this version; for development, delete the folder .scoreboard.`,
        { cause: error },
      );
    }
  }
}
