import type { User } from '../../schemas/user.js';
import type { Revocations } from '../access/revocations.js';
import type { Users } from '../access/users.js';
import type { Queryable } from '../postgres/database.js';
import type { Leaderboards } from './leaderboards.js';

interface UserChangesOptions {
  readonly users: Users;
  readonly revocations: Revocations;
  readonly leaderboards: Leaderboards;
}

/** The changes of a user that boards show: first committed, then applied on this instance; the others are notified. */
export class UserChanges {
  readonly #options: UserChangesOptions;

  constructor(options: UserChangesOptions) {
    this.#options = options;
  }

  /** @throws Problem `not-found`, `validation-failed` */
  async rename(userId: string, name: string): Promise<User> {
    const { users, leaderboards } = this.#options;
    const { user, changeId, boards } = await users.rename(userId, name);
    await leaderboards.rename(changeId, user.id, user.displayName, boards);
    return user;
  }

  /** Erases a user: personal data, sessions and entries. @param record see Users.erase() */
  async erase(userId: string, record?: (client: Queryable) => Promise<unknown>): Promise<void> {
    const { users, revocations, leaderboards } = this.#options;
    const { changeId, boards } = await users.erase(userId, record);
    revocations.remember(userId);
    await leaderboards.erase(changeId, userId, boards);
  }
}
