import type { Session } from '../../schemas/session.js';
import type { User } from '../../schemas/user.js';
import { now } from '../clock.js';
import { Problem } from '../errors.js';
import type { AccessTokens } from './access-tokens.js';
import type { LoginAttempts } from './login-attempts.js';
import type { OpenSession, Sessions } from './sessions.js';
import type { Credentials, Users } from './users.js';

interface LoginsOptions {
  readonly users: Users;
  readonly sessions: Sessions;
  readonly attempts: LoginAttempts;
  readonly accessTokens: AccessTokens;
}

/** Opens sessions of users and keeps them going, each time with a new access token. */
export class Logins {
  readonly #options: LoginsOptions;

  constructor(options: LoginsOptions) {
    this.#options = options;
  }

  /**
   * Opens a session for the right password.
   * @param network see networkOf()
   * @throws Problem `invalid-credentials`, `user-banned`, or `rate-limited` if there were too many tries for this account
   */
  async logIn(credentials: Credentials, network: string): Promise<Session> {
    const { attempts, users } = this.#options;
    await attempts.begin(credentials.username, network);
    const user = await users.authenticate(credentials);
    if (user === null) throw new Problem('invalid-credentials', 'Unknown username or wrong password.');
    await attempts.succeeded(credentials.username, network);
    return this.open(user);
  }

  /** Opens a session for a user whose identity is established. @throws Problem `not-found` if the user was erased, `user-banned` */
  async open(user: User): Promise<Session> {
    return this.#answer(user, await this.#options.sessions.open(user.id));
  }

  /**
   * Opens a session for a player whom a game server has logged in.
   * @throws Problem `not-found`, `user-banned`, or `forbidden` for any other role: a game server could make itself an administrator
   */
  async openForPlayer(userId: string): Promise<Session> {
    const user = await this.#options.users.get(userId);
    if (user.role !== 'player')
      throw new Problem('forbidden', `This user is not a player: its role is ${user.role}.`);
    return this.open(user);
  }

  /** @throws Problem `user-banned`, `refresh-token-invalid`, `refresh-token-reused` */
  async refresh(refreshToken: string): Promise<Session> {
    const session = await this.#options.sessions.refresh(refreshToken);
    const user = await this.#options.users.find(session.userId);
    // Erased a moment ago, so its sessions are about to be revoked.
    if (user === null)
      throw new Problem('refresh-token-invalid', 'The user of this refresh token is erased.');
    return this.#answer(user, session);
  }

  #answer(user: User, { sessionId, refreshToken, expiresAt }: OpenSession): Session {
    const refreshExpiresIn = Math.max(1, Math.floor((expiresAt - now()) / 1000));
    // An access token never outlives its session.
    const { token: accessToken, expiresIn } = this.#options.accessTokens.issue(
      { sub: user.id, sid: sessionId, role: user.role },
      refreshExpiresIn,
    );
    return { user, accessToken, tokenType: 'Bearer', expiresIn, refreshToken, refreshExpiresIn };
  }
}
