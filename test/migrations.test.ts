import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import t from 'tap';
import { ofPartition, pageOf, stepsOf } from '../src/postgres/migration-steps.js';

/** Refuses migrations that would lock or rewrite a large table: any that an earlier file, or an earlier step, has made. */

const SQUAWK = createRequire(import.meta.url).resolve('squawk-cli/js/bin/squawk');
/** What is not about locks, or what `src/postgres/patiently.ts` sees to. */
const EXCLUDED = [
  ...['prefer-robust-stmts', 'require-lock-timeout', 'require-statement-timeout', 'ban-drop-not-null'],
  ...['prefer-bigint-over-int', 'prefer-text-field', 'ban-drop-table', 'ban-drop-column'],
];
const Findings = Type.Array(Type.Object({ rule_name: Type.String() }));
/** Squawk does not look at rows. A table of which all rows are changed, or that is read as a whole into another. */
const WHOLE_TABLE = /^\s*(UPDATE|DELETE\s+FROM|INSERT\s+INTO[^;]*\bSELECT|WITH)\b/im;

/** The names of the rules that a migration breaks. */
function broken(sql: string): string[] {
  const steps = stepsOf(sql) ?? [{ kind: 'transaction' as const, sql }];
  return steps.flatMap((step) => {
    const text =
      step.kind === 'pages'
        ? pageOf(step, null, "('1')")
        : step.kind === 'partitions'
          ? ofPartition(step, 'a')
          : step.sql;
    const found = squawk(
      text,
      step.kind === 'concurrently' || step.kind === 'partitions' ? [] : ['--assume-in-transaction'],
    );
    const statements = text.replaceAll(/--.*$/gm, '').split(';');
    const isWhole =
      step.kind === 'transaction' && statements.some((statement) => WHOLE_TABLE.test(statement));
    return isWhole ? [...found, 'whole-table'] : found;
  });
}

function squawk(sql: string, more: readonly string[]): string[] {
  const options = ['--reporter', 'json', '--pg-version', '13.0', '--exclude', EXCLUDED.join(',')];
  let output: string;
  try {
    output = execFileSync(
      process.execPath,
      [SQUAWK, ...options, ...more, '--stdin-filepath', 'migration.sql'],
      {
        input: sql,
        encoding: 'utf8',
        stdio: 'pipe',
      },
    );
  } catch (error) {
    // It ends with an error where it has found something.
    if (!(error instanceof Error && 'stdout' in error)) throw error;
    output = String(error.stdout);
  }
  return Value.Parse(Findings, JSON.parse(output)).map(({ rule_name }) => rule_name);
}

for (const folder of ['migrations', 'bench/migrations']) {
  t.test(`no migration of ${folder} locks or rewrites a large table`, async (t) => {
    const files = readdirSync(folder).filter((name) => name.includes('.do.'));
    t.ok(files.length > 3);
    for (const file of files) t.same(broken(readFileSync(`${folder}/${file}`, 'utf8')), [], file);
  });
}

t.test('what would lock or rewrite a large table is found', async (t) => {
  for (const [rule, sql] of [
    ['require-concurrent-index-creation', 'CREATE INDEX a_b_idx ON a (b);'],
    ['require-concurrent-index-deletion', 'DROP INDEX a_b_idx;'],
    ['adding-field-with-default', 'ALTER TABLE a ADD b uuid DEFAULT gen_random_uuid();'],
    ['adding-field-with-default', 'ALTER TABLE a ADD b timestamptz DEFAULT clock_timestamp();'],
    ['adding-required-field', 'ALTER TABLE a ADD b integer NOT NULL;'],
    ['adding-not-nullable-field', 'ALTER TABLE a ALTER b SET NOT NULL;'],
    ['adding-foreign-key-constraint', 'ALTER TABLE a ADD CONSTRAINT c FOREIGN KEY (b) REFERENCES d;'],
    ['constraint-missing-not-valid', 'ALTER TABLE a ADD CONSTRAINT c CHECK (b > 0);'],
    ['disallowed-unique-constraint', 'ALTER TABLE a ADD CONSTRAINT c UNIQUE (b);'],
    ['changing-column-type', 'ALTER TABLE a ALTER b TYPE bigint;'],
    [
      'constraint-missing-not-valid',
      'ALTER TABLE a ADD CONSTRAINT c CHECK (b > 0) NOT VALID; ALTER TABLE a VALIDATE CONSTRAINT c;',
    ],
    ['whole-table', 'UPDATE a SET b = 1;'],
    ['whole-table', 'ALTER TABLE a ADD c integer;\n-- Fills it.\nDELETE FROM a WHERE b = 1;'],
    ['whole-table', 'INSERT INTO d SELECT * FROM a;'],
  ] as const)
    t.ok(broken(sql).includes(rule), `${rule}: ${sql} (${broken(sql)})`);
});

t.test('a table of the same transaction may be changed at will', async (t) => {
  t.same(broken('CREATE TABLE a (b integer); CREATE INDEX a_b_idx ON a (b);'), []);
});
