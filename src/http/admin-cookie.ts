import { timingSafeEqual } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { Problem } from '../errors.js';

const NAME = 'scoreboard_admin';
/** Browsers send it nowhere else. */
const PATH = '/v1/admin';
const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;

type Sent = Pick<FastifyRequest, 'headers' | 'hostname'>;

/** The token in the cookie of a request, or undefined. */
export function tokenIn({ headers }: Sent): string | undefined {
  for (const pair of (headers.cookie ?? '').split(';')) {
    const [name, value] = pair.trim().split('=', 2);
    if (name === NAME) return value;
  }
  return undefined;
}

/** What makes a browser keep the token, or forget it. */
export function cookieOf(request: Sent, token: string | null): string {
  const { origin } = request.headers;
  const host = origin === undefined ? request.hostname : hostOf(origin);
  // Some browsers refuse a secure cookie from http://localhost.
  const isSecure = host === undefined || !LOOPBACK.test(host);
  return [
    `${NAME}=${token ?? ''}`,
    `Path=${PATH}`,
    'HttpOnly',
    'SameSite=Strict',
    ...(isSecure ? ['Secure'] : []),
    ...(token === null ? ['Max-Age=0'] : []),
  ].join('; ');
}

/**
 * Checks that a page of the service itself has sent a request, as far as a browser says where it comes from. A port is not looked
 * at where the browser does not compare it: cookies have none, and proxies change it.
 * @throws Problem `forbidden`
 */
export function requireSameOrigin({ headers, hostname }: Sent): void {
  const { origin } = headers;
  const site = headers['sec-fetch-site'];
  const isOther =
    (site !== undefined && site !== 'same-origin') || (origin !== undefined && hostOf(origin) !== hostname);
  if (isOther)
    throw new Problem(
      'forbidden',
      'A request with a cookie must come from a page of this service, under the same name.',
    );
}

/** @throws Problem `forbidden` */
export function requireCsrfToken({ headers }: Sent, expected: string): void {
  const given = Buffer.from(String(headers['x-csrf-token'] ?? ''));
  const wanted = Buffer.from(expected);
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted))
    throw new Problem('forbidden', 'Send the csrfToken of the session as x-csrf-token.');
}

const hostOf = (origin: string): string | undefined =>
  URL.canParse(origin) ? new URL(origin).hostname : undefined;
