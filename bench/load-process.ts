import { setTimeout as delay } from 'node:timers/promises';
import { httpLoad, type LoadResult } from './http-load.js';
import { coinToken, playerToken, userId } from './players.js';
import { Streams } from './streams.js';

/*
 * The clients, in a process of their own. A job comes over IPC, and its result goes back.
 */

export interface Timing {
  readonly port: number;
  readonly connections: number;
  readonly seconds: number;
  /** Requests a second; as many as there is room for by default. */
  readonly rate?: number;
}

export interface Scores extends Timing {
  /** In turn by this many users. */
  readonly users: number;
  /** Every so manieth user takes part; all by default. */
  readonly apart?: number;
}

/** Mints the tokens for scores that are posted next, which would else be done before the first of them. */
export type MintJob = Scores & { readonly kind: 'mint' };

export interface Reads extends Timing {
  /** Asked for in turn. */
  readonly paths: readonly string[];
  /** Stands in each right answer. */
  readonly expected: string;
}

export type Job = (Scores & { readonly kind: 'scores' }) | (Reads & { readonly kind: 'reads' });

/** Live streams, which stay open as long as this process. */
export type StreamJob =
  | { readonly kind: 'open'; readonly port: number; readonly count: number; readonly request: string }
  | { readonly kind: 'count'; readonly port: number; readonly seconds: number };

export interface Received {
  readonly frames: number;
  readonly bytes: number;
}

/** Of scores a second: more than the fastest server has taken so far. Before anything is known, a guess. */
let mostScores = 3_000;

/** Access tokens of the users who have played. */
const accessTokens = new Map<number, string>();
/** Minted and not yet posted, the next last. */
const unused: { users: number; apart: number; requests: Buffer[] } = { users: 0, apart: 0, requests: [] };
/** How many were minted: users take turns. */
let minted = 0;

/** By the port of their server. */
const streams = new Map<number, Streams>();

process.on('message', (job: Job | MintJob | StreamJob) => {
  run(job).then(
    (result) => process.send?.(result),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});

process.on('disconnect', () => process.exit());

async function run(job: Job | MintJob | StreamJob): Promise<LoadResult | Received | number> {
  switch (job.kind) {
    case 'mint':
      return mint(job).length;
    case 'scores':
      return post(job);
    case 'reads':
      return read(job);
    default:
      return stream(job);
  }
}

async function stream(job: StreamJob): Promise<Received> {
  const opened = streams.get(job.port) ?? new Streams();
  streams.set(job.port, opened);
  const { frames, bytes } = opened;
  if (job.kind === 'open') await opened.open(job.port, job.count, job.request);
  else await delay(job.seconds * 1000);
  return { frames: opened.frames - frames, bytes: opened.bytes - bytes };
}

function read(job: Reads): Promise<LoadResult> {
  const requests = job.paths.map((path) => Buffer.from(`GET ${path} HTTP/1.1\r\nHost: bench\r\n\r\n`));
  let at = 0;
  return httpLoad({
    ...job,
    next: () => requests[at++ % requests.length],
    isRight: (answer) => answer.startsWith('HTTP/1.1 200 ') && answer.includes(job.expected),
  });
}

async function post(job: Scores): Promise<LoadResult> {
  const requests = mint(job);
  const result = await httpLoad({
    ...job,
    next: () => requests.pop(),
    isRight: (answer) => answer.startsWith('HTTP/1.1 200 ') && answer.includes('"status":"counted"'),
  });
  mostScores = Math.max(mostScores, (1.5 * result.right) / result.seconds);
  return result;
}

/** As many requests as the job may need or more, with tokens that nobody has used. */
function mint({ users, apart = 1, rate = mostScores, seconds }: Scores): Buffer[] {
  const isOther = unused.users !== users || unused.apart !== apart;
  if (isOther) Object.assign(unused, { users, apart, requests: [] });
  const fresh: Buffer[] = [];
  for (let missing = Math.ceil(rate * seconds) - unused.requests.length; missing > 0; missing--) {
    const n = 1 + (minted++ % users) * apart;
    const access = accessTokens.get(n) ?? playerToken(userId(n));
    accessTokens.set(n, access);
    fresh.push(scoreRequest(userId(n), access));
  }
  unused.requests = [...fresh.reverse(), ...unused.requests];
  return unused.requests;
}

function scoreRequest(user: string, access: string): Buffer {
  const body = JSON.stringify({ actionToken: coinToken(user) });
  return Buffer.from(
    `POST /v1/scores HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer ${access}\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
}
