import { setTimeout as sleep } from 'node:timers/promises';
import type { Test } from 'tap';
import { type Answer, type GameServer, groupBy, newToken, sum, type Token } from '../ledger/game-server.js';
import type { EventRow, Row } from '../ledger/truth.js';

/** A load that takes all of the processor's time would show nothing more. */
const REST_MS = 10;
const REST_REJECTED_MS = 50;

/** Players who score continuously, each time with a new token, even while the service fails. */
export class Load {
  readonly answers: Answer[] = [];
  /** How many posts were accepted. */
  accepted = 0;
  #running = true;
  #posted = 0;
  #waiting: { count: number; resolve: () => void }[] = [];
  readonly #workers: Promise<void>[];

  /** @param url the service to post to; may change */
  constructor(game: GameServer, users: readonly string[], workers: number, url: () => string) {
    const work = async (): Promise<void> => {
      while (this.#running) {
        const n = this.#posted++;
        const answer = await game.post(url(), newToken(users[n % users.length] ?? '', 1 + (n % 100)));
        this.answers.push(answer);
        if (answer.status === 200) this.accepted++;
        this.#waiting = this.#waiting.filter(({ count, resolve }) => {
          if (this.accepted < count) return true;
          resolve();
          return false;
        });
        await sleep(answer.status === 200 ? REST_MS : REST_REJECTED_MS);
      }
    };
    this.#workers = Array.from({ length: workers }, work);
  }

  /** Resolves when `count` more posts have been accepted. */
  more(count: number): Promise<void> {
    return new Promise((resolve) => this.#waiting.push({ count: this.accepted + count, resolve }));
  }

  /** Resolves when all posts in flight are answered. */
  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#workers);
  }
}

const pointsIn = (answers: readonly Answer[]) => sum(answers.map(({ token }) => token.points));

/** For each user: acknowledged points ≤ final score ≤ acknowledged points + points whose answer was lost. */
export function nothingLost(
  t: Test,
  answers: readonly Answer[],
  board: readonly Row[],
  recorded: readonly EventRow[],
) {
  const accepted = answers.filter(({ status }) => status === 200);
  const unknown = answers.filter(({ status }) => status === 0 || status === 503);
  const finals = new Map(board.map(({ userId, score }) => [userId, score]));
  const wrong = [...groupBy(answers, ({ token }) => token.userId)].filter(([userId, own]) => {
    const acknowledged = pointsIn(own.filter((answer) => accepted.includes(answer)));
    const most = acknowledged + pointsIn(own.filter((answer) => unknown.includes(answer)));
    const final = finals.get(userId) ?? 0;
    return final < acknowledged || final > most;
  });
  const counts = groupBy(recorded, ({ tokenId }) => tokenId);
  const lost = accepted.filter(({ token }) => !counts.has(token.id)).length;
  const twice = [...counts.values()].filter(({ length }) => length > 1).length;
  t.same(wrong, [], 'each user: acknowledged ≤ final ≤ acknowledged + unknown');
  t.equal(lost, 0, 'nothing acknowledged is lost');
  t.equal(twice, 0, 'nothing has counted twice');
  return `${accepted.length} acknowledged, ${unknown.length} unknown, ${lost} lost, ${twice} counted twice`;
}

/** Posts the tokens again that were not accepted. */
export function postAgain(game: GameServer, url: string, answers: readonly Answer[]): Promise<Answer[]> {
  const open: Token[] = answers.filter(({ status }) => status !== 200).map(({ token }) => token);
  return Promise.all(open.map((token) => game.post(url, token)));
}
