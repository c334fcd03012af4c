import assert from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import { boardKey } from '../src/board-key.js';
import { Cursors, type EntryCursor } from '../src/cursor.js';
import { character } from './character.js';

const cursors = new Cursors('a secret for cursors, only for tests');
const safe = fc.maxSafeInteger();
const text = fc.string({ unit: character, maxLength: 40 });
const board = fc.tuple(text, fc.nat()).map(([leaderboard, season]) => boardKey(leaderboard, season));
const place = fc.record({ userId: text, score: safe, achievedAt: safe });
const GLOBAL = boardKey('global', 1);
const POSITION: EntryCursor = { board: GLOBAL.text, userId: 'usr_x', score: -5, achievedAt: 1 };

const forged = { code: 'validation-failed', errors: [{ path: '/cursor' }] };

t.test('a cursor leads back to where it was made, and is fit for a URL', async () => {
  fc.assert(
    fc.property(board, place, (key, where) => {
      const at = { board: key.text, ...where };
      const cursor = cursors.encode(at);
      const read = cursors.entryCursor(cursor, key);
      return /^[\w-]+$/.test(cursor) && JSON.stringify(read) === JSON.stringify(at);
    }),
  );
});

t.test('the pages of a list lead from its first item to its last', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(text), fc.integer({ min: 1, max: 5 }), text, async (ids, limit, list) => {
      const read = async (count: number, after: string | null) => {
        const start = after === null ? 0 : ids.indexOf(after) + 1;
        return ids.slice(start, start + count);
      };
      const seen: string[] = [];
      for (let cursor: string | null | undefined; cursor !== null; ) {
        const query: { limit: number; cursor?: string } = { limit, ...(cursor !== undefined && { cursor }) };
        const page = await cursors.page(list, query, read, (id) => id);
        assert(page.items.length === limit || page.nextCursor === null);
        seen.push(...page.items);
        cursor = page.nextCursor;
      }
      assert.deepEqual(seen, ids);
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
        cursors.entryCursor(changed, GLOBAL);
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
    t.throws(() => cursors.entryCursor(other, GLOBAL), forged);
  }
});

t.test('a cursor is of one list only', async (t) => {
  const cursor = cursors.encode(POSITION);
  t.throws(() => cursors.entryCursor(cursor, boardKey('other', 1)), forged);
  t.throws(() => cursors.entryCursor(cursor, boardKey('global', 2), false), forged);
  t.throws(() => cursors.entryCursor(cursor, boardKey('global', 2)), {
    code: 'season-changed',
    statusCode: 410,
  });
  const read = async () => ['evt_x', 'evt_y'];
  const page = (list: string, query: { limit: number; cursor?: string }) =>
    cursors.page(list, query, read, (id) => id);
  const { nextCursor } = await page('history usr_x', { limit: 1 });
  const next = { limit: 1, cursor: nextCursor ?? '' };
  await page('history usr_x', next);
  await t.rejects(page('history usr_y', next), forged);
  await t.rejects(page('history usr_x', { limit: 1, cursor }), forged);
  t.throws(() => cursors.entryCursor(next.cursor, GLOBAL), forged);
});

t.test('a cursor outlives one rotation of the secret', async (t) => {
  const cursor = cursors.encode(POSITION);
  const rotated = new Cursors(
    'the next secret for cursors, for tests',
    'a secret for cursors, only for tests',
  );
  t.same(rotated.entryCursor(cursor, GLOBAL), POSITION);
  t.throws(() => cursors.entryCursor(rotated.encode(POSITION), GLOBAL), forged);
  t.throws(() => new Cursors('the next secret for cursors, for tests').entryCursor(cursor, GLOBAL), forged);
});
