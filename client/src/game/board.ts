const BOARD_ID = /^[a-z0-9][a-z0-9-]{0,62}$/;

export interface BoardOptions {
  readonly id: string;
  readonly limit: number;
}

/** The board in the page's URL: `?board=global&limit=10`. Invalid values are ignored. */
export function boardIn(query: URLSearchParams): BoardOptions {
  const id = query.get('board') ?? '';
  const limit = Number(query.get('limit') ?? Number.NaN);
  return {
    id: BOARD_ID.test(id) ? id : 'global',
    limit: Number.isInteger(limit) && limit >= 1 && limit <= 100 ? limit : 10,
  };
}

/** The element of /widget.js. */
export function boardElement({ id, limit }: BoardOptions): HTMLElement {
  const board = document.createElement('live-leaderboard');
  board.setAttribute('board', id);
  board.setAttribute('limit', String(limit));
  return board;
}

/** Languages that are written from right to left. */
const RIGHT_TO_LEFT = /^(ar|dv|fa|he|ku|ps|sd|ug|ur|yi)(-|$)/i;

/** What an overlay may set: `&theme=light&lang=de&heading=Finals&user=usr_…&since=24`. Invalid values are ignored. */
export function dressOverlay(board: HTMLElement, query: URLSearchParams): void {
  board.setAttribute('theme', query.get('theme') === 'light' ? 'light' : 'dark');
  for (const name of ['heading', 'user', 'since', 'ranks', 'column']) {
    const value = query.get(name);
    if (value) board.setAttribute(name, value);
  }
  const language = query.get('lang') ?? '';
  if (!/^[a-z]{2,3}(-[a-z\d]{2,8})*$/i.test(language)) return;
  document.documentElement.lang = language;
  document.documentElement.dir = RIGHT_TO_LEFT.test(language) ? 'rtl' : 'ltr';
}
