import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import type { Test } from 'tap';
import type { Entry } from '../../schemas/leaderboard.js';

export interface BoardEvent {
  readonly version: number;
  readonly total: number;
  readonly items: readonly Entry[];
}

export interface RankEvent {
  readonly rank: number | null;
  readonly score: number | null;
  readonly total: number;
}

/** A live stream on one connection; it does not reconnect. */
export class BoardStream {
  /** The last `snapshot` or `leaderboard` event. */
  board: BoardEvent | undefined;
  /** The last `rank` event. */
  own: RankEvent | undefined;
  isOpen = true;
  /** Events that were older than an earlier one. */
  readonly disorder: string[] = [];
  /** Scores that were lower than before, in whatever epoch: wrong unless something was voided. */
  readonly falls: string[] = [];
  readonly #onBoard: (event: BoardEvent) => void;
  #id = '';
  readonly #scores = new Map<string, number>();

  private constructor(response: IncomingMessage, onBoard: (event: BoardEvent) => void) {
    this.#onBoard = onBoard;
    const parser = createParser({ onEvent: (event) => this.#read(event) });
    response.setEncoding('utf8').on('data', (chunk: string) => parser.feed(chunk));
    for (const end of ['end', 'error', 'close'])
      response.on(end, () => {
        this.isOpen = false;
      });
  }

  static async open(
    t: Test,
    url: string,
    query = 'limit=100',
    onBoard: (event: BoardEvent) => void = () => {},
    board = 'global',
  ): Promise<BoardStream> {
    const request = get(`${url}/v1/leaderboards/${board}/stream?${query}`, { agent: false });
    const [response]: IncomingMessage[] = await once(request, 'response');
    if (response?.statusCode !== 200) throw new Error(`No stream: ${response?.statusCode}`);
    t.teardown(() => response.destroy());
    return new BoardStream(response, onBoard);
  }

  #read({ event, id = '', data }: EventSourceMessage): void {
    if (event === 'rank') {
      this.own = JSON.parse(data);
      return;
    }
    if (isOlder(id, this.#id)) this.disorder.push(`${id} after ${this.#id}`);
    this.#id = id;
    const board: BoardEvent = JSON.parse(data);
    for (const { userId, score } of board.items) {
      const known = this.#scores.get(userId) ?? Number.NEGATIVE_INFINITY;
      if (score < known) this.falls.push(`${id}: ${userId} has ${score}, and had ${known}`);
      this.#scores.set(userId, score);
    }
    this.board = board;
    this.#onBoard(board);
  }
}

/** Ids are `<epoch>-<version>`; versions of different epochs cannot be compared. */
function isOlder(id: string, than: string): boolean {
  const [epoch, version] = id.split('-');
  const [otherEpoch, otherVersion] = than.split('-');
  return epoch === otherEpoch && Number(version) <= Number(otherVersion);
}
