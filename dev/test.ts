import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { StartError } from '../src/start-error.js';
import { ensureTestProgram } from './test-program.js';
import { findTests, isKind, KINDS, type TestFile, testFile } from './testing/kinds.js';
import { reportOf, summaryOf } from './testing/report.js';
import { type FileResult, runFiles } from './testing/run-files.js';
import { startServers } from './testing/servers.js';

/**
 * Runs tests: `npm test -- [test/some.test.ts ...] [--kind pg ...]`, without arguments all of them. Programs that they
 * need are installed if need be.
 */
const interrupt = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => interrupt.abort());
process.exitCode = 1;
try {
  if (await run(chosen(process.argv.slice(2)))) process.exitCode = 0;
} catch (error) {
  if (!(error instanceof StartError)) throw error;
  console.error(error.message);
}

/** @throws StartError if there is no such file or kind */
function chosen(args: string[]): TestFile[] {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { kind: { type: 'string', multiple: true } },
  });
  const missing = positionals.find((path) => !existsSync(path));
  if (missing !== undefined) throw new StartError(`There is no test ${missing}`);
  const files = positionals.length > 0 ? positionals.map(testFile) : findTests();
  const { kind: kinds = Object.keys(KINDS) } = values;
  const unknown = kinds.find((kind) => !isKind(kind));
  if (unknown !== undefined)
    throw new StartError(`There is no kind of test "${unknown}", only ${Object.keys(KINDS).join(', ')}`);
  return files.filter(({ kind }) => kinds.includes(kind));
}

async function run(files: TestFile[]): Promise<boolean> {
  const needs = files.map(({ kind }) => KINDS[kind]);
  for (const program of new Set(needs.flatMap(({ programs }) => programs))) ensureTestProgram(program);
  const servers = await startServers(new Set(needs.flatMap(({ shared }) => shared)));
  const began = performance.now();
  const results: FileResult[] = [];
  try {
    await runFiles(files, {
      envOf: ({ kind }) => ({ ...process.env, ...servers.envFor(KINDS[kind].shared) }),
      signal: interrupt.signal,
      onResult: (result) => {
        results.push(result);
        console.log(reportOf(result));
      },
    });
  } finally {
    await servers.stop();
  }
  console.log(summaryOf(results, (performance.now() - began) / 1_000));
  return !interrupt.signal.aborted && results.length > 0 && results.every(({ failed }) => failed === 0);
}
