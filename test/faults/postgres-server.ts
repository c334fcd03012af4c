import { execFileSync } from 'node:child_process';
import { chownSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { Test } from 'tap';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../dev/embedded-postgres.js';
import { seedDemoActions } from '../../src/catalog/demo-actions.js';
import { migrate } from '../../src/postgres/migrate.js';

/** Data that was passed to the operating system survives a killed process, so fsync may be off. */
const SETTINGS = { synchronous_commit: 'on', full_page_writes: 'on' };

/** A PostgreSQL server for one test, which can be killed and started again. It ends with the test. */
export class PostgresServer {
  readonly directory: string;
  readonly #settings: Record<string, string>;
  #running: EmbeddedPostgres | undefined;

  private constructor(directory: string, settings: Record<string, string>) {
    this.directory = directory;
    this.#settings = settings;
  }

  /** @param where its folder is made */
  static async start(
    t: Test,
    settings: Record<string, string> = {},
    where = tmpdir(),
  ): Promise<PostgresServer> {
    const server = PostgresServer.#on(t, mkdtempSync(join(where, 'scoreboard-postgres-')), settings);
    await server.start();
    return server;
  }

  static #on(t: Test, directory: string, settings: Record<string, string>): PostgresServer {
    const server = new PostgresServer(directory, settings);
    t.teardown(async () => {
      await server.#running?.stop();
      rmSync(directory, { recursive: true, force: true });
    });
    return server;
  }

  /** The URL of its database `scoreboard`; the port changes with each start. */
  get url(): string {
    if (this.#running === undefined) throw new Error('This server does not run');
    return this.#running.url;
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  async start(): Promise<void> {
    this.#running = await startEmbeddedPostgres({
      directory: this.directory,
      fsync: false,
      settings: { ...SETTINGS, ...this.#settings },
    });
  }

  /** Gives the database its schema, and the demo actions. */
  async prepare(): Promise<void> {
    await migrate(this.url);
    const pool = new pg.Pool({ connectionString: this.url });
    await seedDemoActions(pool);
    await pool.end();
  }

  kill(signal: NodeJS.Signals): void {
    const [postmaster] = readFileSync(join(this.directory, 'data', 'postmaster.pid'), 'utf8').split('\n');
    process.kill(Number(postmaster), signal);
    this.#running = undefined;
  }

  /** A streaming replica: a copy of the files, taken while this server runs, that follows later changes. */
  async replica(t: Test): Promise<PostgresServer> {
    const directory = mkdtempSync(join(tmpdir(), 'scoreboard-replica-'));
    const data = join(directory, 'data');
    const settings = { max_standby_streaming_delay: '0' };
    const replica = PostgresServer.#on(t, directory, settings);
    const client = new pg.Client(this.url);
    await client.connect();
    await client.query("SELECT pg_backup_start('test', true)");
    execFileSync('cp', ['-a', `${this.directory}/.`, directory]);
    const { rows } = await client.query<{ label: string }>(
      'SELECT labelfile AS label FROM pg_backup_stop(false)',
    );
    await client.end();
    rmSync(join(data, 'postmaster.pid'));
    const { hostname, port, username, password } = new URL(this.url);
    const { uid, gid } = statSync(data);
    for (const [name, content] of [
      ['backup_label', rows[0]?.label ?? ''],
      ['standby.signal', ''],
      [
        'postgresql.auto.conf',
        `primary_conninfo = 'host=${hostname} port=${port} user=${username} password=${password}'\n`,
      ],
    ] as const) {
      writeFileSync(join(data, name), content);
      chownSync(join(data, name), uid, gid);
    }
    await replica.start();
    return replica;
  }
}
