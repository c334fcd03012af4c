/** One part of a migration. */
export type Step = TransactionStep | ConcurrentStep | PartitionsStep | PagesStep;

/** Statements that are one transaction. */
interface TransactionStep {
  readonly kind: 'transaction';
  readonly sql: string;
}

/** A statement outside any transaction, beside reads and writes: it creates an index, or drops one. */
export interface ConcurrentStep {
  readonly kind: 'concurrently';
  readonly sql: string;
  readonly creates: string | null;
}

/** The same for each partition of a table, which as a whole takes no such statement. */
export interface PartitionsStep {
  readonly kind: 'partitions';
  readonly sql: string;
  readonly table: string;
}

/** A statement for the rows of a table in the order of its key, a page at a time, each page a transaction. */
export interface PagesStep {
  readonly kind: 'pages';
  readonly sql: string;
  readonly table: string;
  readonly key: readonly string[];
}

const MARK = /^-- step\b(.*)$/m;
const PAGES = /^: pages of (\w+) \((\w+(?:, \w+)*)\)$/;
const PARTITIONS = /^: partitions of (\w+)$/;
const CONCURRENTLY =
  /^(CREATE (?:UNIQUE )?INDEX CONCURRENTLY (?!ON\b)(\w+) ON |DROP INDEX CONCURRENTLY IF EXISTS \w+;?$)/;
/** In the statement of a step with pages: the condition that takes the rows of the page. */
const PAGE = /:page\b/;

/**
 * The steps of a migration, or null if it has no lines `-- step`: then it is one transaction.
 * @throws Error if a step is not of a known form
 */
export function stepsOf(sql: string): Step[] | null {
  const [head = '', ...parts] = sql.split(MARK);
  if (parts.length === 0) return null;
  if (/^(?!--)./m.test(head)) throw new Error(`Before the first step there may only be comments: ${head}`);
  const steps: Step[] = [];
  for (let i = 0; i < parts.length; i += 2) steps.push(stepOf((parts[i] ?? '').trim(), parts[i + 1] ?? ''));
  return steps;
}

function stepOf(mark: string, text: string): Step {
  const sql = text.trim();
  const bare = sql.replaceAll(/^--.*\n/gm, '').trimStart();
  const [, partitioned] = PARTITIONS.exec(mark) ?? [];
  if (partitioned !== undefined) {
    const step = { kind: 'partitions', sql, table: partitioned } as const;
    concurrentStep(ofPartition(step, 'each'));
    return step;
  }
  if (mark !== '') {
    const [, table, key] = PAGES.exec(mark) ?? [];
    if (table === undefined || key === undefined) throw new Error(`There is no step "${mark}"`);
    if (!PAGE.test(bare))
      throw new Error(`A step with pages has its rows by :page, this one has not: ${sql}`);
    return { kind: 'pages', sql, table, key: key.split(', ') };
  }
  return /\bCONCURRENTLY\b/.test(bare) ? concurrentStep(sql) : { kind: 'transaction', sql };
}

/** @throws Error if it is not of the known form */
export function concurrentStep(sql: string): ConcurrentStep {
  const bare = sql.replaceAll(/^--.*\n/gm, '').trimStart();
  const [found, , creates = null] = CONCURRENTLY.exec(bare) ?? [];
  if (found === undefined || /;./s.test(bare))
    throw new Error(
      `A step has one CREATE INDEX CONCURRENTLY <name> or DROP INDEX CONCURRENTLY IF EXISTS <name>, and nothing else: ${sql}`,
    );
  return { kind: 'concurrently', sql, creates };
}

/** The statement for one partition. */
export const ofPartition = ({ sql }: PartitionsStep, partition: string): string =>
  sql.replaceAll(':partition', partition);

/** The statement for the rows after one and up to another. The values of their keys are SQL. */
export function pageOf({ sql, key }: PagesStep, after: string | null, through: string): string {
  const row = `(${key.join(', ')})`;
  const from = after === null ? '' : `${row} > ${after} AND `;
  return sql.replace(PAGE, () => `(${from}${row} <= ${through})`);
}
