import type { FileResult } from './run-files.js';
import { indent } from './tap-outcome.js';

const SLOWEST = 10;

/** A file in a line, with what its tests have to say, and all about what failed. */
export function reportOf({ path, seconds, failed, remarks, failures, errors }: FileResult): string {
  const head = `${failed === 0 ? 'ok    ' : 'FAILED'} ${path} ${seconds.toFixed(1)} s`;
  return [head, ...[...remarks, ...failures, errors].filter((text) => text !== '').map(indent)].join('\n');
}

/** The whole run: the files that took longest, what failed, and how much passed. */
export function summaryOf(results: readonly FileResult[], seconds: number): string {
  const total = (count: (result: FileResult) => number) =>
    results.reduce((sum, result) => sum + count(result), 0);
  const slowest = [...results].sort((a, b) => b.seconds - a.seconds).slice(0, SLOWEST);
  const failed = results.filter((result) => result.failed > 0);
  const skipped = total((result) => result.skipped);
  return [
    ...(results.length > 1
      ? [
          '',
          'The slowest files:',
          ...slowest.map((file) => `${file.seconds.toFixed(1).padStart(7)} s  ${file.path}`),
        ]
      : []),
    ...(failed.length > 0 ? ['', 'FAILED:', ...failed.map(({ path }) => `  ${path}`)] : []),
    '',
    `${total((result) => result.passed)} passed, ${total((result) => result.failed)} failed` +
      `${skipped > 0 ? `, ${skipped} skipped` : ''}: ${results.length} files in ${seconds.toFixed(0)} s`,
  ].join('\n');
}
