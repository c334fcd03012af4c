import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { StartError } from '../src/start-error.js';

interface Program {
  /** In the words of a sentence. */
  readonly what: string;
  /** Any of them does. */
  readonly names: readonly string[];
  /** What each package manager calls it: the first that there is. One is absent if its name is not known. */
  readonly packages: Readonly<
    Partial<Record<(typeof PACKAGE_MANAGERS)[number]['program'], readonly string[]>>
  >;
  readonly byHand: string;
}

interface PackageManager {
  readonly program: string;
  readonly before?: string;
  readonly install: string;
  readonly asRoot: boolean;
}

const PACKAGE_MANAGERS = [
  {
    program: 'apt-get',
    before: 'apt-get update',
    install: 'apt-get install -y --no-install-recommends',
    asRoot: true,
  },
  { program: 'apk', install: 'apk add', asRoot: true },
  { program: 'dnf', install: 'dnf install -y', asRoot: true },
  { program: 'brew', install: 'brew install', asRoot: false },
] as const satisfies readonly PackageManager[];

const PROMETHEUS = {
  packages: {
    'apt-get': ['prometheus'],
    apk: ['prometheus'],
    dnf: ['golang-github-prometheus', 'prometheus'],
    brew: ['prometheus'],
  },
  byHand: 'install Prometheus 2.42 or newer, so that prometheus and promtool are on PATH',
};

const MONO = {
  packages: {
    'apt-get': ['mono-mcs libmono-system-net-http4.0-cil'],
    apk: ['mono'],
    dnf: ['mono-devel'],
    brew: ['mono'],
  },
  byHand: 'install Mono 6, so that mono and mcs are on PATH',
};

const REDIS = {
  packages: { 'apt-get': ['redis-server'], apk: ['redis'], dnf: ['redis', 'valkey'], brew: ['redis'] },
};

const PROGRAMS = {
  'redis-server': {
    what: 'a Redis server',
    names: ['redis-server', 'valkey-server'],
    ...REDIS,
    byHand: 'install Redis 7 or Valkey, so that redis-server or valkey-server is on PATH',
  },
  'redis-cli': {
    what: 'redis-cli',
    names: ['redis-cli'],
    ...REDIS,
    byHand: 'install Redis 7, so that redis-cli is on PATH',
  },
  initdb: {
    what: 'the programs of a PostgreSQL server',
    names: ['initdb'],
    packages: {
      'apt-get': ['postgresql'],
      apk: ['postgresql'],
      dnf: ['postgresql-server'],
      brew: ['postgresql'],
    },
    byHand: 'install PostgreSQL 15 or newer, so that initdb and pg_basebackup are on PATH',
  },
  nginx: {
    what: 'nginx',
    names: ['nginx'],
    packages: { 'apt-get': ['nginx'], apk: ['nginx'], dnf: ['nginx'], brew: ['nginx'] },
    byHand: 'install nginx 1.22 or newer, so that nginx is on PATH',
  },
  caddy: {
    what: 'Caddy',
    names: ['caddy'],
    packages: { 'apt-get': ['caddy'], apk: ['caddy'], dnf: ['caddy'], brew: ['caddy'] },
    byHand: 'install Caddy 2.6 or newer, so that caddy is on PATH',
  },
  pgbouncer: {
    what: 'PgBouncer',
    names: ['pgbouncer'],
    packages: {
      'apt-get': ['pgbouncer'],
      apk: ['pgbouncer'],
      dnf: ['pgbouncer'],
      brew: ['pgbouncer'],
    },
    byHand: 'install PgBouncer 1.18 or newer, so that pgbouncer is on PATH',
  },
  pgbackrest: {
    what: 'pgBackRest',
    names: ['pgbackrest'],
    packages: {
      'apt-get': ['pgbackrest'],
      apk: ['pgbackrest'],
      dnf: ['pgbackrest'],
      brew: ['pgbackrest'],
    },
    byHand: 'install pgBackRest 2.45 or newer, so that pgbackrest is on PATH',
  },
  prometheus: { what: 'Prometheus', names: ['prometheus'], ...PROMETHEUS },
  promtool: { what: 'promtool', names: ['promtool'], ...PROMETHEUS },
  python3: {
    what: 'Python',
    names: ['python3'],
    packages: { 'apt-get': ['python3-venv'], apk: ['python3'], dnf: ['python3'], brew: ['python'] },
    byHand: 'install Python 3.11 or newer with its module venv, so that python3 is on PATH',
  },
  go: {
    what: 'Go',
    names: ['go'],
    packages: { 'apt-get': ['golang-go'], apk: ['go'], dnf: ['golang'], brew: ['go'] },
    byHand: 'install Go 1.19 or newer, so that go is on PATH',
  },
  mcs: { what: "Mono's C# compiler", names: ['mcs'], ...MONO },
  mono: { what: 'Mono', names: ['mono'], ...MONO },
  'nunit-console': {
    what: 'NUnit',
    names: ['nunit-console'],
    packages: { 'apt-get': ['nunit-console libnunit-framework2.6.3-cil'] },
    byHand: 'install NUnit 2.6 for Mono, so that nunit-console is on PATH',
  },
  chromium: {
    what: 'Chromium',
    // The shell is the same engine without windows: pages start in half the processor time.
    names: ['chromium-headless-shell', 'chromium', 'chromium-browser', 'google-chrome'],
    packages: {
      'apt-get': ['chromium-headless-shell'],
      apk: ['chromium'],
      dnf: ['chromium'],
      brew: ['--cask chromium'],
    },
    byHand: 'install Chromium or Chrome, so that chromium or google-chrome is on PATH',
  },
} as const satisfies Record<string, Program>;

