import type { UsersQuery } from '../../schemas/admin-user.js';
import type { ModeratedUser } from '../../schemas/moderation.js';
import { externalKey, HOLDS_EXTERNAL_ID } from '../access/users.js';
import type { Queryable } from '../postgres/database.js';
import { rfc3339 } from '../postgres/sql.js';
import { toUuid, withIds } from '../stored-ids.js';

/** Of `users`, as administrators see them. */
export const MODERATED_USER = `
id, display_name AS "displayName", username, external_id AS "externalId", role, ${rfc3339('created_at')} AS "createdAt",
named_by IS NOT NULL AS "nameLocked", ${rfc3339('hidden_at')} AS "hiddenAt", ${rfc3339('banned_at')} AS "bannedAt",
${rfc3339('banned_until')} AS "bannedUntil", ${rfc3339('erased_at')} AS "erasedAt"`;

/** Who is banned is known also when it was erased, so that the ban can be lifted. */
const IS_KNOWN = HOLDS_EXTERNAL_ID;

/** A user found, and by what it is in order: the key of its name, or the text of its username, or nothing. */
export type FoundUser = ModeratedUser & { readonly key: string };
export type UserFilter = Pick<UsersQuery, 'q' | 'externalId' | 'banned'>;
const NAME = 'name_key(display_name) COLLATE "C"';
const USERNAME = 'lower(username COLLATE "C")';
const LAST_CHARACTER = 'chr(1114111)';
const begins = (column: string, prefix: string): string =>
  `${column} >= ${prefix} AND ${column} < ${prefix} || ${LAST_CHARACTER}`;

interface NameSearch {
  /** SQL of the parameters; null begins with the first. */
  readonly name: string;
  readonly username: string;
  readonly behind: string | null;
  readonly limit: string;
}

/** Those whose display names or usernames begin so: along an index each, so that it does not matter how many there are. */
function byName(where: string, { name, username, behind, limit }: NameSearch): string {
  const hasName = `name_key(${name}) <> '' AND ${begins(NAME, `name_key(${name})`)}`;
  const branch = (key: string, condition: string) => `
    SELECT ${MODERATED_USER}, ${key} AS key FROM users
    WHERE ${condition} AND ${where} AND ${behind === null ? 'true' : `(${key}, id) > ${behind}`}
    ORDER BY ${key}, id LIMIT ${limit}`;
  return `
  SELECT * FROM ((${branch(NAME, hasName)}) UNION ALL
                 (${branch(USERNAME, `${begins(USERNAME, username)} AND NOT (${hasName})`)})) found
  ORDER BY key COLLATE "C", id LIMIT ${limit}`;
}

const newest = (where: string, behind: string | null, limit: string): string => `
SELECT ${MODERATED_USER}, '' AS key FROM users WHERE ${where} AND ${behind === null ? 'true' : `id < ${behind}`}
ORDER BY id DESC LIMIT ${limit}`;

const isWanted = (banned: boolean | undefined): string =>
  banned === undefined
    ? IS_KNOWN
    : banned
      ? 'banned_at IS NOT NULL'
      : 'banned_at IS NULL AND erased_at IS NULL';

/**
 * Users as administrators look for them: by the beginnings of their names in that order, and else the newest first.
 * @param after the id of a user and its key, with a space between them
 */
export async function findUsers(
  database: Queryable,
  { q, externalId, banned }: UserFilter,
  limit: number,
  after: string | null,
): Promise<FoundUser[]> {
  const where = [isWanted(banned)];
  const values: unknown[] = [];
  const parameter = (value: unknown) => `$${values.push(value)}`;
  if (externalId !== undefined)
    where.push(`external_key = ${parameter(externalKey(externalId))} AND ${HOLDS_EXTERNAL_ID}`);
  const id = q === undefined ? null : toUuid('usr', q);
  if (id !== null) where.push(`id = ${parameter(id)}`);
  const [, ofUser = '', key = ''] = after === null ? [] : (/^(\S+) (.*)$/s.exec(after) ?? []);
  const behind = after === null ? null : { key, id: toUuid('usr', ofUser) };
  const text =
    q === undefined || id !== null
      ? newest(where.join(' AND '), behind && parameter(behind.id), parameter(limit))
      : byName(where.join(' AND '), {
          name: parameter(q),
          username: parameter(q.toLowerCase()),
          behind: behind && `(${parameter(behind.key)}, ${parameter(behind.id)}::uuid)`,
          limit: parameter(limit),
        });
  const { rows } = await database.query<FoundUser>(text, values);
  return withIds(rows, { id: 'usr' });
}
