import type { Profiler } from 'node:inspector';
import { Session } from 'node:inspector/promises';

/** Short enough that a microsecond per request shows. */
const SAMPLE_INTERVAL_US = 500;

/** Starts profiling this process. @returns a function that stops it and returns the profile */
export async function startProfile(): Promise<() => Promise<Profiler.Profile>> {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: SAMPLE_INTERVAL_US });
  await session.post('Profiler.start');
  return async () => {
    const { profile } = await session.post('Profiler.stop');
    session.disconnect();
    return profile;
  };
}

/** A function and the functions that it called, summed over all calls with the same stack. */
export interface Frame {
  readonly name: string;
  /** The part of the service that it belongs to, see PARTS. */
  readonly part: string;
  /** Processor time in microseconds, including the functions that it called. */
  micros: number;
  readonly calls: Map<string, Frame>;
}

/** Parts of the service by patterns of their source files; the first match counts. */
const PARTS: readonly (readonly [string, RegExp])[] = [
  [
    'log',
    /node_modules\/(pino|sonic-boom|quick-format|safe-stable)|\/src\/(observability\/logging|http\/request-log)\.js/,
  ],
  ['access token', /node_modules\/(fast-jwt|@fastify\/jwt)|\/plugins\/auth\.js|\/src\/access\//],
  ['action token', /\/src\/scoring\/|\/plugins\/action-token\.js/],
  [
    'rate limit',
    /node_modules\/@fastify\/rate-limit|\/plugins\/rate-limit\.js|\/src\/(redis\/rate-counters|http\/network)\.js/,
  ],
  ['headers for browsers', /node_modules\/(@fastify\/)?(helmet|cors)|\/plugins\/browsers\.js/],
  ['metrics', /node_modules\/prom-client|\/plugins\/metrics\.js|\/src\/observability\/metrics\.js/],
  ['ledger', /\/src\/ledger\/|\/src\/ids\.js|\/plugins\/score-ledger\.js/],
  ['ranking', /\/src\/leaderboard\/|\/src\/live\//],
  ['changes of other instances', /\/src\/changes\/|\/plugins\/leaderboard\.js/],
  ['PostgreSQL client', /node_modules\/pg|\/src\/postgres\//],
  ['Redis client', /node_modules\/(ioredis|redis)|\/src\/redis\//],
  [
    'JSON and schemas',
    /node_modules\/(ajv|fast-json-stringify|secure-json-parse|@sinclair)|\/plugins\/validation\.js/,
  ],
  ['HTTP', /^node:_http|^node:internal\/http/],
  ['Fastify', /node_modules\/(?!lru-cache)/],
  ['route', /\/(routes|plugins|src|schemas|bench)\//],
];
/** Functions without a caller, and callers without a source file. */
const ELSEWHERE = 'event loop';
const OWN_PARTS = new Map([
  ['(garbage collector)', 'garbage collection'],
  ['(program)', 'program'],
]);

/** The processor time of a profile as one tree of calls, without idle time and without the profiler itself. */
export function callTree({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): Frame {
  const own = new Map<number, number>();
  for (const [i, id] of samples.entries()) own.set(id, (own.get(id) ?? 0) + (timeDeltas[i] ?? 0));
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const root: Frame = { name: 'all', part: ELSEWHERE, micros: 0, calls: new Map() };
  const add = (id: number, into: Frame): number => {
    const node = byId.get(id);
    if (
      node === undefined ||
      node.callFrame.functionName === '(idle)' ||
      node.callFrame.url === 'node:inspector'
    )
      return 0;
    const { functionName, url } = node.callFrame;
    const isRoot = functionName === '(root)';
    const name = `${functionName || 'anonymous'} ${url.split('/').slice(-2).join('/')}`.trim();
    const part =
      OWN_PARTS.get(functionName) ?? PARTS.find(([, source]) => source.test(url))?.[0] ?? into.part;
    const known = into.calls.get(name);
    const frame = isRoot ? into : (known ?? { name, part, micros: 0, calls: new Map() });
    if (!isRoot) into.calls.set(name, frame);
    const micros = (node.children ?? []).reduce((sum, child) => sum + add(child, frame), own.get(id) ?? 0);
    frame.micros += micros;
    return micros;
  };
  const [first] = nodes;
  if (first !== undefined) add(first.id, root);
  return root;
}

/** Own processor time by part, in microseconds, most first. */
export function byPart(root: Frame): [part: string, micros: number][] {
  const sums = new Map<string, number>();
  const visit = (frame: Frame): void => {
    const called = [...frame.calls.values()];
    const own = called.reduce((left, { micros }) => left - micros, frame.micros);
    sums.set(frame.part, (sums.get(frame.part) ?? 0) + own);
    for (const call of called) visit(call);
  };
  visit(root);
  return [...sums].sort(([, a], [, b]) => b - a);
}
