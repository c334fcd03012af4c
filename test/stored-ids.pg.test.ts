import assert from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import { idFromWords, newId } from '../src/ids.js';
import { fromUuid, toUuid, toUuids, withIds } from '../src/stored-ids.js';
import { buildTestDatabase } from './helper.js';
import { openPool } from './ledger/game-server.js';

const word = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const ids = fc
  .array(fc.tuple(word, word, word, word), { minLength: 2, maxLength: 40 })
  .map((all) => all.map((words) => idFromWords('usr', Uint32Array.from(words), 0)));

t.test('an id is stored as its 128 bits, and comes back', async () => {
  assert.equal(toUuid('usr', 'usr_00041061050r3gg28a1c60t3gf'), '00010203-0405-0607-0809-0a0b0c0d0e0f');
  fc.assert(
    fc.property(ids, (all) => all.every((id) => fromUuid('usr', toUuid('usr', id) ?? '') === id)),
    { numRuns: 200 },
  );
});

t.test('what is no id of the kind equals nothing', async (t) => {
  const id = newId('evt');
  t.same(toUuids('usr', ['', 'ada', id, `usr_${'8'.repeat(26)}`, 'usr_\0']), [null, null, null, null, null]);
  t.match(toUuid('evt', id), /^[0-9a-f-]{36}$/);
});

t.test('rows get ids in the columns that hold some', async (t) => {
  const id = newId('usr');
  const rows = [
    { userId: toUuid('usr', id), by: null, name: toUuid('usr', id) },
    { userId: null, by: null, name: '' },
  ];
  t.same(withIds(rows, { userId: 'usr', by: 'svc' }), [
    { userId: id, by: null, name: toUuid('usr', id) },
    { userId: null, by: null, name: '' },
  ]);
});

t.test('PostgreSQL agrees on the bits, on the order, and on what is no id', async (t) => {
  const pool = openPool(t, await buildTestDatabase(t));
  await fc.assert(
    fc.asyncProperty(ids, async (all) => {
      const { rows } = await pool.query<{ id: string; uuid: string; back: string }>(
        `SELECT id, uuid_of(id) AS uuid, typeid('usr', uuid_of(id)) AS back FROM unnest($1::text[]) id ORDER BY uuid_of(id)`,
        [all],
      );
      assert.deepEqual(
        rows.map(({ id }) => id),
        [...all].sort(),
      );
      for (const { id, uuid, back } of rows) assert.deepEqual([uuid, back], [toUuid('usr', id), id]);
    }),
    { numRuns: 20 },
  );
  const { rows } = await pool.query(
    `SELECT uuid_of('usr_1') AS a, uuid_of('usr_' || repeat('8', 26)) AS b, uuid_of(NULL) AS c`,
  );
  t.same(rows, [{ a: null, b: null, c: null }]);
});
