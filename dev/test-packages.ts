import { execFile } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { StartError } from '../src/start-error.js';
import { ensureTestProgram } from './test-program.js';

const run = promisify(execFile);

/** Kept between runs, until `npm ci` removes it. */
const CACHE = resolve('node_modules/.cache/test-packages');
const PATIENCE_MS = 300_000;

/**
 * The folder with the programs of a Python package, which is installed when it is first needed.
 * @param requirement with a version, like `name==1.2.3`
 * @throws StartError if it cannot be installed
 */
export const pythonPackage = (requirement: string): Promise<string> =>
  installed(requirement, 'bin', async (folder) => {
    await run(ensureTestProgram('python3'), ['-m', 'venv', folder], { timeout: PATIENCE_MS });
    await run(join(folder, 'bin/pip'), ['install', '--quiet', requirement], { timeout: PATIENCE_MS });
  });

/** The same of an npm package. @param spec with a version, like `name@1.2.3` */
export const npmPackage = (spec: string): Promise<string> =>
  installed(spec, 'node_modules/.bin', async (folder) => {
    const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock'];
    await run('npm', ['install', '--prefix', folder, ...options, spec], { timeout: PATIENCE_MS });
  });

async function installed(
  name: string,
  programs: string,
  install: (folder: string) => Promise<void>,
): Promise<string> {
  const folder = join(CACHE, name);
  const complete = join(folder, 'complete');
  if (!existsSync(complete)) {
    // What an installation that was interrupted has left.
    rmSync(folder, { recursive: true, force: true });
    try {
      await install(folder);
    } catch (error) {
      throw new StartError(`The tests need ${name}, and it cannot be installed: ${error}`, { cause: error });
    }
    writeFileSync(complete, '');
  }
  return join(folder, programs);
}
