import { buildAtCommit } from './at-commit.js';
import { median } from './pairs.js';
import { type Sample, type Service, SUBJECTS, type Subject, sample, startService } from './subjects.js';
import type { Testbed } from './testbed.js';
import { exitUnknown } from './unknown-names.js';

const PAIRS = 5;

const FIGURES = [
  ['perSecond', 'a second'],
  ['serviceMicroseconds', 'µs of the service'],
  ['postgresMicroseconds', 'µs of PostgreSQL'],
  ['redisMicroseconds', 'µs of Redis'],
  ['p50', 'ms, median'],
  ['p99', 'ms, p99'],
  ['logBytes', 'bytes of WAL'],
  ['tableBytes', 'bytes by which tables and indexes grew'],
] as const satisfies readonly (readonly [keyof Sample, string])[];

/**
 * Measures this checkout and another commit in turn, pair by pair, and prints what changed. Each has its own service, its
 * own PostgreSQL and its own schema; the clients are those of this checkout.
 */
export async function compareWith(ref: string, names: readonly string[]): Promise<void> {
  const unknown = names.filter((name) => !Object.hasOwn(SUBJECTS, name));
  if (unknown.length > 0) exitUnknown('subject', unknown, Object.keys(SUBJECTS));
  const { Testbed } = await import('./testbed.js');
  const ours = new Testbed();
  const other = await buildAtCommit(ref);
  try {
    console.log(`This checkout against ${other.commit}: medians of ${PAIRS} pairs\n`);
    for (const [name, subject] of Object.entries<Subject>(SUBJECTS)) {
      if (names.length > 0 && !names.includes(name)) continue;
      process.stderr.write(`${name} … `);
      const database = name.replaceAll('-', '_');
      const services = [
        await startService(ours, database, subject.hasRedis),
        await startService(other.testbed, database, subject.hasRedis),
      ] as const;
      const samples = await inTurn(ours, subject, services);
      process.stderr.write('done\n');
      const figures = FIGURES.filter(([figure]) => figure !== 'redisMicroseconds' || subject.hasRedis);
      console.log(`${name}: ${subject.what}\n${figures.map((figure) => line(figure, samples)).join('\n')}\n`);
      await ours.clear();
      await other.testbed.clear();
    }
  } finally {
    await ours.end();
    await other.end();
  }
}

type Both<T> = readonly [ours: T, theirs: T];

async function inTurn(
  clients: Testbed,
  subject: Subject,
  [ours, theirs]: Both<Service>,
): Promise<Both<Sample[]>> {
  const run = (service: Service, rate?: number) =>
    sample(service, () => subject.run(clients, service.server, { rate }));
  // The first run of each only warms up, and shows what rate both can keep.
  const highest = [await run(ours), await run(theirs)].map(({ perSecond }) => perSecond);
  const rate = subject.isAtHalfRate ? Math.min(...highest) / 2 : undefined;
  const samples: Both<Sample[]> = [[], []];
  for (let pair = 0; pair < PAIRS; pair++) {
    samples[0].push(await run(ours, rate));
    samples[1].push(await run(theirs, rate));
  }
  return samples;
}

function line([figure, unit]: (typeof FIGURES)[number], [ours, theirs]: Both<Sample[]>): string {
  const ratios = ours.map((sample, pair) => sample[figure] / (theirs[pair]?.[figure] ?? Number.NaN));
  const columns = [median(ratios), Math.min(...ratios), Math.max(...ratios)].map((ratio) => ratio.toFixed(2));
  const [here, there] = [ours, theirs].map((side) => median(side.map((sample) => sample[figure])));
  const round = (value = Number.NaN) => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));
  const [middle, lowest, highest] = columns;
  return `  ${middle} ×  (${lowest} to ${highest})  ${round(here)} against ${round(there)} ${unit}`;
}
