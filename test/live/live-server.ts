import { once } from 'node:events';
import {
  Agent,
  createServer,
  get,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { EventSource } from 'eventsource';
import type { Test } from 'tap';
import { type BoardKey, boardKey } from '../../src/board-key.js';
import type { BoardState, UserRank } from '../../src/leaderboard/board-state.js';
import type { FinalStandings, LiveSeason } from '../../src/leaderboard/seasons.js';
import type { BoardSource } from '../../src/live/board-source.js';
import { ConnectionSlots } from '../../src/live/connection-slots.js';
import { Hub, type HubOptions } from '../../src/live/hub.js';
import type { StreamEnd } from '../../src/live/stream.js';

setFlagsFromString('--expose-gc');
export const collectGarbage: () => void = runInNewContext('gc');

/** A board in memory that can be changed, slowed down and broken, and counts how often it is asked. */
export class ScriptedSource implements BoardSource {
  readonly limitsAsked: number[] = [];
  ranksAsked = 0;
  version = 0;
  /** Awaited by each call before it reads the board; may throw. */
  latency: (call: 'top' | 'userRank') => Promise<void> = async () => {};
  readonly #players = new Map<string, { score: number; displayName: string }>();

  score(userId: string, score: number, displayName = userId): void {
    this.#players.set(userId, { score, displayName });
    this.version++;
  }

  async page(board: BoardKey, limit: number): Promise<BoardState> {
    this.limitsAsked.push(limit);
    await this.latency('top');
    const { version } = this;
    const items = this.#ranking().slice(0, limit);
    return { epoch: 'e1', board, version, total: this.#players.size, items };
  }

  current: LiveSeason = { season: 1, startsAt: null, endsAt: null, label: null, unit: null };
  standings: FinalStandings | null = null;

  /** The next season begins: nobody has scored in it. */
  turn(): void {
    const { season } = this.current;
    const startsAt = '2026-06-12T00:00:00.000Z';
    const endsAt = '2026-06-13T00:00:00.000Z';
    this.current = { season: season + 1, startsAt, endsAt, label: 'Day 2', unit: null };
    this.#players.clear();
    this.version = 0;
  }

  async season(): Promise<LiveSeason> {
    return this.current;
  }

  async final(): Promise<FinalStandings | null> {
    return this.standings;
  }

  async userRank(_board: BoardKey, userId: string): Promise<UserRank> {
    this.ranksAsked++;
    await this.latency('userRank');
    const {
      rank = null,
      sharedRank = null,
      score = null,
    } = this.#ranking().find((entry) => entry.userId === userId) ?? {};
    return { rank, sharedRank, score, total: this.#players.size };
  }

  #ranking() {
    return [...this.#players]
      .sort(([, a], [, b]) => b.score - a.score)
      .map(([userId, player], i, players) => ({
        rank: i + 1,
        sharedRank: 1 + players.findIndex(([, { score }]) => score === player.score),
        userId,
        ...player,
        achievedAt: '2026-06-11T19:00:00.000Z',
      }));
  }
}

/** The board of most tests. */
export const GLOBAL = boardKey('global', 1);

export async function databaseAway(): Promise<void> {
  throw new Error('the database is away');
}

/** A board whose every change makes a frame of about 256 KiB. */
export class HugeBoard extends ScriptedSource {
  static readonly FRAME = 256 * 1024;

  constructor() {
    super();
    this.change();
  }

  change(): void {
    this.score('usr_1', this.version + 1, 'x'.repeat(HugeBoard.FRAME));
  }
}

export interface LiveServer {
  readonly hub: Hub;
  readonly url: string;
  /** Every response that was subscribed, oldest first. */
  readonly responses: ServerResponse[];
  readonly ends: StreamEnd[];
  readonly errors: unknown[];
  /** Resolves when the n-th stream has ended. */
  ended(n: number): Promise<void>;
  /** Resolves when nothing is connected any more. */
  close(): Promise<void>;
}

type Options = Partial<HubOptions> & {
  source: BoardSource;
  beforeSubscribe?(request: IncomingMessage, response: ServerResponse): Promise<void>;
};

/** A bare HTTP server before a hub: `GET /<board>,<board>?limit=&user=`; the address is what `x-address` says. */
export async function startLiveServer(
  t: Test,
  { beforeSubscribe, ...options }: Options,
): Promise<LiveServer> {
  const responses: ServerResponse[] = [];
  const ends: StreamEnd[] = [];
  const errors: unknown[] = [];
  const endWatchers = new Set<() => void>();
  const hub = new Hub({
    feed: { isCurrent: true },
    flushIntervalMs: 20,
    pingIntervalMs: 60_000,
    stallTimeoutMs: 60_000,
    slots: new ConnectionSlots(1_000, 1_000),
    onError: (error) => errors.push(error),
    ...options,
    onStreamEnd: (reason) => {
      ends.push(reason);
      for (const watcher of endWatchers) watcher();
    },
  });
  const server = createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
    const slot = await hub.admit(String(request.headers['x-address'] ?? 'nowhere'));
    if (slot === null) {
      response.writeHead(503).end();
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.flushHeaders();
    await beforeSubscribe?.(request, response);
    const limit = Number(searchParams.get('limit') ?? 10);
    const userId = searchParams.get('user') ?? undefined;
    const boards = pathname.slice(1).split(',');
    hub.subscribe(
      slot,
      boards.map((board) => ({ board: boardKey(board, 1), limit, userId })),
      response,
      boards.length > 1 ? [] : null,
    );
    responses.push(response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;

  const close = async () => {
    hub.close();
    if (server.listening) await new Promise((resolve) => server.close(resolve));
  };
  t.teardown(() => {
    const closed = close();
    // Node's fetch keeps a spare connection that has sent nothing yet, and close() would wait for it.
    server.closeAllConnections();
    return closed;
  });

  const ended = (n: number) =>
    new Promise<void>((resolve) => {
      const watcher = () => {
        if (ends.length >= n) resolve();
      };
      endWatchers.add(watcher);
      watcher();
    });
  return { hub, url: `http://127.0.0.1:${port}`, responses, ends, errors, ended, close };
}

/** Fields of the events. */
export interface LiveData {
  readonly leaderboard: string;
  readonly seasonEndsAt: string | null;
  readonly now: string;
  readonly version: number;
  readonly season: number;
  readonly digest: string;
  readonly total: number;
  readonly items: readonly {
    readonly userId: string;
    readonly displayName: string;
    readonly score: number;
    readonly metadata?: unknown;
  }[];
  readonly userId: string;
  readonly rank: number | null;
  readonly score: number | null;
}

export interface LiveEvent {
  readonly type: string;
  readonly id: string;
  readonly data: LiveData;
}

/** A client that reads with the `eventsource` package. */
export class Watcher {
  readonly received: LiveEvent[] = [];
  readonly #source: EventSource;
  #read = 0;
  #wake: () => void = () => {};

  constructor(t: Test, url: string) {
    this.#source = new EventSource(url);
    for (const type of ['snapshot', 'leaderboard', 'rank', 'season', 'final', 'problem']) {
      this.#source.addEventListener(type, ({ data, lastEventId }: MessageEvent) => {
        this.received.push({ type, id: lastEventId, data: JSON.parse(data) });
        this.#wake();
      });
    }
    t.teardown(() => this.close());
  }

  async next(): Promise<LiveEvent> {
    for (;;) {
      const event = this.received[this.#read];
      if (event !== undefined) {
        this.#read++;
        return event;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Reads on to the first event that fits. */
  async until(fits: (event: LiveEvent) => boolean): Promise<LiveEvent> {
    for (;;) {
      const event = await this.next();
      if (fits(event)) return event;
    }
  }

  /** Lets go of what has been read. */
  forget(): void {
    this.received.splice(0, this.#read);
    this.#read = 0;
  }

  close(): void {
    this.#source.close();
  }
}

/** A client that has asked for a stream and reads nothing until told to. */
export async function openRaw(
  t: Test,
  url: string,
  headers: Record<string, string> = {},
): Promise<RawStream> {
  const agent = new Agent({ keepAlive: true });
  const request = get(url, { headers, agent });
  // However the server ends the stream, the tests look at it from there.
  request.on('error', () => {});
  t.teardown(() => {
    request.destroy();
    agent.destroy();
  });
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  response.on('error', () => {});
  return new RawStream(response);
}

export class RawStream {
  text = '';
  readonly #chunks: AsyncIterator<string>;

  constructor(private readonly response: IncomingMessage) {
    this.#chunks = response.setEncoding('utf8')[Symbol.asyncIterator]();
  }

  get status(): number | undefined {
    return this.response.statusCode;
  }

  get headers(): IncomingHttpHeaders {
    return this.response.headers;
  }

  /** Reads until the text so far matches. */
  async until(pattern: RegExp): Promise<string> {
    while (!pattern.test(this.text)) {
      if (!(await this.#readOn())) throw new Error(`ended before ${pattern}: ${this.text.slice(-500)}`);
    }
    return this.text;
  }

  async untilEnd(): Promise<string> {
    while (await this.#readOn());
    return this.text;
  }

  abort(): void {
    this.response.destroy();
  }

  async #readOn(): Promise<boolean> {
    const { done, value } = await this.#chunks.next();
    if (!done) this.text += value;
    return !done;
  }
}

export const HIGH_WATER = 64 * 1024;

/** A client that does not read, and changes until all buffers on the way to it are full. */
export async function openStalled(t: Test, source: HugeBoard, live: LiveServer, query = '') {
  const raw = await openRaw(t, `${live.url}/global${query}`);
  await eventually(() => live.responses.length > 0);
  const response = live.responses[0] as ServerResponse;
  for (;;) {
    const waiting = response.writableLength;
    await sleep(10);
    if (waiting > HIGH_WATER && response.writableLength === waiting) return { raw, response };
    const calls = source.limitsAsked.length;
    source.change();
    live.hub.boardChanged(GLOBAL);
    await eventually(() => source.limitsAsked.length > calls);
  }
}

/** Resolves at the first turn of the event loop at which it holds. */
export async function eventually(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(1);
}
