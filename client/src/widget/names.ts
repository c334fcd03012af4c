import type { components } from '../api.js';
import { problemOf } from '../problem.js';

type Schemas = components['schemas'];

/** The title of a board in a language, if it has one in that. */
export async function titleOf(src: string, board: string, language: string): Promise<string> {
  const { title }: Schemas['Leaderboard'] = await read(src, [board], `?locale=${language}`);
  return title;
}

/** The display name of a user; the stream sends only rank and score. */
export async function nameOf(src: string, board: string, user: string): Promise<string> {
  const { displayName }: Schemas['EntryDetails'] = await read(src, [board, 'entries', user]);
  return displayName;
}

/** An entry as far as it is compared with itself at another time. */
export type Ranked = Pick<Schemas['FriendEntry'], 'userId' | 'rank' | 'sharedRank'>;

/** The entries of some users. Those who have none are left out. */
export async function ranksAt(src: string, board: string, query: string): Promise<readonly Ranked[]> {
  const { items }: Schemas['FriendEntries'] = await read(src, [board, 'entries', 'batch'], query);
  return items;
}

const TIMEOUT_MS = 15_000;

async function read(src: string, path: readonly string[], query = '') {
  const url = `${src.replace(/\/$/, '')}/v1/leaderboards/${path.map(encodeURIComponent).join('/')}${query}`;
  const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  const body = await response.json();
  if (!response.ok) throw problemOf(response, body);
  return body;
}
