import { spawnSync } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { StartError } from '../src/start-error.js';

const PROGRAMS = ['redis-server', 'valkey-server'];
/** Where servers also are, when PATH is that of an ordinary user or of an editor. */
const ELSEWHERE = ['/usr/sbin', '/usr/local/bin', '/opt/homebrew/bin'];

interface PackageManager {
  readonly program: string;
  /** In turn, all of them. */
  readonly commands: readonly string[];
  readonly asRoot: boolean;
}

const PACKAGE_MANAGERS: readonly PackageManager[] = [
  { program: 'apt-get', commands: ['apt-get update', 'apt-get install -y redis-server'], asRoot: true },
  { program: 'apk', commands: ['apk add redis'], asRoot: true },
  { program: 'dnf', commands: ['dnf install -y redis || dnf install -y valkey'], asRoot: true },
  { program: 'brew', commands: ['brew install redis'], asRoot: false },
];

/** The surroundings in which a program is looked for and installed; tests make up their own. */
export interface Machine {
  readonly path: string;
  readonly elsewhere: readonly string[];
  readonly isRoot: boolean;
  readonly log: (line: string) => void;
}

const thisMachine = (): Machine => ({
  path: process.env['PATH'] ?? '',
  elsewhere: ELSEWHERE,
  isRoot: process.getuid?.() === 0,
  log: console.error,
});

/** The path of redis-server or valkey-server, if this machine has one. */
export function findRedisServer(machine = thisMachine()): string | undefined {
  return PROGRAMS.map((program) => findProgram(machine, program)).find((file) => file !== undefined);
}

/**
 * The path of a Redis server, which is installed if there is none and the user of this process may do that without being
 * asked anything.
 * @throws StartError with the command to run, if there is none and none can be installed
 */
export function ensureRedisServer(machine = thisMachine()): string {
  const found = findRedisServer(machine);
  if (found !== undefined) return found;
  const manager = PACKAGE_MANAGERS.find(({ program }) => findProgram(machine, program) !== undefined);
  if (manager === undefined) {
    throw missing('install Redis 7 or Valkey, so that redis-server or valkey-server is on PATH');
  }
  const needsSudo = manager.asRoot && !machine.isRoot;
  const command = commandOf(manager, needsSudo ? 'sudo ' : '');
  const maySudo = () => findProgram(machine, 'sudo') !== undefined && succeeds(machine, 'sudo -n true 2>&-');
  if (!needsSudo || maySudo()) {
    machine.log(`The tests need a Redis server; installing one: ${command}`);
    succeeds(machine, commandOf(manager, needsSudo ? 'sudo -n ' : ''));
  }
  const installed = findRedisServer(machine);
  if (installed === undefined) throw missing(`run: ${command}`);
  return installed;
}

const missing = (what: string) =>
  new StartError(`The tests need a Redis server, and there is none here: ${what}`);

function commandOf({ commands }: PackageManager, sudo: string): string {
  return commands.map((command) => command.replaceAll(/^|(?<=\|\| )/g, sudo)).join(' && ');
}

const foldersOf = ({ path, elsewhere }: Machine) => [
  ...path.split(delimiter).filter((folder) => folder !== ''),
  ...elsewhere,
];

/** What a program writes goes to stderr: it is no result of a test. */
function succeeds(machine: Machine, command: string): boolean {
  const path = foldersOf(machine).join(delimiter);
  const env = { ...process.env, PATH: path, DEBIAN_FRONTEND: 'noninteractive' };
  return spawnSync('/bin/sh', ['-c', command], { env, stdio: ['ignore', 2, 2] }).status === 0;
}

function findProgram(machine: Machine, program: string): string | undefined {
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
