import { readFileSync } from 'node:fs';
import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';

const Box = Type.Object({ x: Type.Integer(), y: Type.Integer(), w: Type.Integer(), h: Type.Integer() });
const Panel = Type.Object({
  id: Type.Integer(),
  type: Type.String(),
  title: Type.String(),
  description: Type.Optional(Type.String()),
  datasource: Type.Optional(Type.Object({ type: Type.String(), uid: Type.String() })),
  gridPos: Box,
  targets: Type.Optional(Type.Array(Type.Object({ refId: Type.String(), expr: Type.String() }))),
});
const Dashboard = Type.Object({
  uid: Type.String(),
  templating: Type.Object({
    list: Type.Array(Type.Object({ name: Type.String(), type: Type.String() })),
  }),
  annotations: Type.Object({ list: Type.Array(Type.Object({ expr: Type.String() })) }),
  panels: Type.Array(Panel),
});
export type Panel = Static<typeof Panel>;

/** The part of the dashboard that tests read. */
export const dashboard = Value.Parse(
  Dashboard,
  JSON.parse(readFileSync('deploy/grafana/dashboards/scoreboard-api.json', 'utf8')),
);

/** The expressions of a panel, with values for Grafana's variables. */
export function expressionsOf({ targets = [] }: Panel): string[] {
  return targets.map(({ expr }) => fillIn(expr));
}

export function fillIn(expression: string): string {
  return expression.replaceAll('$instance', '.+').replaceAll('$__rate_interval', '1m');
}

/** Words of PromQL in places where a metric could be. */
const WORDS = new Set(['and', 'or', 'unless', 'bool', 'offset', 'inf', 'nan']);

/** The metrics that an expression uses, by family: without `_bucket`, `_sum` and `_count`. */
export function metricsIn(expression: string, families: ReadonlySet<string>): string[] {
  const bare = expression
    .replaceAll(/"[^"]*"/g, '')
    .replaceAll(/\{[^}]*\}|\[[^\]]*\]/g, ' ')
    .replaceAll(/\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/g, ' ');
  return [...bare.matchAll(/(?<![\w:.])[a-zA-Z_:][\w:]*(?!\s*\(|[\w:])/g)]
    .map(([name]) => name)
    .filter((name) => !WORDS.has(name.toLowerCase()))
    .map((name) => {
      const family = name.replace(/_(bucket|sum|count)$/, '');
      return families.has(family) ? family : name;
    });
}
