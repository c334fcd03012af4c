import { setTimeout as delay } from 'node:timers/promises';
import { httpLoad, type LoadResult } from './http-load.js';
import { coinToken, playerToken, serverToken, userId } from './players.js';
import { Streams } from './streams.js';

/*
 * The clients, in a process of their own. Jobs arrive over IPC, and results are sent back.
 */

export interface Timing {
  readonly port: number;
  /** Of further instances of the same service. */
  readonly otherPorts?: readonly number[];
  readonly connections: number;
  readonly seconds: number;
  /** Requests per second; unlimited by default. */
  readonly rate?: number;
}

export interface Scores extends Timing {
  /** This many users score in turn. */
  readonly users: number;
  /** Distance between the numbers of these users, so that they are spread over a large board; 1 by default. */
  readonly step?: number;
  /** Each score comes with an access token that the server has not seen before. By default a user keeps one. */
  readonly unseen?: boolean;
  /** For a server without accounts and action tokens. */
  readonly bare?: boolean;
}

export interface Batches extends Timing {
  /** This many users score in turn. */
  readonly users: number;
  /** Scores in a request. */
  readonly size: number;
}

/** Mints the tokens for the next job of scores, so that it only posts them. */
export type MintJob = Scores & { readonly kind: 'mint' };

export interface Reads extends Timing {
  /** Requested in turn. */
  readonly paths: readonly string[];
  /** A text that each right answer contains. */
  readonly expected: string;
}

export type Job =
  | (Scores & { readonly kind: 'scores' /** Runs beside the scores. */; readonly beside?: Reads })
  | (Batches & { readonly kind: 'batches' })
  | (Reads & { readonly kind: 'reads' });

/** Opens live streams, which stay open as long as this process, counts what they receive, or waits until they have received so much. */
export type StreamJob =
  | { readonly kind: 'open'; readonly port: number; readonly count: number; readonly request: string }
  | { readonly kind: 'count'; readonly port: number; readonly seconds: number }
  | { readonly kind: 'receive'; readonly port: number; readonly frames: number };

export interface Received {
  readonly frames: number;
  readonly bytes: number;
  /** When that was so, in milliseconds since 1970. */
  readonly at: number;
}

/** Scores per second to mint for: more than the fastest server has accepted so far. At first a guess. */
let mostScores = 3_000;

/** By user. */
const accessTokens = new Map<string, string>();
/** Minted requests that were not posted yet; the last is posted next. */
let unused: { readonly by: string; requests: Buffer[] } = { by: '', requests: [] };
/** How many were minted so far; the users take turns. */
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
    case 'scores': {
      const [posted] = await Promise.all([post(job), job.beside && read(job.beside)]);
      return posted;
    }
    case 'batches':
      return postBatches(job);
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
  else if (job.kind === 'count') await delay(job.seconds * 1000);
  else while (opened.frames < frames + job.frames) await delay(5);
  return { frames: opened.frames - frames, bytes: opened.bytes - bytes, at: Date.now() };
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

/** A result is of a request, not of a score. */
function postBatches({ users, size, ...timing }: Batches): Promise<LoadResult> {
  const access = serverToken();
  return httpLoad({
    ...timing,
    next: () => {
      const submissions = Array.from({ length: size }, () => ({
        userId: userId(1 + (minted++ % users)),
        action: 'collect-coin',
        points: 10,
        idempotencyKey: `score ${minted}`,
      }));
      return scoreRequest(JSON.stringify({ submissions }), access, '/v1/scores/batch');
    },
    isRight: (answer) => answer.startsWith('HTTP/1.1 200 ') && !answer.includes('"problem":'),
  });
}

/** At least as many requests as the job may need, with unused tokens. */
function mint({
  users,
  step = 1,
  rate = mostScores,
  seconds,
  unseen = false,
  bare = false,
}: Scores): Buffer[] {
  const by = `${users} users, every ${step}, ${unseen ? 'unseen' : 'seen'}, ${bare ? 'bare' : 'with tokens'}`;
  if (unused.by !== by) unused = { by, requests: [] };
  const fresh: Buffer[] = [];
  for (let missing = Math.ceil(rate * seconds) - unused.requests.length; missing > 0; missing--) {
    const user = userId(1 + (minted++ % users) * step);
    const access = (unseen ? undefined : accessTokens.get(user)) ?? playerToken(user);
    if (!unseen) accessTokens.set(user, access);
    const body = bare ? { userId: user, points: 10 } : { actionToken: coinToken(user) };
    fresh.push(scoreRequest(JSON.stringify(body), access));
  }
  unused.requests = [...fresh.reverse(), ...unused.requests];
  return unused.requests;
}

function scoreRequest(body: string, access: string, path = '/v1/scores'): Buffer {
  return Buffer.from(
    `POST ${path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer ${access}\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
}
