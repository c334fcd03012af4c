import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Testbed } from './testbed.js';

type TestbedModule = typeof import('./testbed.js');

/** Another commit of this repository, built beside this one. Its own testbed fills its databases and starts its service. */
export interface AtCommit {
  /** Its short hash. */
  readonly commit: string;
  readonly testbed: Testbed;
  end(): Promise<void>;
}

/** Builds a commit in a worktree of its own, which takes half a minute. @throws if there is no such commit, or it has no testbed */
export async function buildAtCommit(ref: string): Promise<AtCommit> {
  const folder = mkdtempSync(join(tmpdir(), 'scoreboard-against-'));
  const run = (program: string, args: string[], cwd?: string) =>
    execFileSync(program, args, { encoding: 'utf8', cwd, stdio: ['ignore', 'pipe', 'inherit'] }).trim();
  const remove = () => {
    rmSync(folder, { recursive: true, force: true });
    run('git', ['worktree', 'prune']);
  };
  try {
    const commit = run('git', ['rev-parse', '--short', '--verify', `${ref}^{commit}`]);
    process.stderr.write(`building ${commit} … `);
    run('git', ['worktree', 'add', '--quiet', '--detach', folder, commit]);
    run('npm', ['ci', '--silent'], folder);
    run('npm', ['run', '--silent', 'build'], folder);
    const loaded: unknown = await import(pathToFileURL(join(folder, 'dist/bench/testbed.js')).href);
    if (!isTestbedModule(loaded)) throw new Error(`The benchmark of ${commit} has no testbed`);
    const testbed = new loaded.Testbed();
    const end = async () => {
      await testbed.end();
      remove();
    };
    return { commit, testbed, end };
  } catch (error) {
    remove();
    throw error;
  }
}

const isTestbedModule = (loaded: unknown): loaded is TestbedModule =>
  typeof loaded === 'object' &&
  loaded !== null &&
  'Testbed' in loaded &&
  typeof loaded.Testbed === 'function';
