import { setTimeout as delay } from 'node:timers/promises';
import { ask, httpOf, type LiveView, subscribe } from '@scoreboard/client';
import { coinToken, playerToken, userId } from './players.js';
import { LEADER, type Server } from './testbed.js';

const leader = userId(LEADER);
const BOARD = 'global';

const urlOf = ({ port }: Server): string => `http://127.0.0.1:${port}`;

/** Lets the leader score at an even rate until `end` aborts. @returns its scores, and when each was posted and answered */
export async function raiseLeader(
  server: Server,
  timesPerSecond: number,
  end: AbortSignal,
): Promise<{ score: number; postedAt: number; answeredAt: number }[]> {
  const http = httpOf(urlOf(server), { accessToken: playerToken(leader) });
  const answers: { score: number; postedAt: number; answeredAt: number }[] = [];
  const start = performance.now();
  for (let n = 0; !end.aborted; n++) {
    await delay(Math.max(0, start + (n * 1000) / timesPerSecond - performance.now()));
    const body = { actionToken: coinToken(leader) };
    const postedAt = performance.now();
    const { leaderboards } = await ask((signal) => http.POST('/v1/scores', { body, signal }));
    const raised = leaderboards.find(({ id }) => id === BOARD);
    if (raised === undefined || 'skipped' in raised)
      throw new Error(`A score that does not count on ${BOARD}`);
    answers.push({ score: raised.score, postedAt, answeredAt: performance.now() });
  }
  return answers;
}

/**
 * The delays from the posts of the leader's scores, or from their answers, to their frames on a stream, in milliseconds,
 * ascending.
 */
export async function frameDelays(
  server: Server,
  from: 'post' | 'answer',
  seconds: number,
  timesPerSecond: number,
): Promise<number[]> {
  const shown: { score: number; at: number }[] = [];
  const end = new AbortController();
  await new Promise<void>((resolve, reject) => {
    const show = ({ board, state, error }: LiveView) => {
      if (state === 'closed') reject(error);
      const first = board?.items.find(({ userId }) => userId === leader);
      if (first === undefined) return;
      shown.push({ score: first.score, at: performance.now() });
      resolve();
    };
    subscribe(urlOf(server), BOARD, show, { signal: end.signal });
  });
  const answers = await raiseLeader(server, timesPerSecond, AbortSignal.timeout(seconds * 1000));
  await delay(500);
  end.abort();
  return answers
    .map(({ score, postedAt, answeredAt }) => {
      const frame = shown.find((frame) => frame.score >= score);
      if (frame === undefined) return Number.POSITIVE_INFINITY;
      return Math.max(0, frame.at - (from === 'post' ? postedAt : answeredAt));
    })
    .sort((a, b) => a - b);
}

/** Waits until reads of these boards come from projections, not from PostgreSQL. */
export async function untilProjected(server: Server, boards: readonly string[]): Promise<void> {
  const deadline = performance.now() + 120_000;
  // A board is opened when it is first read.
  for (const board of boards)
    await (await fetch(`${urlOf(server)}/v1/leaderboards/${board}/entries?limit=1`)).text();
  for (;;) {
    const metrics = await (await fetch(`${urlOf(server)}/metrics`)).text();
    if (/^leaderboard_projections\{state="loading"\} 0$/m.test(metrics)) return;
    if (performance.now() > deadline) throw new Error(`Not projected in time: ${boards.join(', ')}`);
    await delay(200);
  }
}
