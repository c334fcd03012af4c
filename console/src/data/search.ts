import { places } from '../places.js';
import { href } from '../router.js';
import { texts } from '../texts.js';
import { call } from './api.js';
import type { Found } from './found.js';
import { findPlayers } from './players.js';

const MOST = 8;

/** What a text may mean: places of the console at once, then boards, actions and players. */
export async function* search(text: string, signal: AbortSignal): AsyncGenerator<readonly Found[]> {
  const wanted = text.toLowerCase();
  const fits = (...names: string[]) => names.some((name) => name.toLowerCase().includes(wanted));
  const found: Found[] = places()
    .filter(({ title }) => fits(title))
    .map(({ title, path }) => ({ title, kind: texts.kinds.place, address: href(path) }));
  yield found;
  const answers = await Promise.allSettled([
    findPlayers(text, signal),
    call(
      (http, signal) => http.GET('/v1/leaderboards', { params: { query: { limit: 100 } }, signal }),
      signal,
    ).then(({ items }) =>
      items
        .filter(({ id, title }) => fits(id, title))
        .map(({ id, title }) => ({ title, kind: texts.kinds.board, address: href(`boards/${id}`) })),
    ),
    call((http, signal) => http.GET('/v1/actions', { signal }), signal).then(({ items }) =>
      items
        .filter(({ id, title }) => fits(id, title))
        .map(({ id, title }) => ({ title, kind: texts.kinds.action, address: href(`actions/${id}`) })),
    ),
  ]);
  for (const answer of answers) if (answer.status === 'fulfilled') found.push(...answer.value);
  yield found.slice(0, MOST);
}
