import type { Queryable } from '../src/postgres/database.js';

const COLUMNS = `
SELECT c.relname AS "table", pg_get_partkeydef(c.oid) AS "partitionedBy", a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS "notNull",
       pg_get_expr(d.adbin, d.adrelid) AS "default", co.collname AS collation
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
LEFT JOIN pg_collation co ON co.oid = a.attcollation AND co.collname <> 'default'
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = 'public'::regnamespace AND c.relname NOT IN ('schemaversion', 'schemaprogress')
ORDER BY c.relname, a.attnum`;

// 'n': PostgreSQL 18 lists NOT NULL as a constraint too.
const CONSTRAINTS = `
SELECT conrelid::regclass::text AS "table", conname AS name, pg_get_constraintdef(oid) AS definition
FROM pg_constraint
WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = conrelid AND c.relispartition) AND connamespace = 'public'::regnamespace AND conrelid::regclass::text NOT IN ('schemaversion', 'schemaprogress') AND contype <> 'n'
ORDER BY conrelid::regclass::text, contype = 'f', contype <> 'p', conname`;

const INDEXES = `
SELECT tablename AS "table", indexdef AS definition
FROM pg_indexes i
WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = i.tablename::regclass AND c.relispartition)
  AND schemaname = 'public' AND tablename NOT IN ('schemaversion', 'schemaprogress')
  AND NOT EXISTS (SELECT FROM pg_constraint WHERE conname = i.indexname)
ORDER BY tablename, indexname`;

interface Column {
  table: string;
  partitionedBy: string | null;
  name: string;
  type: string;
  notNull: boolean;
  default: string | null;
  collation: string | null;
}
interface Definition {
  table: string;
  name: string;
  definition: string;
}

/** The schema, without the partitions, as SQL for people to read, in an order that does not depend on how it came about. */
export async function describeSchema(client: Queryable): Promise<string> {
  const columns = (await client.query<Column>(COLUMNS)).rows;
  const constraints = (await client.query<Definition>(CONSTRAINTS)).rows;
  const indexes = (await client.query<Definition>(INDEXES)).rows;
  const tables = [...new Set(columns.map(({ table }) => table))].map((table) => {
    const of = <T extends { table: string }>(rows: T[]) => rows.filter((row) => row.table === table);
    const lines = [
      ...of(columns).map(columnLine),
      ...of(constraints).map(({ name, definition }) => `CONSTRAINT ${name} ${definition}`),
    ];
    const by = of(columns)[0]?.partitionedBy;
    const partitioned = by ? ` PARTITION BY ${by}` : '';
    const create = `CREATE TABLE ${table} (\n${lines.map((line) => `  ${line}`).join(',\n')}\n)${partitioned};\n`;
    return [
      create,
      ...of(indexes).map(({ definition }) => `${definition.replace(/ (ONLY )?public\./, ' ')};\n`),
    ].join('');
  });
  return `-- The schema after all migrations. Made by "npm run docs"; changes belong in migrations/.\n\n${tables.join('\n')}`;
}

function columnLine({ name, type, collation, notNull, default: value }: Column): string {
  return [
    name,
    type,
    collation && `COLLATE "${collation}"`,
    notNull && 'NOT NULL',
    value && `DEFAULT ${value}`,
  ]
    .filter(Boolean)
    .join(' ');
}
