import type { components } from './api.js';
import { type Answer, ask, type Http, httpOf } from './http.js';
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

export interface Account extends Credentials {
  readonly displayName?: string;
}

/** A session as it is stored. */
interface Held extends Pick<Schemas['Session'], 'user' | 'accessToken' | 'refreshToken'> {
  /** By the clock of this device, in milliseconds. */
  readonly refreshAt: number;
  /** The refresh token was sent, and no answer has come: it may be used up. */
  readonly doubtful?: boolean;
}

/** Refreshed when four fifths of the access token's time are over: if the answer is lost, there is still the last fifth. */
const REFRESH_AFTER = 0.8;

/**
 * The session of one user, in the storage, where other tabs see it too.
 *
 * A refresh token is good for one use, and a second use ends the session; so only one refresh is under way at a time, in all
 * tabs together, and whoever had to wait reads the storage again. When the answer to a refresh is lost, nobody knows whether
 * the token was used. Then the access token serves to its end, and only after that the refresh token is tried once more.
 */
export function sessionOf(
  baseUrl: string,
  store: Store,
  lock: string,
  onChange: (user: User | null) => void,
) {
  const held = (): Held | null => store.read('session');
  const http = httpOf(baseUrl);
  let renewal: Promise<Held> | undefined;

  function keep(session: Held | null): void {
    const before = JSON.stringify(held()?.user);
    store.write('session', session);
    if (JSON.stringify(session?.user) !== before) onChange(session?.user ?? null);
  }

  /** To be called under the lock. */
  async function open(send: (signal: AbortSignal) => Answer<Schemas['Session']>): Promise<Held> {
    const { user, accessToken, refreshToken, expiresIn } = await ask(send);
    const refreshAt = Date.now() + expiresIn * 1_000 * REFRESH_AFTER;
    const session = { user, accessToken, refreshToken, refreshAt };
    keep(session);
    return session;
  }
  const openGuest = (displayName?: string) =>
    open((signal) => http.POST('/v1/auth/guest', { body: { displayName }, signal }));

  /** To be called under the lock. */
  async function renew(rejected: string | undefined): Promise<Held> {
    const session = held();
    // What was asked in the name of a user who has left is not asked again in the name of a new guest.
    if (!session && rejected) throw new ScoreboardError('unauthenticated', 'Logged out.', { status: 401 });
    if (!session) return openGuest();
    if (isGood(session, rejected)) return session;
    const { refreshToken } = session;
    // Before it is sent: the page may be closed at any moment.
    store.write('session', { ...session, doubtful: true });
    try {
      return await open((signal) => http.POST('/v1/auth/refresh', { body: { refreshToken }, signal }));
    } catch (error) {
      const status = error instanceof ScoreboardError ? error.status : 0;
      if (status === 401) keep(null);
      if (status === 429) store.write('session', session);
      if (status === 401 || session.accessToken === rejected) throw error;
      return session;
    }
  }

  /** A session whose access token is good, as far as can be told; opens one for a guest if there is none. */
  async function access(rejected?: string): Promise<Held> {
    const session = held();
    if (session && isGood(session, rejected)) return session;
    renewal ??= exclusively(lock, () => renew(rejected)).finally(() => {
      renewal = undefined;
    });
    return renewal;
  }

  /** A request in the session's name, with a new access token if the old one is not good any more. */
  async function call<T>(
    send: (http: Http, signal: AbortSignal) => Answer<T>,
    signal?: AbortSignal,
    rejected?: string,
  ): Promise<T> {
    const { accessToken } = await access(rejected);
    try {
      return await ask((limit) => send(httpOf(baseUrl, { accessToken }), limit), signal);
    } catch (error) {
      const isOld = error instanceof ScoreboardError && error.code === 'unauthenticated' && !rejected;
      if (isOld) return call(send, signal, accessToken);
      throw error;
    }
  }

  function renamed(user: User): User {
    const session = held();
    if (session?.user.id === user.id) keep({ ...session, user });
    return user;
  }

  return {
    access,
    call,
    /** Whose session it is; null if there is none. */
    user: () => held()?.user ?? null,
    guest: async (displayName?: string) =>
      (await exclusively(lock, async () => held() ?? openGuest(displayName))).user,
    register: async (body: Account) =>
      (await exclusively(lock, () => open((signal) => http.POST('/v1/auth/register', { body, signal }))))
        .user,
    login: async (body: Credentials) =>
      (await exclusively(lock, () => open((signal) => http.POST('/v1/auth/login', { body, signal })))).user,
    upgrade: async (body: Credentials) =>
      renamed(await call((http, signal) => http.POST('/v1/users/me/credentials', { body, signal }))),
    rename: async (displayName: string) =>
      renamed(await call((http, signal) => http.PATCH('/v1/users/me', { body: { displayName }, signal }))),
    async logout(): Promise<void> {
      // Not before a refresh that is under way: its answer would bring the session back.
      const session = await exclusively(lock, async () => {
        const last = held();
        keep(null);
        return last;
      });
      if (!session) return;
      await ask(async (signal) => {
        const http = httpOf(baseUrl, { accessToken: session.accessToken });
        const { response, error } = await http.POST('/v1/auth/logout', { signal });
        // Over already is as good.
        return { response, error, data: response.ok || response.status === 401 || undefined };
      });
    },
  };
}
export type Session = ReturnType<typeof sessionOf>;

const isGood = ({ accessToken, refreshAt, doubtful }: Held, rejected: string | undefined): boolean =>
  accessToken !== rejected && (doubtful === true || Date.now() < refreshAt);
