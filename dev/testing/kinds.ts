import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { TestProgram } from '../test-program.js';
import type { Shared } from './servers.js';

interface Kind {
  /** What it uses of the run, beside its own process. */
  readonly shared: readonly Shared[];
  /** The programs that it runs, beside Node. */
  readonly programs: readonly TestProgram[];
  /** Its files wait more than they compute: they run beside those that compute. */
  readonly waits: boolean;
  /** Its files run one after the other in one process. */
  readonly sharesProcess: boolean;
}

/** What a test needs is the last part of its file's name, as in `widget.browser.test.ts`. Without one it is `unit`. */
export const KINDS = {
  unit: { shared: [], programs: [], waits: false, sharesProcess: true },
  pg: { shared: ['postgres'], programs: [], waits: false, sharesProcess: true },
  redis: { shared: ['postgres'], programs: ['redis-server'], waits: false, sharesProcess: true },
  /** Measures or changes its own process. */
  process: { shared: ['postgres'], programs: [], waits: false, sharesProcess: false },
  /** Holds a million entries. */
  million: { shared: ['postgres'], programs: ['redis-server'], waits: false, sharesProcess: false },
  browser: { shared: ['postgres', 'chromium'], programs: ['chromium'], waits: true, sharesProcess: true },
  /** Kills servers, or stops them for a while. */
  fault: { shared: ['postgres'], programs: ['redis-server'], waits: true, sharesProcess: true },
  /** Runs what operators and other languages run: nginx, Caddy, PgBouncer, Prometheus, the image, clients for other languages. */
  system: {
    shared: ['postgres'],
    programs: [
      'redis-server',
      'redis-cli',
      'initdb',
      'nginx',
      'caddy',
      'pgbouncer',
      'pgbackrest',
      'prometheus',
      'promtool',
      'python3',
      'go',
      'mcs',
      'mono',
      'nunit-console',
    ],
    waits: true,
    sharesProcess: true,
  },
} as const satisfies Record<string, Kind>;

export type KindName = keyof typeof KINDS;

export interface TestFile {
  /** Its source, below the root of the repository. */
  readonly path: string;
  readonly kind: KindName;
}

export const isKind = (name: string): name is KindName => Object.hasOwn(KINDS, name);

export const isTest = (path: string): boolean => /\.test\.ts$/.test(path);

/** @throws Error if the name ends in a kind that there is not */
export function testFile(path: string): TestFile {
  const kind = /\.([^./]+)\.test\.ts$/.exec(path)?.[1] ?? 'unit';
  if (!isKind(kind))
    throw new Error(`${path}: there is no kind "${kind}", only ${Object.keys(KINDS).join(', ')}`);
  return { path, kind };
}

/** All test files below `folder`. */
export const findTests = (folder = 'test'): TestFile[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter(isTest)
    .sort()
    .map((name) => testFile(join(folder, name)));
