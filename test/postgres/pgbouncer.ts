import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Test } from 'tap';
import { freePort } from '../../dev/free-port.js';
import { findTestProgram } from '../../dev/test-program.js';

/**
 * A real PgBouncer with its defaults before the server of a database. It ends with the test.
 * @returns the URL of the database through it
 */
export async function startPgBouncer(
  t: Test,
  databaseUrl: string,
  poolMode: 'session' | 'transaction',
): Promise<string> {
  const program = findTestProgram('pgbouncer');
  if (program === undefined) throw new Error('Run "npm test", which installs PgBouncer.');
  const folder = mkdtempSync(join(tmpdir(), 'scoreboard-pgbouncer-'));
  const { hostname, port, username, password } = new URL(databaseUrl);
  const through = new URL(databaseUrl);
  through.port = String(await freePort());
  const users = join(folder, 'users.txt');
  const file = join(folder, 'pgbouncer.ini');
  const config = `[databases]
* = host=${hostname} port=${port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${through.port}
unix_socket_dir =
auth_type = plain
auth_file = ${users}
pool_mode = ${poolMode}
stats_users = ${username}
`;
  writeFileSync(users, `"${username}" "${password}"\n`, { mode: 0o644 });
  writeFileSync(file, config, { mode: 0o644 });
  // It refuses to run as root.
  chmodSync(folder, 0o755);
  const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
  const running = spawn(program, [...user, file], { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = once(running, 'exit');
  t.teardown(async () => {
    running.kill('SIGKILL');
    await ended;
    rmSync(folder, { recursive: true, force: true });
  });
  const lines: string[] = [];
  for await (const line of createInterface({ input: running.stderr })) {
    lines.push(line);
    if (!/process up/.test(line)) continue;
    running.stderr.resume();
    return through.href;
  }
  throw new Error(`PgBouncer did not start:\n${lines.join('\n')}`);
}
