import fc from 'fast-check';
import t from 'tap';
import { displayName, guestName } from '../../src/access/display-name.js';
import { newId } from '../../src/ids.js';
import { character } from '../character.js';

t.test('a name is stored in one form only: what was stored is stored the same again', async () => {
  fc.assert(
    fc.property(fc.string({ unit: character, maxLength: 40 }), (text) => {
      let name: string;
      try {
        name = displayName(text);
      } catch {
        return true;
      }
      return (
        displayName(name) === name && name.trim() === name && name.normalize('NFC') === name && name !== ''
      );
    }),
    { numRuns: 2_000 },
  );
});

t.test('a name is counted in what people see', async (t) => {
  t.equal(displayName('é'.normalize('NFD').repeat(32)), 'é'.repeat(32));
  t.equal(displayName('👨‍👩‍👧'.repeat(20)), '👨‍👩‍👧'.repeat(20));
  t.throws(() => displayName('👨‍👩‍👧'.repeat(33)), { code: 'validation-failed' });
  t.throws(() => displayName('x'.repeat(33)), { code: 'validation-failed' });
});

t.test('a name shows something, and nothing but what it says', async (t) => {
  const joined = 'क्‍ष';
  t.equal(displayName(joined), joined.normalize('NFC'));
  for (let code = 0; code < 0x3000; code++) {
    const char = String.fromCodePoint(code);
    if (/[\p{Cc}\p{Zl}\p{Zp}]|(?![\u200c\u200d])\p{Cf}/u.test(char)) {
      t.throws(() => displayName(`a${char}b`), { code: 'validation-failed' }, code.toString(16));
    }
  }
  for (const nothing of ['', ' ', '\u00a0', '\u3000', '\u2800', '\u3164', '\u200d', '\u0301']) {
    t.throws(() => displayName(nothing), { code: 'validation-failed' });
  }
});

t.test('a guest is called by the end of its id', async (t) => {
  const id = newId('usr');
  t.equal(guestName(id), `Guest ${id.slice(-6).toUpperCase()}`);
  t.equal(displayName(guestName(id)), guestName(id));
});
