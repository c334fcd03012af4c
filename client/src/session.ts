import type { components } from './api.js';
import { backoff } from './backoff.js';
import { type Answer, ask, type Http, httpOf } from './http.js';
import { exclusively } from './lock.js';
import { ScoreboardError } from './problem.js';
import { orAbort, wait } from './retry.js';
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
  /** When to refresh, by the clock of this device, in milliseconds. */
  readonly refreshAt: number;
  /** When the refresh token was first sent, if there was no response: it may have been used since. By the same clock. */
  readonly sentAt?: number;
}

/** Refreshed after four fifths of the access token's lifetime: if the response is lost, the last fifth remains. */
const REFRESH_AFTER = 0.8;
/** For 30 s the service gives the same response to the same refresh token; the request also takes its time. */
const REPEATABLE_MS = 25_000;
const ATTEMPTS = 3;
/** Longer than another tab needs for all attempts. If it takes longer, the browser has frozen it. */
const LOCKED_MS = 60_000;
/** Browsers show what one tab has stored in another after a moment. */
const SEEN_IN_ALL_TABS_MS = 100;

/**
 * The session of one user, in the storage that all tabs share.
 *
 * A refresh token is valid for one use, and a second use ends the session. So all tabs together run one refresh at a time, and a
 * tab that had to wait reads the storage again. If the response to a refresh is lost, the token may have been used; it is sent
 * again while the service repeats its response. After that the access token is used until it expires, and only then the refresh
 * token is tried once more.
 */
export function sessionOf(
  baseUrl: string,
  store: Store,
  lock: string,
  onChange: (user: User | null) => void,
) {
  const held = (): Held | null => store.read('session');
  const http = httpOf(baseUrl);
  const alone = <T>(work: () => Promise<T>) => exclusively(lock, work, LOCKED_MS);
  let renewal: Promise<Held> | undefined;

  function keep(session: Held | null): void {
    const before = JSON.stringify(held()?.user);
    store.write('session', session);
    if (JSON.stringify(session?.user) !== before) onChange(session?.user ?? null);
  }

  /** Call it with the lock held. */
  async function open(send: (signal: AbortSignal) => Answer<Schemas['Session']>): Promise<Held> {
    const { user, accessToken, refreshToken, expiresIn } = await ask(send);
    const refreshAt = Date.now() + expiresIn * 1_000 * REFRESH_AFTER;
    const session = { user, accessToken, refreshToken, refreshAt };
    keep(session);
    return session;
  }
  const openGuest = (displayName?: string) =>
    open((signal) => http.POST('/v1/auth/guest', { body: { displayName }, signal }));

  /** Call it with the lock held. */
  async function renew(rejected: string | undefined): Promise<Held> {
    // What another tab has received may arrive here later than the lock that it has released.
    if (held()?.sentAt !== undefined) await wait(SEEN_IN_ALL_TABS_MS);
    const session = held();
    // A request of a user who has logged out must not be repeated as a new guest.
    if (!session && rejected) throw new ScoreboardError('unauthenticated', 'Logged out.', { status: 401 });
    if (!session) return openGuest();
    if (isValid(session, rejected)) return session;
    const { refreshToken } = session;
    // Stored before sending, because the page may be closed at any moment.
    const sent = { ...session, sentAt: session.sentAt ?? Date.now() };
    store.write('session', sent);
    for (let failures = 1; ; failures++) {
      try {
        return await open((signal) => http.POST('/v1/auth/refresh', { body: { refreshToken }, signal }));
      } catch (error) {
        if (!(error instanceof ScoreboardError)) throw error;
        const { mayPass, status } = error;
        const isOver = endsSession(error);
        if (isOver) keep(null);
        if (status === 429) store.write('session', session);
        const isLost = mayPass && status !== 429;
        if (!isLost || failures === ATTEMPTS || !isRepeatable(sent.sentAt)) {
          if (isOver || session.accessToken === rejected) throw error;
          return session;
        }
      }
      await wait(backoff(failures - 1));
    }
  }

  /** A session with an access token that should be valid; creates a guest if there is no session. */
  async function access(signal?: AbortSignal, rejected?: string): Promise<Held> {
    const session = held();
    if (session && isValid(session, rejected)) return session;
    renewal ??= alone(() => renew(rejected)).finally(() => {
      renewal = undefined;
    });
    return orAbort(renewal, signal);
  }

  /**
   * Sends a request with the session's access token, which is refreshed if necessary.
   * @param userId the only user for whom it is sent; without it, the session's user when it is sent first
   */
  async function call<T>(
    send: (http: Http, signal: AbortSignal, userId: string) => Answer<T>,
    signal?: AbortSignal,
    userId?: string,
    rejected?: string,
  ): Promise<T> {
    const { accessToken, user } = await access(signal, rejected);
    if (userId !== undefined && userId !== user.id)
      throw new ScoreboardError('unauthenticated', 'Another user has logged in.', { status: 401 });
    try {
      return await ask((limit) => send(httpOf(baseUrl, { accessToken }), limit, user.id), signal);
    } catch (error) {
      const isOld = error instanceof ScoreboardError && error.code === 'unauthenticated' && !rejected;
      if (isOld) return call(send, signal, user.id, accessToken);
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
    /** The session's user; null without a session. */
    user: () => held()?.user ?? null,
    guest: async (displayName?: string) => (await alone(async () => held() ?? openGuest(displayName))).user,
    register: async (body: Account) =>
      (await alone(() => open((signal) => http.POST('/v1/auth/register', { body, signal })))).user,
    login: async (body: Credentials) =>
      (await alone(() => open((signal) => http.POST('/v1/auth/login', { body, signal })))).user,
    upgrade: async (body: Credentials) =>
      renamed(await call((http, signal) => http.POST('/v1/users/me/credentials', { body, signal }))),
    rename: async (displayName: string) =>
      renamed(await call((http, signal) => http.PATCH('/v1/users/me', { body: { displayName }, signal }))),
    async logout(): Promise<void> {
      const end = async () => {
        const last = held();
        keep(null);
        return last;
      };
      // After a refresh in progress, whose response would otherwise restore the session.
      const session = await alone(end).catch(end);
      if (!session) return;
      await ask(async (signal) => {
        const http = httpOf(baseUrl, { accessToken: session.accessToken });
        const { response, error } = await http.POST('/v1/auth/logout', { signal });
        // A session that has already ended is fine.
        return { response, error, data: response.ok || response.status === 401 || undefined };
      });
    },
  };
}
export type Session = ReturnType<typeof sessionOf>;

/** Whether the service says that the session has ended. A 401 of a proxy or of a captive portal says nothing of it. */
export const endsSession = ({ code }: ScoreboardError): boolean =>
  code === 'unauthenticated' || code === 'refresh-token-invalid' || code === 'refresh-token-reused';

const isValid = ({ accessToken, refreshAt, sentAt }: Held, rejected: string | undefined): boolean =>
  accessToken !== rejected && (sentAt === undefined ? Date.now() < refreshAt : !isRepeatable(sentAt));

function isRepeatable(sentAt: number): boolean {
  const age = Date.now() - sentAt;
  // A negative age: the clock was set back.
  return age >= 0 && age < REPEATABLE_MS;
}
