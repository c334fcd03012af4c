import type { LogLine } from '../log-lines.js';

type Row = Record<string, unknown>;

/**
 * Runs a CloudWatch Logs Insights query over log lines: those of its commands that our operators' queries are made of.
 * Fields are the top-level properties of a line; `like` is a regular expression and minds upper and lower case.
 * Source: Amazon CloudWatch Logs user guide, "Logs Insights QL query syntax".
 */
export function runQuery(query: string, lines: readonly LogLine[]): Row[] {
  const [, ...commands] = query.split('|').map((command) => command.trim());
  const rows: Row[] = lines.map((line) => ({
    ...line,
    '@timestamp': line.timestamp,
    '@message': JSON.stringify(line),
  }));
  return commands.reduce(run, rows);
}

function run(rows: Row[], command: string): Row[] {
  const [, name = '', rest = ''] = /^(\w+) (.*)$/s.exec(command) ?? [];
  switch (name) {
    case 'filter':
      return rows.filter((row) => rest.split(' and ').every((condition) => holds(row, condition)));
    case 'sort': {
      const [field = ''] = rest.split(' ');
      const sorted = rows.toSorted((a, b) => compare(a[field], b[field]));
      return rest.endsWith(' desc') ? sorted.reverse() : sorted;
    }
    case 'limit':
      return rows.slice(0, Number(rest));
    case 'stats': {
      const [, by = ''] = /^count\(\) by (\w+)$/.exec(rest) ?? [];
      const counts = new Map<unknown, Row[]>();
      for (const row of rows) counts.set(row[by], [...(counts.get(row[by]) ?? []), row]);
      return [...counts].map(([value, group]) => ({ [by]: value, count: group.length }));
    }
    default:
      throw new Error(`This query has a command that is not known here: ${command}`);
  }
}

function holds(row: Row, condition: string): boolean {
  const [, field = '', operator, value = ''] = /^(\w+) (=|like) (.+)$/.exec(condition) ?? [];
  if (operator === '=') return row[field] === JSON.parse(value);
  if (operator === 'like') return new RegExp(value.slice(1, -1)).test(String(row[field]));
  throw new Error(`This condition is not known here: ${condition}`);
}

const compare = (a: unknown, b: unknown): number =>
  typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b));
