import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { jwt } from '../../dev/mint.js';
import { Receipt } from '../../schemas/score.js';
import { ServiceToken } from '../../schemas/session.js';
import { User } from '../../schemas/user.js';
import type { ProblemCode } from '../../src/errors.js';
import { type Answer, type Api, eventually, newPlayer, serviceApi, startApi } from '../api.js';
import { ACTION_TOKEN_SECRET, JWT_SECRET } from '../helper.js';
import { actionClaims, mint, typeId } from '../mint.js';

/** Forged tokens of both kinds against a running service: the list of RFC 8725, "JSON Web Token Best Current Practices". */

const service = await startApi(t);
const { api, config } = service;
const player = await newPlayer(api);

type Part = Record<string, unknown>;
interface Kind {
  readonly header: Part;
  readonly secret: string;
  readonly otherSecret: string;
  /** Where the id is that can be revoked, or used up. */
  readonly id: string;
  /** The codes of a token that is out of time. */
  readonly expired: ProblemCode;
  readonly premature: ProblemCode;
  readonly refused: ProblemCode;
  claims(): Part;
  present(token: string): Promise<Answer>;
}

const decoded = (token: string): Part =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());

const kinds: Record<'access' | 'action', Kind> = {
  access: {
    header: { alg: 'HS256', typ: 'JWT' },
    secret: JWT_SECRET,
    otherSecret: ACTION_TOKEN_SECRET,
    id: 'sid',
    expired: 'unauthenticated',
    premature: 'unauthenticated',
    refused: 'unauthenticated',
    claims: () => decoded(player.session.accessToken),
    present: (token) => api.as(token).get('/v1/users/me'),
  },
  action: {
    header: { alg: 'HS256', typ: 'action+jwt' },
    secret: ACTION_TOKEN_SECRET,
    otherSecret: JWT_SECRET,
    id: 'jti',
    expired: 'action-token-expired',
    premature: 'action-token-premature',
    refused: 'action-token-invalid',
    claims: () => actionClaims(player.id),
    present: (actionToken) => player.api.post('/v1/scores', { actionToken }),
  },
};

const now = () => Math.floor(Date.now() / 1000);
const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const unsigned = (token: string) => token.replace(/[^.]*$/, '');

for (const [name, kind] of Object.entries(kinds)) {
  const other = name === 'access' ? kinds.action : kinds.access;
  const signed = (header: Part, claims: Part = {}, secret = kind.secret, hash = 'sha256') =>
    jwt({ ...kind.header, ...header }, { ...kind.claims(), ...claims }, secret, hash);

  t.test(`a forged ${name} token is refused with the code of the contract, never a 500`, async (t) => {
    t.equal((await kind.present(signed({}))).status, 200, 'one that is as it should be is taken');
    const attackers = 'the secret of somebody else, which is in the token';
    const forged: Record<string, string> = {
      'alg none, not signed': unsigned(signed({ alg: 'none' })),
      'alg none, signed': signed({ alg: 'none' }),
      'alg None': unsigned(signed({ alg: 'None' })),
      'no algorithm': signed({ alg: undefined }),
      'no signature': unsigned(signed({})),
      HS384: signed({ alg: 'HS384' }, {}, kind.secret, 'sha384'),
      HS512: signed({ alg: 'HS512' }, {}, kind.secret, 'sha512'),
      'RS256 by name': signed({ alg: 'RS256' }),
      'another type': signed({ typ: other.header['typ'] }),
      'no type': signed({ typ: undefined }),
      'a type of another kind of value': signed({ typ: ['JWT'] }),
      'another issuer': signed({}, { iss: 'https://issuer.example' }),
      'a list of issuers': signed({}, { iss: ['scoreboard-api', 'x'] }),
      'no issuer': signed({}, { iss: undefined }),
      'the other audience': signed({}, { aud: other.claims()['aud'] }),
      'no audience': signed({}, { aud: undefined }),
      'another subject': signed({}, { sub: 'ada' }),
      'an id of something else as subject': signed({}, { sub: typeId('evt') }),
      'no subject': signed({}, { sub: undefined }),
      'a subject that is none': signed({}, { sub: { id: player.id } }),
      'no expiry': signed({}, { exp: undefined }),
      'an expiry in letters': signed({}, { exp: String(now() + 60) }),
      'no expiry but null': signed({}, { exp: null }),
      'no time of issue': signed({}, { iat: undefined }),
      'no id': signed({}, { [kind.id]: undefined }),
      'another id': signed({}, { [kind.id]: 'x' }),
      'an id of something else': signed({}, { [kind.id]: typeId('evt') }),
      'not before a word': signed({}, { nbf: 'tomorrow' }),
      'an unknown critical extension': signed({ crit: ['urn:example:x'], 'urn:example:x': 1 }),
      'b64 as critical extension': signed({ crit: ['b64'], b64: false }),
      'an empty list of critical extensions': signed({ crit: [] }),
      'a kid that is a file': signed({ kid: '../../../../dev/null' }, {}, ''),
      'a kid that is SQL': signed({ kid: "' UNION SELECT 'x' --" }, {}, 'x'),
      'a kid, though well signed': signed({ kid: '1' }),
      'a jku': signed({ jku: 'https://attacker.example/keys.json' }, {}, attackers),
      'a jku, though well signed': signed({ jku: 'https://attacker.example/keys.json' }),
      'a jwk': signed({ jwk: { kty: 'oct', k: base64(attackers) } }, {}, attackers),
      'a jwk, though well signed': signed({ jwk: { kty: 'oct', k: base64(attackers) } }),
      'an x5u': signed({ x5u: 'https://attacker.example/cert.pem' }),
      'compressed claims': signed({ zip: 'DEF' }),
      'a token of the other kind': jwt(other.header, other.claims(), other.secret),
      'a token of the other kind, with our type': jwt(kind.header, other.claims(), kind.secret),
      'signed with the other secret': signed({}, {}, kind.otherSecret),
      'signed with nothing': signed({}, {}, ''),
      'claims that are null': jwt(kind.header, null, kind.secret),
      'claims that are a list': jwt(kind.header, [kind.claims()], kind.secret),
      'claims that are no JSON': `${base64(kind.header)}.${Buffer.from('{').toString('base64url')}.${'A'.repeat(43)}`,
      '8 KiB of letters': 'x'.repeat(8_192),
      '8 KiB of dots': '.'.repeat(8_192),
      '8 KiB in three parts': `${'e'.repeat(2_730)}.${'y'.repeat(2_730)}.${'J'.repeat(2_730)}`,
      '8 KiB of claims': `${base64(kind.header)}.${'e'.repeat(8_100)}.${'A'.repeat(43)}`,
      'an encrypted token': 'eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0..a.b.c',
    };
    for (const [what, token] of Object.entries(forged)) {
      const answer = await kind.present(token);
      t.equal(answer.problem().code, kind.refused, what);
    }
    const past = { iat: now() - 120, nbf: now() - 120, exp: now() - 60 };
    (await kind.present(signed({}, past))).fails(kind.expired);
    (await kind.present(signed({}, { nbf: now() + 60 }))).fails(kind.premature);
    t.equal((await kind.present(signed({}))).status, 200, 'and afterwards one that is right still is');
  });
}

