/** A list that is read page by page, and grows as somebody asks for more. */
export interface Pages<T> {
  readonly items: readonly T[];
  readonly next: string | null;
}

interface Page<T> {
  readonly items: readonly T[];
  readonly nextCursor: string | null;
}

export const firstPage = <T>({ items, nextCursor }: Page<T>): Pages<T> => ({ items, next: nextCursor });

export const withPage = <T>(pages: Pages<T>, { items, nextCursor }: Page<T>): Pages<T> => ({
  items: [...pages.items, ...items],
  next: nextCursor,
});
