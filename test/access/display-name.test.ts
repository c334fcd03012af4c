import fc from 'fast-check';
import t from 'tap';
import { displayName, guestName } from '../../src/access/display-name.js';
import { isReserved } from '../../src/access/reserved-names.js';
import { newId } from '../../src/ids.js';
import { character } from '../character.js';
import { HOSTILE, REAL, RESERVED } from './names.js';

const REFUSED = { code: 'validation-failed', errors: [{ path: '/displayName' }] };

t.test('a name is stored in one form only: what was stored is stored the same again', async () => {
  fc.assert(
    fc.property(
      fc.string({
        unit: fc.oneof(character, fc.constantFrom('\u200d', ' ', '\u3000', '\ufe0f', 'ന്\u200d')),
        maxLength: 40,
      }),
      (text) => {
        let name: string;
        try {
          name = displayName(text);
        } catch {
          return true;
        }
        return (
          displayName(name) === name && name.trim() === name && name.normalize('NFC') === name && name !== ''
        );
      },
    ),
    { numRuns: 2_000 },
  );
});

t.test('names that people have are names', async (t) => {
  for (const name of REAL) {
    t.equal(displayName(name), name, JSON.stringify(name));
    t.equal(displayName(` ${name.normalize('NFD')}\u3000`), name);
  }
  t.equal(displayName('山田\u3000太郎'), '山田 太郎');
  t.equal(displayName('Ada   Lovelace'), 'Ada Lovelace');
  for (const [old, name] of [
    ['അവന്\u200d', 'അവൻ'],
    ['শরত্\u200d', 'শরৎ'],
  ] as const)
    t.equal(displayName(old), name, 'the joiner at the end is part of a letter');
});

t.test('names that hide something are not', async (t) => {
  for (const [what, name] of Object.entries(HOSTILE)) t.throws(() => displayName(name), REFUSED, what);
  for (let code = 0; code < 0x3000; code++) {
    const char = String.fromCodePoint(code);
    if (/[\p{C}\p{Zl}\p{Zp}\p{DI}]/u.test(char))
      t.throws(() => displayName(`a${char}b`), REFUSED, code.toString(16));
  }
});

t.test('names of the service are not a player’s, however they are written', async (t) => {
  for (const name of RESERVED) t.throws(() => displayName(name), REFUSED, name);
  for (const name of REAL) t.equal(isReserved(name), false, JSON.stringify(name));
});

t.test('a name is counted in what people see', async (t) => {
  t.equal(displayName('é'.normalize('NFD').repeat(32)), 'é'.repeat(32));
  t.equal(displayName('👨‍👩‍👧'.repeat(20)), '👨‍👩‍👧'.repeat(20));
  t.throws(() => displayName('👨‍👩‍👧'.repeat(33)), { code: 'validation-failed' });
  t.throws(() => displayName('x'.repeat(33)), { code: 'validation-failed' });
});

t.test('a guest is called by the end of its id, as nobody else is', async (t) => {
  for (let i = 0; i < 2_000; i++) {
    const id = newId('usr');
    t.equal(guestName(id), `Guest ${id.slice(-6).toUpperCase()}`);
    t.throws(() => displayName(guestName(id)), REFUSED);
  }
});
