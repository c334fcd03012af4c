import { setTimeout as delay } from 'node:timers/promises';
import { coinToken, playerToken, userId } from './players.js';
import { LEADER, type Server } from './stage.js';

const leader = userId(LEADER);

/** Raises the leader so many times a second, in even steps, until the end. @returns its scores, and when each was answered */
export async function raiseLeader(
  { port }: Server,
  timesASecond: number,
  end: AbortSignal,
): Promise<{ score: number; answeredAt: number }[]> {
  const access = playerToken(leader);
  const answers: { score: number; answeredAt: number }[] = [];
  const start = performance.now();
  for (let n = 0; !end.aborted; n++) {
    await delay(Math.max(0, start + (n * 1000) / timesASecond - performance.now()));
    const response = await fetch(`http://127.0.0.1:${port}/v1/scores`, {
      method: 'POST',
      headers: { authorization: `Bearer ${access}`, 'content-type': 'application/json' },
      body: JSON.stringify({ actionToken: coinToken(leader) }),
    });
    const text = await response.text();
    const [, score] = /"score":(\d+)/.exec(text) ?? [];
    if (score === undefined) throw new Error(`A wrong answer: ${text}`);
    answers.push({ score: Number(score), answeredAt: performance.now() });
  }
  return answers;
}

/** For each of some scores of the leader, how long after its answer its frame came, in milliseconds, ascending. */
export async function framesAfterAnswers(server: Server, seconds: number): Promise<number[]> {
  const closed = new AbortController();
  const response = await fetch(`http://127.0.0.1:${server.port}/v1/leaderboards/global/stream?limit=10`, {
    signal: closed.signal,
  });
  if (response.body === null) throw new Error('The stream has no body');
  const shown: { score: number; at: number }[] = [];
  const decoder = new TextDecoderStream();
  const read = (async () => {
    for await (const text of response.body?.pipeThrough(decoder) ?? []) {
      const [, score] = new RegExp(`"${leader}"[^}]*"score":(\\d+)`).exec(text) ?? [];
      if (score !== undefined) shown.push({ score: Number(score), at: performance.now() });
    }
  })().catch(() => {});
  const answers = await raiseLeader(server, 30, AbortSignal.timeout(seconds * 1000));
  await delay(500);
  closed.abort();
  await read;
  return answers
    .map(({ score, answeredAt }) => {
      const frame = shown.find((frame) => frame.score >= score);
      return frame === undefined ? Number.POSITIVE_INFINITY : Math.max(0, frame.at - answeredAt);
    })
    .sort((a, b) => a - b);
}

/** Waits until these boards are read from their projections, not from PostgreSQL. */
export async function untilProjected({ port }: Server, boards: readonly string[]): Promise<void> {
  const deadline = performance.now() + 120_000;
  for (;;) {
    const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    if (boards.every((board) => new RegExp(`ready\\{leaderboard="${board}"\\} 1$`, 'm').test(metrics)))
      return;
    if (performance.now() > deadline) throw new Error(`Not projected in time: ${boards.join(', ')}`);
    await delay(200);
  }
}
