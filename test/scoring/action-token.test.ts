import fc from 'fast-check';
import t from 'tap';
import { jwt } from '../../dev/mint.js';
import {
  type ActionTokenClaims,
  issuedBy,
  signActionToken,
  signingKey,
  verifyActionToken,
} from '../../src/scoring/action-token.js';
import { character } from '../character.js';
import { ACTION_TOKEN_SECRET as SECRET } from '../helper.js';
import { actionClaims, mint, typeId } from '../mint.js';

const TTL = 300;
const NOW = 1_780_000_000;
const USER = typeId('usr');
/** Known from the first digits of `sha256sum`. */
const KEY = 'key_c0eded57';
const HEADER = { alg: 'HS256', typ: 'action+jwt' };
const times = { iat: NOW, nbf: NOW, exp: NOW + TTL };

const verify = (token: string, now = NOW, secrets = [SECRET]) =>
  verifyActionToken(token, secrets.map(signingKey), TTL, now);
const resultAt = (overrides: Record<string, unknown>, now = NOW) =>
  verify(mint(USER, { ...times, ...overrides }), now).result;

t.test('a token that somebody else has minted by the description is valid', async (t) => {
  const claims = actionClaims(USER, { ...times, pts: [-5, 7] });
  t.same(verify(jwt(HEADER, claims, SECRET)), { result: 'valid', claims, key: KEY });
  // The order of the header's members is nobody's business.
  t.equal(verify(jwt({ typ: 'action+jwt', alg: 'HS256' }, claims, SECRET)).result, 'valid');
  // What we do not know, we ignore.
  t.equal(verify(jwt(HEADER, { ...claims, level: 7 }, SECRET)).result, 'valid');
});

t.test('what we sign, somebody else can read and verify', async (t) => {
  const claims: ActionTokenClaims = {
    iss: 'scoreboard-api',
    aud: 'scoreboard-action',
    sub: USER,
    jti: typeId('tok'),
    act: 'collect-coin',
    pts: [10, 10],
    ...times,
  };
  t.equal(signActionToken(claims, signingKey(SECRET)), jwt(HEADER, claims, SECRET));
});

t.test('a token says who had it issued, if the service has issued it', async (t) => {
  const by = (azp: unknown) => {
    const verification = verify(mint(USER, { ...times, azp }));
    return verification.result === 'valid' && issuedBy(verification.claims);
  };
  const account = typeId('svc');
  t.equal(by(account), account);
  t.equal(by('player'), 'player');
  // Who mints on their own may put anything there.
  for (const other of [undefined, null, '', 'somebody', USER, 7, ['player']]) t.equal(by(other), null);
});

t.test('every time is kept to the second', async (t) => {
  t.equal(resultAt({}, NOW + TTL - 1), 'valid');
  t.equal(resultAt({}, NOW + TTL), 'expired');
  t.equal(resultAt({ nbf: NOW + 1.5 }, NOW + 1), 'premature');
  t.equal(resultAt({ nbf: NOW + 1.5 }, NOW + 1.5), 'valid');
  t.equal(resultAt({ nbf: NOW + TTL + 5 }, NOW + TTL), 'expired');
  // The clock of another game server may be ahead a little.
  t.equal(resultAt({ iat: NOW + 60, exp: NOW + 60 + TTL }), 'valid');
  t.equal(resultAt({ iat: NOW + 61, exp: NOW + 61 + TTL }), 'invalid');
  t.equal(resultAt({ iat: NOW - 1 }), 'invalid', 'good for longer than the longest lifetime');
  t.equal(resultAt({ exp: NOW + TTL + 1 }), 'invalid');
});

t.test('every claim is needed, and needed right', async (t) => {
  const wrong: Record<string, unknown[]> = {
    iss: ['somebody', '', ['scoreboard-api'], 1],
    aud: ['scoreboard-api', ['scoreboard-action'], ''],
    sub: [typeId('tok'), 'ada', USER.toUpperCase(), `${USER}x`, 7],
    jti: [typeId('usr'), 'x', '', 7],
    act: ['Win Match', '', '-x', 'x'.repeat(64), 7],
    pts: [
      [1],
      [1, 2, 3],
      [2, 1],
      ['1', '2'],
      [1.5, 2],
      [1, 2 ** 53],
      [-(2 ** 53), 1],
      5,
      [],
      { 0: 1, 1: 2 },
      [null, 1],
    ],
    iat: ['1780000000', -1, 1e300, true],
    nbf: ['1780000000', -1, [], {}],
    exp: ['1780000300', -1, 1e300, false],
  };
  for (const [claim, values] of Object.entries(wrong)) {
    for (const value of [undefined, null, ...values]) {
      t.equal(resultAt({ [claim]: value }), 'invalid', `${claim}: ${JSON.stringify(value)}`);
    }
  }
});

