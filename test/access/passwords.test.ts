import t from 'tap';
import { checkPassword, hashPassword } from '../../src/access/passwords.js';

t.test('a password is kept as an argon2id hash with a salt of its own', async (t) => {
  const [one, two] = await Promise.all([hashPassword('correct horse'), hashPassword('correct horse')]);
  t.match(one, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  t.not(one, two);
  t.equal(await checkPassword('correct horse', one), true);
  t.equal(await checkPassword('correct horse ', one), false);
  t.equal(await checkPassword('', one), false);
});

t.test('nobody has no password, not even that of nobody', async (t) => {
  t.equal(await checkPassword('anything', null), false);
  t.equal(await checkPassword('the password of nobody', null), false);
});

t.test('of too many at once some are refused, and the others answered', async (t) => {
  const results = await Promise.allSettled(Array.from({ length: 80 }, () => checkPassword('x', null)));
  const refused = results.filter(({ status }) => status === 'rejected');
  t.equal(refused.length, 80 - 2 - 64);
  for (const result of refused) t.match(result, { reason: { code: 'service-unavailable', retryAfter: 1 } });
  // And then there is room again.
  t.equal(await checkPassword('x', null), false);
});
