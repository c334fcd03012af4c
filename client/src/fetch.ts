import { ScoreboardError } from './problem.js';

type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** Services that have answered this page: they allow it. */
const answered = new Set<string>();
/** Why others do not answer: whether it is CORS, and when that was asked. */
const verdicts = new Map<string, { readonly isRefused: Promise<boolean>; readonly at: number }>();
const VERDICT_MS = 300_000;
const PROBE_MS = 5_000;

/**
 * The response to one request to the service at `base`.
 * @throws ScoreboardError if there is none, and why as far as a page can know
 */
export async function fetchFrom(
  base: string,
  path: string,
  init: RequestInit,
  fetch: Fetch = globalThis.fetch,
): Promise<Response> {
  try {
    const response = await fetch(base + path, init);
    answered.add(base);
    return response;
  } catch (cause) {
    init.signal?.throwIfAborted();
    const isRefused = !answered.has(base) && (await refuses(base, fetch));
    const error = new ScoreboardError('unreachable', isRefused ? refusal() : 'No response.');
    error.cause = cause;
    throw error;
  }
}

const refusal = () =>
  `The service answers, but not pages of ${location.origin} (CORS). Add that origin to its CORS_ORIGINS.`;

/** Whether CORS is the reason of a failure. Asked at most every five minutes: a service that is down has enough to do. */
function refuses(base: string, fetch: Fetch): Promise<boolean> {
  const last = verdicts.get(base);
  if (last && performance.now() - last.at < VERDICT_MS) return last.isRefused;
  const isRefused = probe(base, fetch);
  verdicts.set(base, { isRefused, at: performance.now() });
  return isRefused;
}

/**
 * Whether the service answers a page of any origin, which it does for its scripts, but not this page. A browser hides from a page
 * that CORS is the reason of a failure, so this also warns on the console, for pages that show no errors.
 */
async function probe(base: string, fetch: Fetch): Promise<boolean> {
  // No page, or one of the service itself.
  if (!globalThis.location || new URL(base, location.href).origin === location.origin) return false;
  const answers = (path: string) =>
    fetch(base + path, { method: 'HEAD', cache: 'no-store', signal: AbortSignal.timeout(PROBE_MS) }).then(
      () => true,
      () => false,
    );
  const isRefused = (await answers('/client.js')) && !(await answers('/v1/actions'));
  if (isRefused) console.warn(refusal());
  return isRefused;
}
