import type { ModeratedUser } from '../../schemas/moderation.js';
import { BOARDS_OF_USER } from '../access/users.js';
import { type AdminAct, audit } from '../audit.js';
import { type BoardKey, boardKey } from '../board-key.js';
import { announce } from '../changes/change.js';
import { instant, instantOrNull } from '../clock.js';
import { invalid, Problem } from '../errors.js';
import { newId } from '../ids.js';
import { addJob } from '../jobs/job.js';
import type { BoardChange } from '../leaderboard/entry.js';
import { announceEntries } from '../ledger/correction.js';
import { setWithheld } from '../ledger/withhold.js';
import type { Queryable } from '../postgres/database.js';
import { milliseconds, timestampAt } from '../postgres/sql.js';
import { toUuid, withIds } from '../stored-ids.js';
import { publish } from '../webhooks/publish.js';
import { END_BAN } from './end-ban.js';
import { MODERATED_USER } from './user-search.js';

/** A user whose row is locked, as it is before an act. Times in milliseconds since 1970; the names of lines of the audit are ids. */
export interface LockedUser {
  readonly id: string;
  readonly displayName: string;
  readonly isErased: boolean;
  readonly bannedAt: number | null;
  readonly bannedUntil: number | null;
  readonly bannedBy: string | null;
  readonly hiddenAt: number | null;
  readonly hiddenBy: string | null;
  readonly namedBy: string | null;
  /** On the clock of the database. */
  readonly now: number;
}

/** What an act has done to the boards: announced to the others, and to be shown here after the commit. */
export interface UserAct {
  readonly changeId: string;
  readonly entries: readonly BoardChange[];
  readonly name?: { readonly displayName: string; readonly boards: readonly BoardKey[] };
}

/** Who acts, and the name of the instance in what it announces. */
interface Doer {
  readonly act: AdminAct;
  readonly writer: string;
}

/** Waits for batches that hold the row; those that come later find it changed. One that is erased is known while it can be banned. */
const LOCK = `
SELECT id, display_name AS "displayName", erased_at IS NOT NULL AS "isErased", ${milliseconds('banned_at')} AS "bannedAt",
       ${milliseconds('banned_until')} AS "bannedUntil", banned_by AS "bannedBy", ${milliseconds('hidden_at')} AS "hiddenAt",
       hidden_by AS "hiddenBy", named_by AS "namedBy", ${milliseconds('clock_timestamp()')} AS now
FROM users WHERE id = $1 AND (erased_at IS NULL OR banned_at IS NOT NULL OR external_key IS NOT NULL) FOR NO KEY UPDATE`;

const BAN = `
UPDATE users SET banned_at = coalesce(banned_at, now()), banned_until = ${timestampAt('$2::float8')}, banned_by = $3 WHERE id = $1`;
/** An erased user who was banned has kept its username, which is free again. */
const LIFT_BAN = `
UPDATE users
SET banned_at = NULL, banned_until = NULL, banned_by = NULL,
    username = CASE WHEN erased_at IS NULL THEN username END, password_hash = CASE WHEN erased_at IS NULL THEN password_hash END
WHERE id = $1`;
const SET_HIDDEN = `
UPDATE users SET hidden_at = CASE WHEN $2 THEN now() END, hidden_by = CASE WHEN $2 THEN $3::uuid END WHERE id = $1`;
const NAME = 'UPDATE users SET display_name = $2, named_by = $3 WHERE id = $1';

export const amends = ({ amend = false }: AdminAct): boolean => amend;
export const noUser = (id: string): Problem => new Problem('not-found', `There is no user "${id}".`);
const uuidOf = ({ id }: LockedUser) => toUuid('usr', id);

/** @throws Problem `not-found` */
export async function lockUser(client: Queryable, userId: string): Promise<LockedUser> {
  const { rows } = await client.query<LockedUser>(LOCK, [toUuid('usr', userId)]);
  const [user] = withIds(rows, { id: 'usr', bannedBy: 'aud', hiddenBy: 'aud', namedBy: 'aud' });
  if (user === undefined) throw noUser(userId);
  return user;
}

/** The user after an act. */
export async function moderatedUser(client: Queryable, userId: string): Promise<ModeratedUser> {
  const { rows } = await client.query<ModeratedUser>(`SELECT ${MODERATED_USER} FROM users WHERE id = $1`, [
    toUuid('usr', userId),
  ]);
  const [user] = withIds(rows, { id: 'usr' });
  if (user === undefined) throw noUser(userId);
  return user;
}

