import t from 'tap';
import { ofPartition, pageOf, stepsOf } from '../../src/postgres/migration-steps.js';

t.test('a migration without marks has no steps: it is one transaction', async (t) => {
  t.equal(stepsOf('-- Why.\nCREATE TABLE a ();\n-- steps are something else\n'), null);
});

t.test('steps are told apart by what they need', async (t) => {
  const steps = stepsOf(`-- Why.

-- step
ALTER TABLE a ADD b text;
ALTER TABLE a ADD c text;

-- step: pages of a (x, y)
-- Why so.
UPDATE a SET b = 'it costs $1' WHERE :page AND b IS NULL;
-- step
-- Faster.
CREATE UNIQUE INDEX CONCURRENTLY a_b_idx ON a (b);
-- step
DROP INDEX CONCURRENTLY IF EXISTS a_c_idx;
-- step: partitions of b
CREATE INDEX CONCURRENTLY :partition_c_idx ON :partition (c);
`);
  t.match(steps, [
    { kind: 'transaction', sql: 'ALTER TABLE a ADD b text;\nALTER TABLE a ADD c text;' },
    { kind: 'pages', table: 'a', key: ['x', 'y'] },
    { kind: 'concurrently', creates: 'a_b_idx' },
    { kind: 'concurrently', creates: null },
    { kind: 'partitions', table: 'b' },
  ]);
  const partitions = steps?.[4];
  if (partitions?.kind !== 'partitions') throw new Error('no partitions');
  t.equal(ofPartition(partitions, 'b_1'), 'CREATE INDEX CONCURRENTLY b_1_c_idx ON b_1 (c);');
  const pages = steps?.[1];
  if (pages?.kind !== 'pages') throw new Error('no pages');
  t.match(
    pageOf(pages, null, "('1', '$&')"),
    "b = 'it costs $1' WHERE ((x, y) <= ('1', '$&')) AND b IS NULL;",
  );
  t.match(
    pageOf(pages, "('0', '9')", "('1', '2')"),
    "WHERE ((x, y) > ('0', '9') AND (x, y) <= ('1', '2')) AND b IS NULL",
  );
});

t.test('what could not be gone on with is refused', async (t) => {
  for (const [sql, message] of [
    ['CREATE TABLE a ();\n-- step\nSELECT 1;', /Before the first step/],
    ['-- step: leaves of a (x)\nSELECT 1;', /There is no step/],
    ['-- step: pages of a\nUPDATE a SET b = 1 WHERE :page;', /There is no step/],
    ['-- step: partitions of a\nCREATE INDEX CONCURRENTLY ON :partition (b);', /<name>/],
    ['-- step: pages of a (x)\nUPDATE a SET b = 1;', /:page/],
    ['-- step\nCREATE INDEX CONCURRENTLY ON a (b);', /<name>/],
    ['-- step\nDROP INDEX CONCURRENTLY a_idx;', /IF EXISTS/],
    ['-- step\nCREATE INDEX CONCURRENTLY i ON a (b);\nCREATE INDEX CONCURRENTLY j ON a (c);', /nothing else/],
  ] as const)
    t.throws(() => stepsOf(sql), { message }, sql);
});
