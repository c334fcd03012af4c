import assert from 'node:assert/strict';
import { TOTP, URI } from 'otpauth';
import { type AdminRole, AdminSession } from '../schemas/administrator.js';
import { Administrators } from '../src/access/administrators.js';
import { Seal } from '../src/sealing.js';
import type { Answer, Api } from './api.js';
import { JWT_SECRET, type TestApp } from './helper.js';

interface Service {
  readonly app: TestApp['app'];
  readonly api: Api;
}

export const peopleOf = ({ app }: Pick<Service, 'app'>): Administrators =>
  new Administrators(app.pg.pool, new Seal('administrator', JWT_SECRET));

/** The code that an app would show. @param ms from now */
export function codeOf(uri: string, ms = 0): string {
  const totp = URI.parse(uri);
  assert(totp instanceof TOTP);
  return totp.generate({ timestamp: Date.now() + ms });
}

let made = 0;

/** Somebody who administers, not yet logged in. */
export async function newAdministrator(service: Service, role: AdminRole = 'admin') {
  const name = `person-${++made}`;
  return { name, ...(await peopleOf(service).create(name, role)) };
}

/** Logs somebody in, whatever codes were used before. */
export async function logIn(
  { app, api }: Service,
  person: { name: string; password: string; uri: string; id: string },
) {
  await app.pg.pool.query('UPDATE administrators SET last_step = 0 WHERE id = uuid_of($1)', [person.id]);
  const { name, password, uri } = person;
  const answer = await api.post('/v1/admin/session', { name, password, code: codeOf(uri) });
  const session = answer.is(201, AdminSession);
  return { session, ...consoleOf(api, answer, session) };
}

/** What a page of the console can send after a login. */
export function consoleOf(api: Api, answer: Answer, { csrfToken }: AdminSession) {
  const setCookie = answer.headers.get('set-cookie') ?? '';
  const [cookie = ''] = setCookie.split(';');
  const send = (method: string, path: string, json?: unknown, more: Record<string, string> = {}) =>
    api.send(method, path, {
      ...(json !== undefined && { json }),
      headers: { cookie, 'x-csrf-token': csrfToken, ...more },
    });
  return { setCookie, cookie, csrfToken, send };
}
