import { ask, type components, httpOf, ScoreboardError } from '@scoreboard/client';
import { connection } from './connection.js';

export type AdminSession = components['schemas']['AdminSession'];
export type Scope = AdminSession['scopes'][number];

export interface Login {
  readonly name: string;
  readonly password: string;
  readonly code: string;
}

const http = httpOf(location.origin);

/** Who has logged in. The cookie is out of reach of this page; what it needs beside is a token against forged requests. */
class Session extends EventTarget {
  #current: AdminSession | null = null;

  get current(): AdminSession | null {
    return this.#current;
  }

  get headers(): Record<string, string> {
    return this.#current === null ? {} : { 'x-csrf-token': this.#current.csrfToken };
  }

  may(scope: Scope): boolean {
    return this.#current?.scopes.includes(scope) ?? false;
  }

  /** Takes up the session of the cookie. False if there is none. @throws ScoreboardError if that is not known */
  async resume(): Promise<boolean> {
    try {
      this.#set(await ask((signal) => http.GET('/v1/admin/session', { signal })));
      return true;
    } catch (error) {
      if (error instanceof ScoreboardError && error.code === 'unauthenticated') return false;
      throw error;
    } finally {
      connection.set(false);
    }
  }

  /** @throws ScoreboardError */
  async begin(body: Login): Promise<void> {
    this.#set(await ask((signal) => http.POST('/v1/admin/session', { body, signal })));
    connection.set(false);
  }

  /** @throws ScoreboardError if the session may still be open */
  async close(): Promise<void> {
    const { headers } = this;
    await ask((signal) =>
      httpOf(location.origin, { fetch: (url, init) => fetch(url, { ...init, headers }) }).DELETE(
        '/v1/admin/session',
        { signal },
      ),
    );
    this.end();
  }

  /** The service does not know the session any more. */
  end(): void {
    this.#set(null);
  }

  #set(current: AdminSession | null): void {
    this.#current = current;
    this.dispatchEvent(new Event('change'));
  }
}

export const session = new Session();
