import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { StartError } from '../src/start-error.js';
import { findPostgresPrograms, type PostgresPrograms } from './postgres-programs.js';

/** The files of one embedded PostgreSQL server. */
export interface PostgresFolder {
  directory: string;
  data: string;
  log: string;
  password: string;
  programs: PostgresPrograms;
}

/**
 * Opens a folder, and fills it where it is new. Several processes may do so at once: no lock file guards this, as
 * one could go stale; all is made aside and moved into place, and the first to do so wins.
 */
export async function openFolder(path: string, fsync: boolean): Promise<PostgresFolder> {
  fs.mkdirSync(path, { recursive: true, mode: 0o700 });
  const directory = fs.realpathSync(path);
  const data = join(directory, 'data');
  const programs = await findPostgresPrograms(data);
  const password = readPassword(join(directory, 'password'));
  const folder = { directory, data, log: join(directory, 'postgres.log'), password, programs };
  if (!fs.existsSync(data)) await createData(folder, fsync);
  programs.own(data);
  return folder;
}

function readPassword(file: string): string {
  if (!fs.existsSync(file)) {
    const draft = `${file}.${process.pid}`;
    try {
      fs.writeFileSync(draft, randomBytes(24).toString('base64url'), { mode: 0o600 });
      if (!fs.existsSync(file)) fs.linkSync(draft, file);
    } catch (error) {
      if (!fs.existsSync(file)) throw error;
    } finally {
      fs.rmSync(draft, { force: true });
    }
  }
  return fs.readFileSync(file, 'utf8');
}

async function createData({ directory, data, programs }: PostgresFolder, fsync: boolean): Promise<void> {
  removeLeftovers(directory);
  const draft = fs.mkdtempSync(join(directory, `initdb-${process.pid}-`));
  try {
    programs.own(draft);
    const made = await programs.initdb([
      ...['--pgdata', draft, '--username=postgres', `--pwfile=${join(directory, 'password')}`],
      ...['--auth=scram-sha-256', '--locale=C', '--encoding=UTF8', '--no-instructions'],
      // The password is random: it needs no stretching, and each connection would pay for that.
      '--set=scram_iterations=1',
      ...(fsync ? [] : ['--no-sync']),
    ]);
    if (!made.ok) throw startFault(made.output, directory);
    fs.renameSync(draft, data);
  } catch (error) {
    if (!fs.existsSync(data)) throw error;
  } finally {
    fs.rmSync(draft, { recursive: true, force: true });
  }
}

/** What a killed start left half made. */
function removeLeftovers(directory: string): void {
  for (const name of fs.readdirSync(directory)) {
    const pid = /^initdb-(\d+)-/.exec(name)?.[1];
    if (pid !== undefined && !isAlive(Number(pid))) fs.rmSync(join(directory, name), { recursive: true });
  }
}

/**
 * The port of the server on this data folder, if one runs. Removes a postmaster.pid whose number now belongs to
 * another program, as PostgreSQL would take that for itself; one of a dead process it replaces on its own.
 */
export function runningPort(data: string): number | undefined {
  const file = join(data, 'postmaster.pid');
  const written = fs.statSync(file, { throwIfNoEntry: false })?.mtimeMs;
  if (written === undefined) return undefined;
  const [pid = '', folder = '', , port] = textOf(file).split('\n');
  if (port !== undefined && commandLine(pid).includes(folder)) return Number(port);
  const isSettled = Date.now() - written > 5_000; // before that it may be half written
  if (isSettled && (port === undefined || isAlive(Number(pid)))) fs.rmSync(file, { force: true });
  return undefined;
}

function commandLine(pid: string): string {
  try {
    if (fs.existsSync('/proc/self/cmdline')) return fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    return execFileSync('ps', ['-p', pid, '-o', 'command='], { encoding: 'utf8' });
  } catch {
    return '';
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

export const textOf = (file: string) => (fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '');

export const shellQuote = (text: string) =>
  /^[\w./:-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;

/** Turns what initdb, pg_ctl, the server's log or the file system said into the one line that helps. */
export function startFault(report: string, directory: string): StartError {
  const [fatal, detail] =
    [...report.matchAll(/(?:FATAL|PANIC): +(.*)(?:\n.*DETAIL: +(.*))?/g)].at(-1)?.slice(1) ?? [];
  const cause = [fatal ?? report.trim().split('\n').at(-1), detail]
    .filter(Boolean)
    .join('; ')
    .replace(/\.$/, '');
  if (
    /no space left on device|check free disk space|quota exceeded/i.test(report) ||
    freeBytes(directory) < 1_000_000
  ) {
    return new StartError(
      `No space left on device: the database in ${directory} needs 100 MB of free disk; make room and start again`,
    );
  }
  if (/permission denied|not permitted|wrong ownership/i.test(report)) {
    return new StartError(
      `No permission for the database in ${directory} (${cause}): ` +
        'start as the user who owns that folder, or set DATABASE_URL',
    );
  }
  if (!fs.existsSync(join(directory, 'data'))) {
    return new StartError(`No database can be made in ${directory} (${cause}): set DATABASE_URL`);
  }
  const stamp = new Date().toISOString().replace(/\D/g, '').slice(0, 14);
  return new StartError(
    `The database in ${directory} does not start (${cause}). To begin with an empty one, move it away: ` +
      `mv ${shellQuote(directory)} ${shellQuote(`${directory}.broken-${stamp}`)}`,
  );
}

function freeBytes(directory: string): number {
  try {
    const { bavail, bsize } = fs.statfsSync(directory);
    return bavail * bsize;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
