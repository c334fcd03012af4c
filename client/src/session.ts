import type { components } from './api.js';
import { ask, type Http } from './http.js';
import { exclusively } from './lock.js';
import { ScoreboardError } from './problem.js';
import type { Store } from './storage.js';

type Schemas = components['schemas'];
/** `{id, displayName, username, role, createdAt}`; username is null for a guest. */
export type User = Schemas['User'];
export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** A session as it is stored. */
interface Held extends Pick<Schemas['Session'], 'user' | 'accessToken' | 'refreshToken'> {
  /** By the clock of this device, in milliseconds. */
  readonly refreshAt: number;
  /** The refresh token was sent, and no answer has come: it may be used up. */
  readonly doubtful?: boolean;
}

/** A request that is answered with a session. */
type Opening = (
  signal: AbortSignal,
) => Promise<{ data?: Schemas['Session']; error?: unknown; response: Response }>;

/** Refreshed when four fifths of the access token's time are over: if the answer is lost, there is still the last fifth. */
const REFRESH_AFTER = 0.8;

/**
 * The session of one user, in the storage, where other tabs see it too.
 *
 * A refresh token is good for one use, and a second use ends the session; so only one refresh is under way at a time, in all
 * tabs together, and whoever had to wait reads the storage again. When the answer to a refresh is lost, nobody knows whether
 * the token was used. Then the access token serves to its end, and only after that the refresh token is tried once more.
 */
export class Session {
  readonly #http: Http;
  readonly #store: Store;
  readonly #lock: string;
  readonly #onChange: (user: User | null) => void;
  #renewal: Promise<Held> | undefined;

  constructor(http: Http, store: Store, lock: string, onChange: (user: User | null) => void) {
    this.#http = http;
    this.#store = store;
    this.#lock = lock;
    this.#onChange = onChange;
  }

  /** Whose session it is; null if there is none. */
  get user(): User | null {
    return this.#held()?.user ?? null;
  }

  /** The session's user; a new guest if there is no session. */
  async guest(displayName?: string): Promise<User> {
    const { user } = await exclusively(this.#lock, async () => this.#held() ?? this.#openGuest(displayName));
    return user;
  }

  /** Makes an account, and changes to it. */
  register(body: Credentials & { displayName?: string }): Promise<User> {
    return this.#changeTo((signal) => this.#http.POST('/v1/auth/register', { body, signal }));
  }

  login(body: Credentials): Promise<User> {
    return this.#changeTo((signal) => this.#http.POST('/v1/auth/login', { body, signal }));
  }

  /** Makes the guest a full account, which keeps its scores. */
  async upgrade(credentials: Credentials): Promise<User> {
    const user = await this.call((headers, signal) =>
      this.#http.POST('/v1/users/me/credentials', { body: credentials, headers, signal }),
    );
    return this.#renamed(user);
  }

  async rename(displayName: string): Promise<User> {
    const user = await this.call((headers, signal) =>
      this.#http.PATCH('/v1/users/me', { body: { displayName }, headers, signal }),
    );
    return this.#renamed(user);
  }

  /** Ends the session, here in any case, and at the service if it answers. */
  async logout(): Promise<void> {
    const held = this.#held();
    if (held === null) return;
    this.#keep(null);
    const headers = { authorization: `Bearer ${held.accessToken}` };
    await ask(async (signal) => {
      const { response, error } = await this.#http.POST('/v1/auth/logout', { headers, signal });
      // Over already is as good.
      const isOver = response.ok || response.status === 401;
      return { response, error, ...(isOver && { data: true }) };
    });
  }

  /** A request in the session's name, with a new access token if the old one is not good any more. */
  async call<T>(
    send: (
      headers: { authorization: string },
      signal: AbortSignal,
    ) => Promise<{ data?: T; error?: unknown; response: Response }>,
    signal?: AbortSignal,
  ): Promise<T> {
    const request = async (rejected?: string) => {
      const { accessToken } = await this.access(rejected);
      const answer = ask((limit) => send({ authorization: `Bearer ${accessToken}` }, limit), signal);
      return { accessToken, answer };
    };
    const { accessToken, answer } = await request();
    try {
      return await answer;
    } catch (error) {
      if (!(error instanceof ScoreboardError && error.code === 'unauthenticated')) throw error;
    }
    return (await request(accessToken)).answer;
  }

  /** A session whose access token is good, as far as can be told; opens one for a guest if there is none. */
  async access(rejected?: string): Promise<Pick<Held, 'user' | 'accessToken'>> {
    const held = this.#held();
    if (held !== null && isGood(held, rejected)) return held;
    this.#renewal ??= exclusively(this.#lock, () => this.#renew(rejected)).finally(() => {
      this.#renewal = undefined;
    });
    return this.#renewal;
  }

  async #renew(rejected: string | undefined): Promise<Held> {
    const held = this.#held();
    if (held === null) return this.#openGuest();
    if (isGood(held, rejected)) return held;
    const { refreshToken } = held;
    // Before it is sent: the page may be closed at any moment.
    this.#store.write('session', { ...held, doubtful: true });
    try {
      return await this.#open((signal) =>
        this.#http.POST('/v1/auth/refresh', { body: { refreshToken }, signal }),
      );
    } catch (error) {
      if (!(error instanceof ScoreboardError)) throw error;
      if (error.status === 401) this.#keep(null);
      else if (error.status === 429) this.#store.write('session', held);
      if (error.status === 401 || held.accessToken === rejected) throw error;
      return held;
    }
  }

  async #changeTo(send: Opening): Promise<User> {
    return (await exclusively(this.#lock, () => this.#open(send))).user;
  }

  #openGuest(displayName?: string): Promise<Held> {
    const body = displayName ? { displayName } : {};
    return this.#open((signal) => this.#http.POST('/v1/auth/guest', { body, signal }));
  }

  /** To be called under the lock. */
  async #open(send: Opening): Promise<Held> {
    const { user, accessToken, refreshToken, expiresIn } = await ask(send);
    const refreshAt = Date.now() + expiresIn * 1_000 * REFRESH_AFTER;
    const held = { user, accessToken, refreshToken, refreshAt };
    this.#keep(held);
    return held;
  }

  #renamed(user: User): User {
    const held = this.#held();
    if (held?.user.id === user.id) this.#keep({ ...held, user });
    return user;
  }

  #held(): Held | null {
    return this.#store.read('session');
  }

  #keep(held: Held | null): void {
    const before = this.#held()?.user;
    this.#store.write('session', held);
    const user = held?.user ?? null;
    if (JSON.stringify(before) !== JSON.stringify(user ?? undefined)) this.#onChange(user);
  }
}

const isGood = ({ accessToken, refreshAt, doubtful }: Held, rejected: string | undefined): boolean =>
  accessToken !== rejected && (doubtful === true || Date.now() < refreshAt);
