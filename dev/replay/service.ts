import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, ask, type components, type Http, httpOf, ScoreboardError } from '@scoreboard/client';
import { type Identity, signAccessToken } from './credentials.js';
import { ReplayError } from './replay-error.js';

type Schemas = components['schemas'];

const PATIENCE_MS = 30_000;
/** By so much a timer may fire too early. */
const TIMER_MS = 20;

/**
 * The service as a game server uses it. A request without a response, or one that may succeed later, is repeated for up to
 * 30 seconds: creating a user and posting a token are idempotent. Every other failure becomes a ReplayError.
 */
export class Service {
  readonly #url: string;
  readonly #identity: Identity;
  readonly #signal: AbortSignal;
  #reached = false;
  #grant = { accessToken: '', renewAt: 0 };

  constructor(url: string, identity: Identity, signal: AbortSignal) {
    this.#url = url.replace(/\/+$/, '');
    this.#identity = identity;
    this.#signal = signal;
  }

  async actions(): Promise<Schemas['Action'][]> {
    const { items } = await this.#authorized((http, signal) => http.GET('/v1/actions', { signal }));
    return items;
  }

  /** The first entries of a board, and the number of all; by default in the season in force. */
  board(id: string, limit: number, season?: number): Promise<Schemas['Entries']> {
    const params = { path: { id }, query: { limit, ...(season !== undefined && { season }) } };
    return this.#authorized((http, signal) => http.GET('/v1/leaderboards/{id}/entries', { params, signal }));
  }

  /** The id of the user with this external id; creates the user if there is none. */
  async ensureUser(displayName: string, externalId: string): Promise<string> {
    const body = { displayName, externalId };
    const user = await this.#authorized((http, signal) => http.POST('/v1/users', { body, signal }));
    return user.id;
  }

  /**
   * Begins a season of a board, unless the one in force is still empty, and names it. Resolves when it has begun.
   * @returns its number
   * @throws ReplayError also if the replay is a service account: game servers do not end seasons
   */
  async beginSeason(id: string, label: string): Promise<number> {
    if (!('jwtSecret' in this.#identity))
      throw new ReplayError('--seasons needs JWT_SECRET: a game server may not end seasons.');
    const http = httpOf(this.#url, { accessToken: signAccessToken(this.#identity.jwtSecret, 'admin') });
    const { season, total } = await this.board(id, 1);
    const body = { label, reason: 'The replay of a tournament.' };
    if (total === 0) {
      const params = { path: { id, season } };
      await this.#retry((signal) =>
        http.PATCH('/v1/admin/leaderboards/{id}/seasons/{season}', { params, body, signal }),
      );
      return season;
    }
    const { endsAt, now } = await this.#retry((signal) =>
      http.POST('/v1/admin/leaderboards/{id}/seasons', { params: { path: { id } }, body, signal }),
    );
    const leftMs = Date.parse(endsAt ?? now) - Date.parse(now);
    await sleep(leftMs + TIMER_MS, undefined, { signal: this.#signal });
    return season + 1;
  }

  /**
   * Redeems a token.
   * @param season in which it must count, by board
   * @returns its user's rank by board; empty if an earlier attempt counted but its response was lost
   */
  async postScore(
    actionToken: string,
    season?: Readonly<Record<string, number>>,
  ): Promise<Map<string, number | null>> {
    const { leaderboards } = await this.#authorized(async (http, signal) => {
      const body = { actionToken, ...(season && { season }) };
      const { data, error, response } = await http.POST('/v1/scores', { body, signal });
      return { error, response, data: error?.original ? { leaderboards: [] } : data };
    });
    return new Map(leaderboards.map((board) => [board.id, 'rank' in board ? board.rank : null]));
  }

  async #authorized<T>(call: (http: Http, signal: AbortSignal) => Answer<T>): Promise<T> {
    const http = httpOf(this.#url, { accessToken: await this.#accessToken() });
    return this.#retry((signal) => call(http, signal));
  }

  async #accessToken(): Promise<string> {
    if ('jwtSecret' in this.#identity) return signAccessToken(this.#identity.jwtSecret, 'server');
    if (performance.now() >= this.#grant.renewAt) {
      const { clientId, clientSecret } = this.#identity;
      const body = {
        grant_type: 'client_credentials' as const,
        client_id: clientId,
        client_secret: clientSecret,
      };
      const { access_token, expires_in } = await this.#retry((signal) =>
        httpOf(this.#url).POST('/v1/auth/token', { body, signal }),
      );
      // After half of its lifetime, while it is still valid.
      this.#grant = { accessToken: access_token, renewAt: performance.now() + expires_in * 500 };
    }
    return this.#grant.accessToken;
  }

  async #retry<T>(send: (signal: AbortSignal) => Answer<T>): Promise<T> {
    const giveUp = performance.now() + PATIENCE_MS;
    for (let pause = 100; ; pause = Math.min(2 * pause, 4_000)) {
      try {
        const body = await ask(send, this.#signal);
        this.#reached = true;
        return body;
      } catch (error) {
        if (!(error instanceof ScoreboardError)) throw error;
        this.#reached ||= error.status > 0;
        const wait = Math.max(1_000 * (error.retryAfter ?? 0), pause);
        if (!this.#reached || !error.mayPass || performance.now() + wait > giveUp) {
          throw new ReplayError(this.#explain(error), { cause: error });
        }
        await sleep(wait, undefined, { signal: this.#signal });
      }
    }
  }

  #explain(error: ScoreboardError): string {
    if (!this.#reached) return `No service answers at ${this.#url}: is \`npm start\` running?`;
    if (error.mayPass) return `The service at ${this.#url} is not available (${describe(error)}).`;
    switch (error.code) {
      case 'unexpected-answer':
        return `What answers at ${this.#url} is not scoreboard-api, or is another version of it (status ${error.status}).`;
      case 'invalid-credentials':
        return 'The service does not know this SCOREBOARD_CLIENT_ID with this SCOREBOARD_CLIENT_SECRET.';
      case 'unauthenticated':
        return secretDiffers('JWT_SECRET', error);
      case 'action-token-invalid':
        return secretDiffers('ACTION_TOKEN_SECRET', error);
      default:
        return `The service refused: ${describe(error)}.`;
    }
  }
}

function secretDiffers(name: string, error: ScoreboardError): string {
  return `The service does not accept what ${name} signed (${describe(error)}): run this in the folder where \`npm start\` runs, or set ${name} as the service has it.`;
}

function describe({ status, code, message }: ScoreboardError): string {
  return status === 0 ? 'no response' : `${status} ${code}: ${message}`.replace(/[.: ]+$/, '');
}
