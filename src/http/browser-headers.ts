import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import helmet, { type HelmetOptions } from 'helmet';

export type Headers = Readonly<Record<string, string>>;
export type BrowserRules = Pick<HelmetOptions, 'contentSecurityPolicy' | 'crossOriginResourcePolicy'>;

/** For answers of the API, which are no pages. */
const API_RULES: BrowserRules = {
  contentSecurityPolicy: {
    useDefaults: false,
    directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
  },
};

/**
 * Those of helmet's headers that say something about an answer that is data; the others are about pages, and each header costs
 * as much as a field of the answer. Beside them are Content-Type and Cache-Control. Source: OWASP's REST Security Cheat Sheet.
 */
const OF_DATA = new Set([
  'content-security-policy',
  'strict-transport-security',
  'x-content-type-options',
  'x-frame-options',
]);

/** The headers of an answer of the API. */
export const dataHeaders = (): Headers =>
  Object.fromEntries(Object.entries(pageHeaders({})).filter(([name]) => OF_DATA.has(name)));

/**
 * The headers of a page, or of a script for pages, to be worked out once for each route: @fastify/helmet would do it for each
 * request.
 * @param rules in place of those for answers of the API; what they do not name stays
 */
export function pageHeaders(rules: BrowserRules): Headers {
  const response = new ServerResponse(new IncomingMessage(new Socket()));
  helmet({ ...API_RULES, ...rules, xFrameOptions: { action: 'deny' } })(response.req, response, () => {});
  return Object.fromEntries(
    Object.entries(response.getHeaders()).map(([name, value]) => [name, String(value)]),
  );
}

/** Any site may load the SDK and the element, as a plain script or as a module. CORS_ORIGINS decides which sites may call the API. */
export const FOR_ALL_SITES = {
  helmet: { crossOriginResourcePolicy: { policy: 'cross-origin' } },
  headers: { 'access-control-allow-origin': '*' },
} as const;

/** The headers that the script of a page may read. */
export const EXPOSED_HEADERS = [
  'ETag',
  'Retry-After',
  'WWW-Authenticate',
  'X-Request-Id',
  'X-RateLimit-Limit',
  'X-RateLimit-Remaining',
  'X-RateLimit-Reset',
].join(', ');

/**
 * What @fastify/cors sets, for answers that no hook sees.
 * @param origins whose pages may call the service, `*` for all
 * @param origin of the page that asks
 */
export function corsHeaders(origins: readonly string[], origin = ''): Headers {
  const anyOrigin = origins.includes('*');
  const allowed = anyOrigin ? '*' : origins.find((known) => known === origin);
  return {
    ...(!anyOrigin && origins.length > 0 && { vary: 'Origin' }),
    ...(allowed !== undefined && {
      'access-control-allow-origin': allowed,
      'access-control-expose-headers': EXPOSED_HEADERS,
    }),
  };
}

/** A content security policy: what a page runs and shows came with it, it talks only to this service, and is in no frame. */
export const OWN_ALONE = {
  defaultSrc: ["'none'"],
  scriptSrc: ["'self'"],
  styleSrc: ["'self'"],
  imgSrc: ["'self'"],
  connectSrc: ["'self'"],
  baseUri: ["'none'"],
  formAction: ["'none'"],
  frameAncestors: ["'none'"],
};
