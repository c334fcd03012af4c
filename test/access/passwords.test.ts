import { hash } from '@node-rs/argon2';
import t from 'tap';
import { checkPassword, hashNewPassword, hashPassword } from '../../src/access/passwords.js';

t.test('a password is kept as an argon2id hash with a salt of its own', async (t) => {
  const [one, two] = await Promise.all([hashPassword('correct horse'), hashPassword('correct horse')]);
  t.match(one, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  t.not(one, two);
  t.equal(await checkPassword('correct horse', one), 'right');
  t.equal(await checkPassword('correct horse ', one), 'wrong');
  t.equal(await checkPassword('', one), 'wrong');
});

t.test('nobody has no password, not even that of nobody', async (t) => {
  t.equal(await checkPassword('anything', null), 'wrong');
  t.equal(await checkPassword('the password of nobody', null), 'wrong');
});

t.test('of too many at once some are refused, and the others answered', async (t) => {
  const results = await Promise.allSettled(Array.from({ length: 80 }, () => checkPassword('x', null)));
  const refused = results.filter(({ status }) => status === 'rejected');
  t.equal(refused.length, 80 - 2 - 64);
  for (const result of refused) t.match(result, { reason: { code: 'service-unavailable', retryAfter: 1 } });
  // And then there is room again.
  t.equal(await checkPassword('x', null), 'wrong');
});

t.test('a password is the same on every keyboard', async (t) => {
  const stored = await hashPassword('Zo\u00eb \u2126 fi');
  for (const typed of ['Zoe\u0308 \u03a9 fi', 'Zo\u00eb\u00a0\u2126 \ufb01', '\uff3ao\u00eb\u3000\u03a9 fi'])
    t.equal(await checkPassword(typed, stored), 'right', typed);
  t.equal(await checkPassword('Zoe \u03a9 fi', stored), 'wrong');
  const raw = await hash('Zoe\u0308 pass');
  t.equal(await checkPassword('Zoe\u0308 pass', raw), 'outdated');
  t.equal(await checkPassword('Zo\u00eb pass', raw), 'wrong');
  t.equal(await checkPassword('Zoe\u0308 pass', null), 'wrong');
  await t.rejects(hashNewPassword('e\u0301'.repeat(7)), {
    code: 'validation-failed',
    errors: [{ path: '/password' }],
  });
});