/**
 * Bans a user, or gives its ban another end. Null if it is so already.
 * @param until in milliseconds since 1970; null is until somebody lifts it
 * @param details what the audit says besides
 * @throws Problem `validation-failed` if that is not in the future
 */
export async function ban(
  client: Queryable,
  user: LockedUser,
  until: number | null,
  { act, writer }: Doer,
  details = {},
): Promise<UserAct | null> {
  const { bannedAt, bannedUntil, bannedBy } = user;
  const isBanned = bannedAt !== null;
  if (until !== null && until <= user.now) throw invalid('/until', 'must be in the future');
  if (isBanned && bannedUntil === until) return null;
  const id = newId('aud');
  await client.query(BAN, [uuidOf(user), until, toUuid('aud', id)]);
  const was = isBanned && { was: { until: instantOrNull(bannedUntil), by: bannedBy } };
  await audit(
    client,
    act,
    'ban-user',
    user.id,
    { ...details, ...(until !== null && { until: instant(until) }), ...was },
    id,
  );
  // Replaces the job of an end that the ban had before.
  if (until !== null) await addJob(client, END_BAN, { userId: user.id }, until - user.now);
  if (isBanned) return { changeId: newId('chg'), entries: [] };
  await publish(client, { type: 'user.banned', data: { userId: user.id } });
  return withhold(client, user, true, amends(act), writer, true);
}

/** Null if the user is not banned. */
export async function liftBan(
  client: Queryable,
  user: LockedUser,
  { act, writer }: Doer,
  details = {},
): Promise<UserAct | null> {
  if (user.bannedAt === null) return null;
  await client.query(LIFT_BAN, [uuidOf(user)]);
  await audit(client, act, 'unban-user', user.id, details);
  return withhold(client, user, user.hiddenAt !== null, amends(act), writer, false);
}

/** Takes a user off all boards, which it does not notice, or brings it back. Null if it is so already. */
export async function setHidden(
  client: Queryable,
  user: LockedUser,
  hidden: boolean,
  { act, writer }: Doer,
): Promise<UserAct | null> {
  if (hidden === (user.hiddenAt !== null)) return null;
  const id = newId('aud');
  await client.query(SET_HIDDEN, [uuidOf(user), hidden, toUuid('aud', id)]);
  await audit(client, act, hidden ? 'hide-user' : 'unhide-user', user.id, {}, id);
  return withhold(client, user, hidden || user.bannedAt !== null, amends(act), writer);
}

/** @param banned whether the user is banned now, if that has changed */
async function withhold(
  client: Queryable,
  user: LockedUser,
  withheld: boolean,
  amend: boolean,
  writer: string,
  banned?: boolean,
): Promise<UserAct> {
  const changeId = newId('chg');
  const entries = await setWithheld(client, user.id, withheld, amend);
  await announceEntries(client, changeId, writer, entries);
  if (banned !== undefined)
    await announce(client, { type: 'user-banned', id: changeId, writer, userId: user.id, banned });
  return { changeId, entries };
}

/**
 * Gives a user a name, which it cannot change if that is locked. Null if it is so already.
 * @param text a name as it is stored; null keeps the one that it has
 */
export async function giveName(
  client: Queryable,
  user: LockedUser,
  text: string | null,
  locked: boolean,
  { act, writer }: Doer,
): Promise<UserAct | null> {
  if (user.isErased) throw noUser(user.id);
  const wasLocked = user.namedBy !== null;
  const name = text ?? user.displayName;
  if (name === user.displayName && locked === wasLocked) return null;
  const id = newId('aud');
  await client.query(NAME, [uuidOf(user), name, locked ? toUuid('aud', id) : null]);
  const details = { from: user.displayName, to: name, locked, wasLocked };
  await audit(client, act, 'rename-user', user.id, details, id);
  const { rows } = await client.query<{ leaderboard: string; season: number }>(BOARDS_OF_USER, [
    uuidOf(user),
  ]);
  const boards = rows.map(({ leaderboard, season }) => boardKey(leaderboard, season));
  const changeId = newId('chg');
  await announce(client, {
    type: 'user-renamed',
    id: changeId,
    writer,
    userId: user.id,
    displayName: name,
    boards: boards.map(({ text: board }) => board),
  });
  return { changeId, entries: [], name: { displayName: name, boards } };
}
