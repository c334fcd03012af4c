import fc from 'fast-check';
import t from 'tap';
import { Cursors, type EntryCursor } from '../src/cursor.js';

const cursors = new Cursors('a secret for cursors, only for tests');
const safe = fc.maxSafeInteger();
const text = fc.string({ unit: 'binary', maxLength: 40 });
const position = fc.record({
  leaderboard: text,
  season: fc.nat(),
  userId: text,
  score: safe,
  achievedAt: safe,
});
const POSITION: EntryCursor = { leaderboard: 'global', season: 1, userId: 'usr_x', score: -5, achievedAt: 1 };

const forged = { code: 'validation-failed', errors: [{ path: '/cursor' }] };

t.test('a cursor leads back to where it was made, and is fit for a URL', async () => {
  fc.assert(
    fc.property(position, (at) => {
      const cursor = cursors.encode(at);
      const read = cursors.entryCursor(cursor, at.leaderboard, at.season);
      return /^[\w-]+$/.test(cursor) && JSON.stringify(read) === JSON.stringify(at);
    }),
  );
  fc.assert(
    fc.property(text, text, (list, after) => {
      return cursors.listCursor(cursors.encode({ list, after }), list).after === after;
    }),
  );
  fc.assert(
    fc.property(text, text, (userId, eventId) => {
      return cursors.historyCursor(cursors.encode({ userId, eventId }), userId).eventId === eventId;
    }),
  );
});

t.test('a cursor that was changed anywhere is forged', async (t) => {
  const cursor = cursors.encode(POSITION);
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=. ';
  fc.assert(
    fc.property(fc.nat(cursor.length - 1), fc.constantFrom(...letters), (at, letter) => {
      fc.pre(cursor[at] !== letter);
      const changed = cursor.slice(0, at) + letter + cursor.slice(at + 1);
      try {
        cursors.entryCursor(changed, 'global', 1);
        return false;
      } catch {
        return true;
      }
    }),
    { numRuns: 1_000, examples: [...letters].map((letter) => [cursor.length - 1, letter]) },
  );
  for (const other of [
    '',
    'x',
    `${cursor}A`,
    cursor.slice(0, -1),
    cursor.slice(0, 16),
    `${cursor}=`,
    ` ${cursor}`,
  ]) {
    t.throws(() => cursors.entryCursor(other, 'global', 1), forged);
  }
});

t.test('a cursor is of one list only', async (t) => {
  const cursor = cursors.encode(POSITION);
  t.throws(() => cursors.entryCursor(cursor, 'other', 1), forged);
  t.throws(() => cursors.entryCursor(cursor, 'global', 2), forged);
  t.throws(() => cursors.historyCursor(cursor, 'usr_x'), forged);
  const history = cursors.encode({ userId: 'usr_x', eventId: 'evt_x' });
  t.throws(() => cursors.historyCursor(history, 'usr_y'), forged);
  t.throws(() => cursors.entryCursor(history, 'global', 1), forged);
});

t.test('a cursor outlives one rotation of the secret', async (t) => {
  const cursor = cursors.encode(POSITION);
  const rotated = new Cursors(
    'the next secret for cursors, for tests',
    'a secret for cursors, only for tests',
  );
  t.same(rotated.entryCursor(cursor, 'global', 1), POSITION);
  t.throws(() => cursors.entryCursor(rotated.encode(POSITION), 'global', 1), forged);
  t.throws(
    () => new Cursors('the next secret for cursors, for tests').entryCursor(cursor, 'global', 1),
    forged,
  );
});
