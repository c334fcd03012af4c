import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { ensureTestProgram } from '../dev/test-program.js';
import { compareWith } from './against.js';
import type { Case, Result } from './case.js';
import { asOf } from './cases/as-of.js';
import { bare } from './cases/bare.js';
import { batch } from './cases/batch.js';
import { boards } from './cases/boards.js';
import { indexStructure } from './cases/index-structure.js';
import { instances } from './cases/instances.js';
import { fanout, latency, season, streams } from './cases/live.js';
import { memory } from './cases/memory.js';
import { migrations } from './cases/migrations.js';
import { rank, top } from './cases/reads.js';
import { rebuild } from './cases/rebuild.js';
import { searches } from './cases/searches.js';
import { seasonBoundary } from './cases/season-boundary.js';
import { seasons } from './cases/seasons.js';
import { exports, imports } from './cases/transfer.js';
import { verify } from './cases/verify.js';
import { workers } from './cases/workers.js';
import { growth, write, writeNaive, writeRedis } from './cases/write.js';
import { Testbed } from './testbed.js';
import { exitUnknown } from './unknown-names.js';

/*
 * `npm run bench [-- <name> ...]`: measures the goals of the design. Absolute figures depend on the machine, so most goals
 * are ratios of two things that are measured alternately.
 *
 * `npm run bench -- [<name> ...] --against <commit>`: measures this checkout and another commit alternately.
 */

const CASES: Record<string, Case> = {
  boards,
  write,
  batch,
  bare,
  'write-naive': writeNaive,
  'write-redis': writeRedis,
  verify,
  top,
  rank,
  index: indexStructure,
  rebuild,
  fanout,
  streams,
  season,
  latency,
  'season-boundary': seasonBoundary,
  growth,
  searches,
  'as-of': asOf,
  migrations,
  memory,
  workers,
  instances,
  seasons,
  import: imports,
  export: exports,
};

/** The results of a case. The cases in one file of results may come from several runs. */
interface Measured {
  readonly started: Date;
  readonly commit: string | null;
  readonly lines: readonly Result[];
}

const { values: options, positionals: names } = parseArgs({
  options: { against: { type: 'string' } },
  allowPositionals: true,
});
if (options.against !== undefined) {
  await compareWith(options.against, names);
  process.exit();
}
const unknown = names.filter((name) => !Object.hasOwn(CASES, name));
if (unknown.length > 0) exitUnknown('benchmark', unknown, Object.keys(CASES));
ensureTestProgram('redis-server');
const day = new Date().toISOString().slice(0, 10);
const commit = currentCommit();
const results: Record<string, Measured> = {};
const testbed = new Testbed();
try {
  for (const [name, measure] of Object.entries(CASES)) {
    if (names.length > 0 && !names.includes(name)) continue;
    const started = new Date();
    process.stderr.write(`${name} … `);
    results[name] = { started, commit, lines: await measure(testbed) };
    await testbed.clear();
    process.stderr.write(`${((Date.now() - started.getTime()) / 1000).toFixed(0)} s\n`);
  }
} finally {
  await testbed.end();
}
console.log(table(Object.values(results).flatMap(({ lines }) => lines)));
mkdirSync('bench/results', { recursive: true });
const file = `bench/results/${day}.json`;
const machine = { node: process.version, cpu: cpus()[0]?.model, cores: cpus().length, memory: totalmem() };
// A run of some cases replaces their results of the same day and keeps the others.
const earlier: { results?: object } = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
const all = { ...earlier.results, ...results };
writeFileSync(file, `${JSON.stringify({ machine, results: all }, null, 2)}\n`);
console.log(`\nWritten to ${file}`);

function currentCommit(): string | null {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8', stdio: 'pipe' }).trim();
  } catch {
    return null;
  }
}

function table(lines: readonly Result[]): string {
  return lines
    .map(({ what, against, figure, target }) => {
      const value = typeof figure === 'number' ? figure : figure.median;
      const detail =
        typeof figure === 'number'
          ? ''
          : `\n      ${round(figure.min)} to ${round(figure.max)}; ${round(figure.this)} against ${round(figure.against)}: ${against}`;
      return `${verdict(value, target)}  ${what}${detail}`;
    })
    .join('\n');
}

function verdict(value: number, target: Result['target']): string {
  if (target === undefined) return `      ${round(value)}`;
  const [goal, reached] =
    'atLeast' in target
      ? [`at least ${target.atLeast}`, value >= target.atLeast]
      : [`at most ${target.atMost}`, value <= target.atMost];
  return `${reached ? '  ok  ' : ' FALLS SHORT '} ${round(value)} (${goal})`;
}

function round(figure: number): string {
  return figure >= 1000 ? figure.toFixed(0) : figure.toPrecision(3);
}
