/** Where the console is served. */
export const BASE = '/admin';

export type Params = Readonly<Record<string, string>>;

/** A place in the console: the values of its path, and its query. */
export interface Place {
  readonly path: string;
  readonly params: Params;
  readonly query: URLSearchParams;
}

export interface Route<T> {
  /** Below BASE, with `:name` for a value. */
  readonly pattern: string;
  readonly to: T;
}

/** The route of an address and its values; undefined if there is none. */
export function match<T>(
  routes: readonly Route<T>[],
  url: URL,
): { route: Route<T>; place: Place } | undefined {
  const path = url.pathname.slice(BASE.length).replace(/^\/|\/$/g, '');
  const parts = path.split('/');
  for (const route of routes) {
    const wanted = route.pattern.split('/');
    if (wanted.length !== parts.length) continue;
    const params: Record<string, string> = {};
    const fits = wanted.every((part, i) => {
      const given = decoded(parts[i] ?? '');
      if (!part.startsWith(':')) return part === given;
      params[part.slice(1)] = given;
      return given !== '';
    });
    if (fits) return { route, place: { path, params, query: url.searchParams } };
  }
  return undefined;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The address of a place; values are escaped. */
export function href(path: string, query: Readonly<Record<string, string | undefined>> = {}): string {
  const given = Object.entries(query).flatMap(([name, value]) => (value ? [[name, value]] : []));
  const search = given.length > 0 ? `?${new URLSearchParams(given)}` : '';
  return `${BASE}${path === '' ? '' : `/${path.split('/').map(encodeURIComponent).join('/')}`}${search}`;
}

/** Goes to an address of the console. @param replace leaves no entry in the history, for a filter that is being typed */
export function go(address: string, { replace = false } = {}): void {
  if (replace) history.replaceState(null, '', address);
  else history.pushState(null, '', address);
  dispatchEvent(new CustomEvent('place', { detail: { replace } }));
}

/** Lets links within the console change the page without loading it. */
export function followLinks(): void {
  document.addEventListener('click', (event) => {
    const link = event.composedPath().find((target) => target instanceof HTMLAnchorElement);
    if (link === undefined || event.defaultPrevented || event.button !== 0 || link.target !== '') return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || link.hasAttribute('download'))
      return;
    const isOurs = link.origin === location.origin && `${link.pathname}/`.startsWith(`${BASE}/`);
    if (!isOurs) return;
    event.preventDefault();
    go(link.href);
  });
}
