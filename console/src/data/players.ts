import { href } from '../router.js';
import { texts } from '../texts.js';
import { call } from './api.js';
import type { Found } from './found.js';
import type { PlayerDetails } from './types.js';

export interface PlayersQuery {
  readonly q?: string | undefined;
  readonly externalId?: string | undefined;
  readonly banned?: boolean | undefined;
}

export const listPlayers = (query: PlayersQuery, cursor?: string, signal?: AbortSignal) =>
  call(
    (http, signal) =>
      http.GET('/v1/admin/users', { params: { query: { ...query, cursor, limit: 50 } }, signal }),
    signal,
  );

export const readPlayer = (id: string, signal?: AbortSignal): Promise<PlayerDetails> =>
  call((http, signal) => http.GET('/v1/admin/users/{id}', { params: { path: { id } }, signal }), signal);

/** Players whose names begin so. */
export async function findPlayers(q: string, signal: AbortSignal): Promise<readonly Found[]> {
  const { items } = await call(
    (http, signal) => http.GET('/v1/admin/users', { params: { query: { q, limit: 5 } }, signal }),
    signal,
  );
  return items.map(({ id, displayName, username }) => ({
    title: displayName || id,
    kind: username === null ? texts.kinds.player : `${texts.kinds.player} · ${username}`,
    address: href(`players/${id}`),
  }));
}

/** Names of players by their ids, each asked for once. */
const names = new Map<string, Promise<string>>();
const MOST_NAMES = 1_000;

export const forgetName = (id: string): boolean => names.delete(id);

/** The name of a player; its id if it has none any more. */
export function nameOf(id: string): Promise<string> {
  const known = names.get(id);
  if (known !== undefined) return known;
  if (names.size >= MOST_NAMES) names.clear();
  const name = call((http, signal) => http.GET('/v1/users/{id}', { params: { path: { id } }, signal })).then(
    ({ displayName }) => displayName,
    () => {
      names.delete(id);
      return id;
    },
  );
  names.set(id, name);
  return name;
}
