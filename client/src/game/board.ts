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