/** A program that is no npm package, and that tests run. */
export type TestProgram = keyof typeof PROGRAMS;

/** Where servers also are, when PATH is that of an ordinary user or of an editor. */
const ELSEWHERE = [
  '/usr/sbin',
  '/usr/local/bin',
  '/usr/local/go/bin',
  '/opt/homebrew/bin',
  ...postgresFolders(),
];

/** Where Debian keeps the programs of PostgreSQL servers. */
function postgresFolders(): string[] {
  const folder = '/usr/lib/postgresql';
  return existsSync(folder) ? readdirSync(folder).map((version) => join(folder, version, 'bin')) : [];
}

/** The surroundings in which a program is looked for and installed; tests make up their own. */
export interface Machine {
  readonly path: string;
  /** Runs in the place of any Redis server: a file. */
  readonly redisServer?: string | undefined;
  readonly elsewhere: readonly string[];
  readonly isRoot: boolean;
  readonly log: (line: string) => void;
}

const thisMachine = (): Machine => ({
  path: process.env['PATH'] ?? '',
  redisServer: process.env['REDIS_SERVER'],
  elsewhere: ELSEWHERE,
  isRoot: process.getuid?.() === 0,
  log: console.error,
});

/**
 * The path of the program, if this machine has it. For redis-server, valkey-server is as good.
 * @throws StartError if REDIS_SERVER, which comes before PATH, is no program
 */
export function findTestProgram(program: TestProgram, machine = thisMachine()): string | undefined {
  if (program === 'redis-server' && machine.redisServer !== undefined) {
    if (isProgram(machine.redisServer)) return machine.redisServer;
    throw new StartError(`REDIS_SERVER is no program: ${machine.redisServer}`);
  }
  return PROGRAMS[program].names.map((name) => findOnPath(machine, name)).find((file) => file !== undefined);
}

/**
 * The path of a program, which is installed if there is none and the user of this process may do that without being
 * asked anything.
 * @throws StartError with the command to run, if there is none and none can be installed
 */
export function ensureTestProgram(program: TestProgram, machine = thisMachine()): string {
  const found = findTestProgram(program, machine);
  if (found !== undefined) return found;
  const { what, packages, byHand }: Program = PROGRAMS[program];
  const missing = (advice: string) =>
    new StartError(`The tests need ${what}, and there is none here: ${advice}`);
  const manager = PACKAGE_MANAGERS.find(({ program }) => findOnPath(machine, program) !== undefined);
  const names = manager && packages[manager.program];
  if (manager === undefined || names === undefined) throw missing(byHand);
  const needsSudo = manager.asRoot && !machine.isRoot;
  const command = commandOf(manager, names, needsSudo ? 'sudo ' : '');
  const maySudo = () => findOnPath(machine, 'sudo') !== undefined && succeeds(machine, 'sudo -n true 2>&-');
  if (!needsSudo || maySudo()) {
    machine.log(`The tests need ${what}; installing: ${command}`);
    // sudo hands on no variables, env does.
    succeeds(machine, commandOf(manager, names, needsSudo ? `sudo -n env ${QUIETLY.join(' ')} ` : ''));
  }
  const installed = findTestProgram(program, machine);
  if (installed === undefined) throw missing(`run: ${command}`);
  return installed;
}

function commandOf({ before, install }: PackageManager, names: readonly string[], sudo: string): string {
  const first = before === undefined ? '' : `${sudo}${before} && `;
  return first + names.map((name) => `${sudo}${install} ${name}`).join(' || ');
}

const foldersOf = ({ path, elsewhere }: Machine) => [
  ...path.split(delimiter).filter((folder) => folder !== ''),
  ...elsewhere,
];

/** A package that brings a service shall not start it: systemctl then says that it is in a chroot, and does nothing. */
const QUIETLY = ['DEBIAN_FRONTEND=noninteractive', 'SYSTEMD_OFFLINE=1'];

/** What a program writes goes to stderr: it is no result of a test. */
function succeeds(machine: Machine, command: string): boolean {
  const path = foldersOf(machine).join(delimiter);
  const quietly = Object.fromEntries(QUIETLY.map((variable) => variable.split('=')));
  const env = { ...process.env, PATH: path, ...quietly };
  return spawnSync('/bin/sh', ['-c', command], { env, stdio: ['ignore', 2, 2] }).status === 0;
}

function findOnPath(machine: Machine, program: string): string | undefined {
  return foldersOf(machine)
    .map((folder) => join(folder, program))
    .find(isProgram);
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