t.test('no algorithm, type or key is taken from the token', async (t) => {
  const claims = actionClaims(USER, times);
  const good = jwt(HEADER, claims, SECRET);
  const bad: Record<string, string> = {
    'alg none': jwt({ ...HEADER, alg: 'none' }, claims, SECRET),
    'alg none, not signed': jwt({ ...HEADER, alg: 'none' }, claims, SECRET).replace(/[^.]*$/, ''),
    'not signed': good.replace(/[^.]*$/, ''),
    HS512: jwt({ ...HEADER, alg: 'HS512' }, claims, SECRET, 'sha512'),
    'HS512 by name only': jwt({ ...HEADER, alg: 'HS512' }, claims, SECRET),
    'HS256 by name only': jwt(HEADER, claims, SECRET, 'sha512'),
    'alg in other letters': jwt({ ...HEADER, alg: 'hs256' }, claims, SECRET),
    'typ JWT': jwt({ ...HEADER, typ: 'JWT' }, claims, SECRET),
    'no typ': jwt({ alg: 'HS256' }, claims, SECRET),
    'no alg': jwt({ typ: 'action+jwt' }, claims, SECRET),
    kid: jwt({ ...HEADER, kid: '1' }, claims, SECRET),
    crit: jwt({ ...HEADER, crit: ['exp'] }, claims, SECRET),
    'header null': jwt(null, claims, SECRET),
    'header a list': jwt([HEADER], claims, SECRET),
    'another secret': jwt(HEADER, claims, `${SECRET}x`),
    'an empty secret': jwt(HEADER, claims, ''),
    'claims null': jwt(HEADER, null, SECRET),
    'claims a list': jwt(HEADER, [claims], SECRET),
    padded: `${good}=`,
    'a blank at the end': `${good} `,
    'four parts': `${good}.x`,
    'two parts': good.split('.').slice(0, 2).join('.'),
    empty: '',
    dots: '..',
    'long garbage': 'x'.repeat(8_192),
    'too long': mint(USER, { ...times, note: 'x'.repeat(2_048) }),
  };
  for (const [what, token] of Object.entries(bad)) t.equal(verify(token).result, 'invalid', what);
});

t.test('a token that was changed anywhere is invalid', async () => {
  const token = mint(USER, times);
  const letter = fc.constantFrom(...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=');
  fc.assert(
    fc.property(fc.nat(token.length - 1), letter, (at, other) => {
      fc.pre(token[at] !== other);
      return verify(token.slice(0, at) + other + token.slice(at + 1)).result === 'invalid';
    }),
    { numRuns: 2_000, examples: [...'AEIMQUYcgkosw048BCD'].map((other) => [token.length - 1, other]) },
  );
});

t.test('whatever is thrown at it, it says invalid and does not throw', async () => {
  fc.assert(
    fc.property(fc.string({ unit: character, maxLength: 300 }), (text) => verify(text).result === 'invalid'),
  );
  fc.assert(
    fc.property(
      fc.jsonValue(),
      fc.jsonValue(),
      (header, claims) => verify(jwt(header, claims, SECRET)).result === 'invalid',
    ),
  );
});

t.test('the previous secret is good as long as it is there', async (t) => {
  const NEW_SECRET = 'another secret for action tokens, for tests';
  const old = mint(USER, times);
  const fresh = mint(USER, times, NEW_SECRET);
  t.equal(verify(old, NOW, [NEW_SECRET, SECRET]).result, 'valid');
  t.equal(verify(fresh, NOW, [NEW_SECRET, SECRET]).result, 'valid');
  t.equal(verify(fresh, NOW, [SECRET, NEW_SECRET]).result, 'valid');
  t.match(verify(old, NOW, [NEW_SECRET, SECRET]), { key: KEY }, 'and says which secret it was');
  t.match(verify(fresh, NOW, [NEW_SECRET, SECRET]), { key: /^key_(?!c0eded57)[0-9a-f]{8}$/ });
  t.equal(verify(old, NOW, [NEW_SECRET]).result, 'invalid');
  t.equal(verify(fresh, NOW, [SECRET]).result, 'invalid');
});