t.test('ACTION_TOKEN_SECRET is rotated without an outage', async () => {
  const NEW_SECRET = 'another secret for action tokens, for tests';
  const { DATABASE_URL } = config;
  const during = await startApi(t, {
    DATABASE_URL,
    ACTION_TOKEN_SECRET: NEW_SECRET,
    ACTION_TOKEN_SECRET_PREVIOUS: ACTION_TOKEN_SECRET,
  });
  const after = await startApi(t, { DATABASE_URL, ACTION_TOKEN_SECRET: NEW_SECRET });
  const post = (at: { url: string }, secret: string) =>
    player.api.at(at.url).post('/v1/scores', { actionToken: mint(player.id, {}, secret) });
  for (const secret of [ACTION_TOKEN_SECRET, NEW_SECRET]) (await post(during, secret)).is(200, Receipt);
  (await post(after, NEW_SECRET)).is(200, Receipt);
  (await post(after, ACTION_TOKEN_SECRET)).fails('action-token-invalid');
  // Of one kind, the secret before last is worth nothing for the other.
  (await post(during, JWT_SECRET)).fails('action-token-invalid');
});

t.test('a service account that is revoked is out at once, on every instance', async (t) => {
  const other = await startApi(t, { DATABASE_URL: config.DATABASE_URL });
  const tool = async (...given: string[]) => {
    const script = fileURLToPath(new URL('../../scripts/service-account.js', import.meta.url));
    const env = { PATH: process.env['PATH'], NODE_ENV: 'production', DATABASE_URL: config.DATABASE_URL };
    const child = spawn(process.execPath, [script, ...given], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    await once(child, 'close');
    return output;
  };
  const made = await tool('create', 'rogue', '--role', 'server');
  const [, id = ''] = /client_id +(\S+)/.exec(made) ?? [];
  const [, secret = ''] = /client_secret +(\S+)/.exec(made) ?? [];
  const grant = () =>
    api.post('/v1/auth/token', {
      grant_type: 'client_credentials',
      client_id: id,
      client_secret: secret,
    });
  const rogue = api.as((await grant()).is(200, ServiceToken).access_token);
  const bystander = await serviceApi(service, 'server');
  const makesUser = (as: Api, at: { url: string }) => as.at(at.url).post('/v1/users', { displayName: 'Ada' });
  for (const at of [service, other]) (await makesUser(rogue, at)).is(201, User);
  t.match(
    await tool('list'),
    new RegExp(`${id} +server +\\d{4}-\\d\\d-\\d\\d +in force +used \\S+ +rogue\n`),
  );

  // Whoever does not hear of it reads it when it listens again.
  await service.app.pg.pool.query(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'scoreboard-api changes'",
  );
  t.match(await tool('revoke', 'rogue'), /"rogue" \(svc_\w+\) is revoked/);
  for (const at of [service, other])
    await eventually(async () => (await makesUser(rogue, at)).fails('unauthenticated'));
  (await grant()).fails('invalid-credentials');
  const later = await startApi(t, { DATABASE_URL: config.DATABASE_URL });
  (await makesUser(rogue, later)).fails('unauthenticated');
  for (const at of [service, other, later]) (await makesUser(bystander, at)).is(201, User);
  t.match(await tool('list'), /revoked \d{4}-\d\d-\d\d +used \S+ +rogue\n/);
  t.match(await tool('revoke', 'rogue'), /is revoked/, 'again, which changes nothing');
  t.match(await tool('revoke', 'nobody'), /^There is no service account "nobody"\.\n$/);
  t.match(await tool('revoke'), /^Usage/);
});
