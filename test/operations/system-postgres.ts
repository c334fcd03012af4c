import { execFile } from 'node:child_process';
import { appendFileSync, chownSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { Test } from 'tap';
import { freePort } from '../../dev/free-port.js';
import { findTestProgram } from '../../dev/test-program.js';

interface Setup {
  /** Further lines of postgresql.conf. @param folder that the server may write to */
  readonly settings?: (folder: string) => string;
  /** Of the environment of the server, and of what `sh` runs. */
  readonly variables?: (folder: string, port: number) => NodeJS.ProcessEnv;
}

/**
 * The system's PostgreSQL server and its programs, because the embedded server has no pg_dump, and pg_dump cannot read a
 * server that is newer than itself. It ends with the test.
 */
export class SystemPostgres {
  readonly #programs: string;
  readonly #port: number;
  readonly #folder: string;
  readonly #owner: { uid: number; gid: number } | undefined;
  readonly #environment: NodeJS.ProcessEnv;

  private constructor(programs: string, port: number, { variables }: Setup) {
    this.#programs = programs;
    this.#port = port;
    this.#folder = mkdtempSync(join(tmpdir(), 'scoreboard-system-postgres-'));
    this.#owner = serverUser();
    if (this.#owner !== undefined) chownSync(this.#folder, this.#owner.uid, this.#owner.gid);
    this.#environment = {
      PATH: `${programs}:${process.env['PATH']}`,
      PGDATA: join(this.#folder, 'data'),
      PGHOST: '127.0.0.1',
      PGPORT: String(port),
      PGUSER: 'postgres',
      ...variables?.(this.#folder, port),
    };
  }

  static async start(t: Test, setup: Setup = {}): Promise<SystemPostgres> {
    const initdb = findTestProgram('initdb');
    if (initdb === undefined) throw new Error('Run "npm test", which installs PostgreSQL.');
    // PATH may contain only a link to this program.
    const server = new SystemPostgres(dirname(realpathSync(initdb)), await freePort(), setup);
    const folder = server.#folder;
    await server.sh('initdb --username=postgres --auth=trust --encoding=UTF8 --locale=C --no-sync');
    t.teardown(async () => {
      try {
        await server.sh('pg_ctl stop --mode=immediate');
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    });
    const settings = [
      `port = ${server.#port}`,
      `listen_addresses = '127.0.0.1'`,
      `unix_socket_directories = ''`,
      'fsync = off',
      setup.settings?.(folder) ?? '',
    ];
    appendFileSync(join(folder, 'data/postgresql.conf'), settings.join('\n'));
    await server.sh('pg_ctl start --wait --log=server.log');
    return server;
  }

  url(database: string, role = 'postgres'): string {
    return `postgres://${role}@127.0.0.1:${this.#port}/${database}`;
  }

  /** Runs a program of the server's installation. */
  async run(program: string, ...args: string[]): Promise<void> {
    await promisify(execFile)(join(this.#programs, program), args);
  }

  /** Runs commands of a shell as the user of the server, and ends at the first that fails. */
  async sh(commands: string): Promise<void> {
    const options = { ...this.#owner, cwd: this.#folder, env: this.#environment };
    await promisify(execFile)('/bin/sh', ['-ec', commands], options);
  }

  /** Ends the server as a power failure does. */
  kill(): void {
    const [postmaster] = readFileSync(join(this.#folder, 'data/postmaster.pid'), 'utf8').split('\n');
    process.kill(Number(postmaster), 'SIGKILL');
  }
}

/** The server refuses to run as root. */
function serverUser(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const [, , uid, gid] = /^nobody:.*$/m.exec(readFileSync('/etc/passwd', 'utf8'))?.[0].split(':') ?? [];
  return { uid: Number(uid), gid: Number(gid) };
}
