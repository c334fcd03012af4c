import { execFile } from 'node:child_process';
import { chownSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { Test } from 'tap';
import { freePort } from '../../dev/free-port.js';
import { findTestProgram } from '../../dev/test-program.js';

/**
 * The system's PostgreSQL server and its programs, because the embedded server has no pg_dump, and pg_dump cannot read a
 * server that is newer than itself. It ends with the test.
 */
export class SystemPostgres {
  readonly #programs: string;
  readonly #port: number;

  private constructor(programs: string, port: number) {
    this.#programs = programs;
    this.#port = port;
  }

  static async start(t: Test): Promise<SystemPostgres> {
    const initdb = findTestProgram('initdb');
    if (initdb === undefined) throw new Error('Run "npm test", which installs PostgreSQL.');
    // PATH may contain only a link to this program.
    const server = new SystemPostgres(dirname(realpathSync(initdb)), await freePort());
    const folder = mkdtempSync(join(tmpdir(), 'scoreboard-system-postgres-'));
    const owner = serverUser();
    if (owner !== undefined) chownSync(folder, owner.uid, owner.gid);
    const data = ['--pgdata', join(folder, 'data')];
    const settings = `-p ${server.#port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -F`;
    const run = (program: string, ...args: string[]) =>
      promisify(execFile)(join(server.#programs, program), [...data, ...args], { ...owner, cwd: folder });
    await run('initdb', '--username=postgres', '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-sync');
    t.teardown(async () => {
      await run('pg_ctl', 'stop', '--mode=immediate');
      rmSync(folder, { recursive: true, force: true });
    });
    await run('pg_ctl', 'start', '--wait', '--log', join(folder, 'log'), '--options', settings);
    return server;
  }

  url(database: string): string {
    return `postgres://postgres@127.0.0.1:${this.#port}/${database}`;
  }

  /** Runs a program of the server's installation. */
  async run(program: string, ...args: string[]): Promise<void> {
    await promisify(execFile)(join(this.#programs, program), args);
  }
}

/** The server refuses to run as root. */
function serverUser(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const [, , uid, gid] = /^nobody:.*$/m.exec(readFileSync('/etc/passwd', 'utf8'))?.[0].split(':') ?? [];
  return { uid: Number(uid), gid: Number(gid) };
}
