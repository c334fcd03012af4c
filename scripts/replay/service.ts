import { setTimeout as sleep } from 'node:timers/promises';
import { type Static, type TSchema, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { type Identity, signAccessToken } from './credentials.js';
import { ReplayError } from './replay-error.js';

interface Request {
  readonly path: string;
  readonly body?: object;
  readonly accessToken?: string;
}
interface Answer {
  readonly status: number;
  readonly body: unknown;
  /** Milliseconds. */
  readonly retryAfter: number | undefined;
}

const ATTEMPT_MS = 10_000;
const PATIENCE_MS = 30_000;
/** "Not now", from the service or from a proxy before it. */
const TRANSIENT = [429, 502, 503, 504];

// Only what the replay reads of each answer.
const Grant = Type.Object({ access_token: Type.String(), expires_in: Type.Number() });
const Board = Type.Object({
  total: Type.Integer(),
  items: Type.Array(
    Type.Object({
      rank: Type.Integer(),
      userId: Type.String(),
      displayName: Type.String(),
      score: Type.Integer(),
    }),
  ),
});
const Actions = Type.Object({
  items: Type.Array(Type.Object({ id: Type.String(), leaderboards: Type.Array(Type.String()) })),
});
const User = Type.Object({ id: Type.String() });
const Rank = Type.Union([Type.Integer(), Type.Null()]);
const Receipt = Type.Object({ leaderboards: Type.Array(Type.Object({ id: Type.String(), rank: Rank })) });
const Replayed = Type.Object({ original: Type.Object({ acceptedAt: Type.String() }) });
const Problem = Type.Object({ code: Type.String(), detail: Type.Optional(Type.String()) });

/**
 * The service as a game server sees it. A request whose answer is lost, or that the service puts off, is made again
 * for up to 30 seconds: creating a user and posting a token are safe to repeat. Whatever else goes wrong is a ReplayError.
 */
export class Service {
  readonly #url: string;
  readonly #identity: Identity;
  readonly #signal: AbortSignal;
  #reached = false;
  #grant = { accessToken: '', goodUntil: 0 };

  constructor(url: string, identity: Identity, signal: AbortSignal) {
    this.#url = url.replace(/\/+$/, '');
    this.#identity = identity;
    this.#signal = signal;
  }

  async actions(): Promise<Static<typeof Actions>['items']> {
    const { items } = this.#expect(Actions, await this.#authorized('/v1/actions'));
    return items;
  }

  /** The top of a board, and how many entries it has. */
  async board(id: string, limit: number): Promise<Static<typeof Board>> {
    const path = `/v1/leaderboards/${encodeURIComponent(id)}/entries?limit=${limit}`;
    return this.#expect(Board, await this.#authorized(path));
  }

  /** The id of the user with this external id, who is made if there is none. */
  async ensureUser(displayName: string, externalId: string): Promise<string> {
    return this.#expect(User, await this.#authorized('/v1/users', { displayName, externalId })).id;
  }

  /** Counts a token and gives its user's rank by board; nothing if it had counted before the answer was lost. */
  async postScore(actionToken: string): Promise<Map<string, number | null>> {
    const answer = await this.#authorized('/v1/scores', { actionToken });
    if (answer.status === 409 && Value.Check(Replayed, answer.body)) return new Map();
    return new Map(this.#expect(Receipt, answer).leaderboards.map(({ id, rank }) => [id, rank]));
  }

  async #authorized(path: string, body?: object): Promise<Answer> {
    const accessToken = await this.#accessToken();
    return this.#send(body === undefined ? { path, accessToken } : { path, body, accessToken });
  }

  async #accessToken(): Promise<string> {
    if ('jwtSecret' in this.#identity) return signAccessToken(this.#identity.jwtSecret);
    if (performance.now() >= this.#grant.goodUntil) {
      const { clientId, clientSecret } = this.#identity;
      const body = { grant_type: 'client_credentials', client_id: clientId, client_secret: clientSecret };
      const answer = await this.#send({ path: '/v1/auth/token', body });
      const { access_token, expires_in } = this.#expect(Grant, answer);
      this.#grant = { accessToken: access_token, goodUntil: performance.now() + expires_in * 500 };
    }
    return this.#grant.accessToken;
  }

  async #send(request: Request): Promise<Answer> {
    const giveUp = performance.now() + PATIENCE_MS;
    for (let pause = 100; ; pause = Math.min(2 * pause, 4_000)) {
      const answer = await this.#attempt(request);
      if (answer !== undefined && !TRANSIENT.includes(answer.status)) return answer;
      const wait = Math.max(answer?.retryAfter ?? 0, pause);
      if (performance.now() + wait > giveUp) {
        const last = answer === undefined ? 'no answer' : describe(answer);
        throw new ReplayError(
          `The service at ${this.#url} cannot be used just now (${request.path}: ${last}).`,
        );
      }
      await sleep(wait, undefined, { signal: this.#signal });
    }
  }

  /** Undefined if no whole answer came. */
  async #attempt({ path, body, accessToken }: Request): Promise<Answer | undefined> {
    try {
      const response = await fetch(`${this.#url}${path}`, {
        headers: {
          ...(accessToken !== undefined && { authorization: `Bearer ${accessToken}` }),
          ...(body && { 'content-type': 'application/json' }),
        },
        ...(body && { method: 'POST', body: JSON.stringify(body) }),
        signal: AbortSignal.any([this.#signal, AbortSignal.timeout(ATTEMPT_MS)]),
      });
      const text = await response.text();
      this.#reached = true;
      const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
      return {
        status: response.status,
        body: json(text),
        retryAfter: seconds >= 0 ? seconds * 1000 : undefined,
      };
    } catch (cause) {
      this.#signal.throwIfAborted();
      if (this.#reached) return undefined;
      throw new ReplayError(`No service answers at ${this.#url}: is \`npm start\` running?`, { cause });
    }
  }

  #expect<T extends TSchema>(schema: T, answer: Answer): Static<T> {
    if (answer.status < 300 && Value.Check(schema, answer.body)) return answer.body;
    throw new ReplayError(this.#refusal(answer));
  }

  #refusal(answer: Answer): string {
    if (!Value.Check(Problem, answer.body)) {
      return `What answers at ${this.#url} is not scoreboard-api, or is another version of it (status ${answer.status}).`;
    }
    const { code } = answer.body;
    if (code === 'invalid-credentials') {
      return 'The service does not know this SCOREBOARD_CLIENT_ID with this SCOREBOARD_CLIENT_SECRET.';
    }
    if (code === 'unauthenticated') return secretDiffers('JWT_SECRET', answer);
    if (code === 'action-token-invalid') return secretDiffers('ACTION_TOKEN_SECRET', answer);
    return `The service refused: ${describe(answer)}.`;
  }
}

function secretDiffers(name: string, answer: Answer): string {
  return `The service does not accept what ${name} signed (${describe(answer)}): run this in the folder where \`npm start\` runs, or set ${name} as the service has it.`;
}

function describe({ status, body }: Answer): string {
  return Value.Check(Problem, body)
    ? `${status} ${body.code}: ${body.detail ?? ''}`.replace(/[.: ]+$/, '')
    : `status ${status}`;
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
