import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
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

/** A live stream on one connection, which is never made anew. */
export class BoardStream {
  /** The last `snapshot` or `leaderboard` event. */
  board: BoardEvent | undefined;
  /** The last `rank` event. */
  own: RankEvent | undefined;
  isOpen = true;
  /** Events that were older than one before. */
  readonly disorder: string[] = [];
  readonly #onBoard: (event: BoardEvent) => void;
  #text = '';
  #id = '';

  private constructor(response: IncomingMessage, onBoard: (event: BoardEvent) => void) {
    this.#onBoard = onBoard;
    response.setEncoding('utf8').on('data', (chunk: string) => this.#read(chunk));
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
  ): Promise<BoardStream> {
    const request = get(`${url}/v1/leaderboards/global/stream?${query}`, { agent: false });
    const [response]: IncomingMessage[] = await once(request, 'response');
    if (response?.statusCode !== 200) throw new Error(`No stream: ${response?.statusCode}`);
    t.teardown(() => response.destroy());
    return new BoardStream(response, onBoard);
  }

  #read(chunk: string): void {
    const messages = (this.#text + chunk).split('\n\n');
    this.#text = messages.pop() ?? '';
    for (const message of messages) {
      const { event, id, data } = Object.fromEntries(
        message
          .split('\n')
          .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
      );
      if (data === undefined) continue;
      if (event === 'rank') {
        this.own = JSON.parse(data);
        continue;
      }
      if (isOlder(id ?? '', this.#id)) this.disorder.push(`${id} after ${this.#id}`);
      this.#id = id ?? '';
      const board: BoardEvent = JSON.parse(data);
      this.board = board;
      this.#onBoard(board);
    }
  }
}

/** Ids are `<epoch>-<version>`; versions of different epochs cannot be compared. */
function isOlder(id: string, than: string): boolean {
  const [epoch, version] = id.split('-');
  const [otherEpoch, otherVersion] = than.split('-');
  return epoch === otherEpoch && Number(version) <= Number(otherVersion);
}
