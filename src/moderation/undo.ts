import type pg from 'pg';
import type { AuditEntry } from '../../schemas/moderation.js';
import type { Scope } from '../../schemas/scope.js';
import { requireScope } from '../access/caller.js';
import type { AdminAct } from '../audit.js';
import { audit } from '../audit.js';
import { Problem } from '../errors.js';
import { newId } from '../ids.js';
import { takeBack } from '../ledger/correction.js';
import { isArchived } from '../ledger/old-events.js';
import { type Queryable, transact } from '../postgres/database.js';
import { brokenConstraint } from '../postgres/errors.js';
import { toUuid, withIds } from '../stored-ids.js';
import { lockAct } from './acts.js';
import { findEvent, type Moderation } from './moderation.js';
import { beginUnvoid } from './unvoid.js';
import { ban, giveName, type LockedUser, liftBan, setHidden, type UserAct } from './user-acts.js';

type Undone = Pick<AuditEntry, 'id' | 'action' | 'target' | 'details'> & { readonly undoneBy: string | null };

const UNDONE = `
SELECT a.id, a.action, a.target, a.details, (SELECT u.id FROM admin_audit u WHERE u.undoes = a.id) AS "undoneBy"
FROM admin_audit a WHERE a.id = $1`;
const UNDO = 'SELECT id FROM admin_audit WHERE undoes = $1';
const LAST_FREEZE = `
SELECT id FROM admin_audit WHERE target = $1 AND action IN ('freeze-leaderboard', 'unfreeze-leaderboard') ORDER BY id DESC LIMIT 1`;

interface UndoOptions {
  readonly pool: pg.Pool;
  readonly moderation: Moderation;
  readonly catalog: { setFrozen(id: string, frozen: boolean, act: AdminAct): Promise<unknown> };
  /** Names this instance in what it announces to the others. */
  readonly writer: string;
}

/** Takes back what administrators have done, once each, as long as nobody has decided about the same since. */
export class Undo {
  readonly #options: UndoOptions;

  constructor(options: UndoOptions) {
    this.#options = options;
  }

  /**
   * @param scopes of the caller
   * @returns the id of the act that undoes it
   * @throws Problem `not-found`; `forbidden` if the caller could not do by itself what the undo does; `act-undone` if it was undone before; `act-not-undoable` if it is none that can be undone, or what
   * it did is no longer so; `event-archived`, `season-final`, `points-out-of-range`
   */
  async undo(actId: string, act: AdminAct, scopes: readonly Scope[]): Promise<string> {
    const { pool } = this.#options;
    const { rows } = await pool.query<Undone>(UNDONE, [toUuid('aud', actId)]);
    const [undone] = withIds(rows, { id: 'aud', undoneBy: 'aud' });
    if (undone === undefined) throw new Problem('not-found', `There is no act "${actId}".`);
    // It changes a board, which moderation alone does not allow.
    if (undone.action === 'freeze-leaderboard') requireScope({ scopes }, 'boards:write');
    if (undone.undoneBy !== null) throw wasUndone(actId);
    try {
      const id = await this.#undo(undone, { ...act, undoes: actId });
      // A job may have given up by now.
      if (typeof id === 'string') return id;
    } catch (error) {
      if (brokenConstraint(error) === 'admin_audit_undoes_key') throw wasUndone(actId);
      throw error;
    }
    const found = await pool.query<{ id: string }>(UNDO, [toUuid('aud', actId)]);
    const [undo] = withIds(found.rows, { id: 'aud' });
    if (undo === undefined) throw isOver(undone);
    return undo.id;
  }

  async #undo(undone: Undone, act: AdminAct): Promise<unknown> {
    const { moderation, writer } = this.#options;
    const doer = { act, writer };
    const { id, action, target, details } = undone;
    const onUser = (work: (client: Queryable, user: LockedUser) => Promise<UserAct | null>) =>
      moderation.actOn(target, work);
    switch (action) {
      case 'void-events':
        return this.#unvoid(undone, 'unvoid-events', act);
      case 'delete-entry':
        return this.#unvoid(undone, 'restore-entry', act);
      case 'void-event':
      case 'release-event':
        return this.#takeBack(undone, act);
      case 'ban-user':
        return onUser(async (client, user) => {
          if (user.bannedBy !== id) throw isOver(undone);
          const until = untilBefore(details);
          return until === undefined ? liftBan(client, user, doer) : ban(client, user, until, doer);
        });
      case 'hide-user':
        return onUser(async (client, user) => {
          if (user.hiddenBy !== id) throw isOver(undone);
          return setHidden(client, user, false, doer);
        });
      case 'rename-user':
        return onUser(async (client, user) => {
          const { from, to, locked, wasLocked } = details;
          const isSo = user.displayName === to && user.namedBy === (locked === true ? id : null);
          if (!isSo || typeof from !== 'string') throw isOver(undone);
          return giveName(client, user, from, wasLocked === true, doer);
        });
      case 'freeze-leaderboard':
        return this.#unfreeze(undone, act);
      default:
        throw new Problem('act-not-undoable', `An act of the kind "${action}" cannot be undone.`);
    }
  }

  #unvoid(undone: Undone, action: AuditEntry['action'], act: AdminAct): Promise<string> {
    return transact(this.#options.pool, async (client) => {
      const locked = await lockAct(client, undone.id);
      if (locked === null) throw isOver(undone);
      return await beginUnvoid(client, locked, action, undone.target, act);
    });
  }

  /** Of one event. */
  #takeBack(undone: Undone, act: AdminAct): Promise<unknown> {
    const { pool, moderation, writer } = this.#options;
    const { id, target: eventId } = undone;
    return moderation.correct(async (client) => {
      const { userId } = await findEvent(pool, eventId);
      const correction = await takeBack(client, [{ id: eventId, userId }], id, writer, act.amend ?? false);
      if (correction.events.length === 0 && (await isArchived(client, toUuid('evt', eventId))))
        throw new Problem(
          'event-archived',
          `The event "${eventId}" is archived: it counts, or does not, for good.`,
        );
      if (correction.events.length === 0) throw isOver(undone);
      const action = undone.action === 'void-event' ? 'unvoid-event' : 'hold-event';
      await audit(client, act, action, eventId, {}, newId('aud'));
      return { correction, result: undefined };
    });
  }

  async #unfreeze(undone: Undone, act: AdminAct): Promise<unknown> {
    const { pool, catalog } = this.#options;
    const { rows } = await pool.query<{ id: string }>(LAST_FREEZE, [undone.target]);
    if (withIds(rows, { id: 'aud' })[0]?.id !== undone.id) throw isOver(undone);
    return await catalog.setFrozen(undone.target, false, act);
  }
}

/** The end that a ban had before an act has given it another, null for none; undefined if there was no ban. */
function untilBefore({ was }: AuditEntry['details']): number | null | undefined {
  if (typeof was !== 'object' || was === null || !('until' in was)) return undefined;
  return typeof was.until === 'string' ? Date.parse(was.until) : null;
}

const wasUndone = (id: string): Problem => new Problem('act-undone', `The act "${id}" was undone before.`);
const isOver = ({ id }: Undone): Problem =>
  new Problem('act-not-undoable', `What the act "${id}" did is no longer so.`);
