import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import { Hmac } from '../src/hmac.js';

const MAX_LENGTH = 300;
const text = fc.string({ unit: 'grapheme-composite', maxLength: MAX_LENGTH / 10 });
const key = fc.string({ minLength: 1, maxLength: 150 });

t.test(
  'a signature is the HMAC-SHA256 that Node computes, for keys shorter and longer than a block',
  async () => {
    fc.assert(
      fc.property(key, text, (secret, text) => {
        const expected = createHmac('sha256', secret).update(text).digest('base64url');
        const hmac = new Hmac(secret, MAX_LENGTH);
        return hmac.sign(text) === expected && hmac.verify(text, expected);
      }),
    );
  },
);

t.test('no other signature is taken, also none that decodes to the same bytes', async (t) => {
  const hmac = new Hmac('a secret', MAX_LENGTH);
  const signature = hmac.sign('a text');
  t.equal(signature.length, 43);
  const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  for (let at = 0; at < signature.length; at++)
    for (const digit of [...digits, '=', 'ā', '\u0141'])
      if (digit !== signature[at])
        t.notOk(hmac.verify('a text', signature.slice(0, at) + digit + signature.slice(at + 1)) || false);
  for (const other of [
    '',
    signature.slice(1),
    `${signature}=`,
    `${signature}A`,
    'é'.repeat(43),
    'é'.repeat(21),
  ])
    t.notOk(hmac.verify('a text', other), other);
  t.notOk(hmac.verify('another text', signature));
});

t.test('a text that is too long is not signed', async (t) => {
  t.throws(() => new Hmac('a secret', 3).sign('four'), RangeError);
  t.equal(
    new Hmac('a secret', 3).sign('€€€'),
    createHmac('sha256', 'a secret').update('€€€').digest('base64url'),
  );
});
