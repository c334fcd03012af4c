import { readFileSync } from 'node:fs';
import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import t from 'tap';
import { parse } from 'yaml';
import { buildTestApp } from '../helper.js';
import { RedisServer } from '../redis-server.js';
import { dashboard, expressionsOf, fillIn, metricsIn } from './dashboard.js';

const RuleFile = Type.Object({
  groups: Type.Array(
    Type.Object({
      rules: Type.Array(Type.Object({ record: Type.Optional(Type.String()), expr: Type.String() })),
    }),
  ),
});
const rules = Value.Parse(
  RuleFile,
  parse(readFileSync('deploy/prometheus/alerts.yml', 'utf8')),
).groups.flatMap(({ rules }) => rules);
const panels = dashboard.panels.filter(({ type }) => type !== 'row');

t.test(
  'the dashboard shows every metric of the service, and dashboard and alerts use no other',
  async (t) => {
    const redis = await RedisServer.start(t);
    const { url } = await buildTestApp(t, { REDIS_MODE: 'single', REDIS_URL: redis.url });
    const text = await (await fetch(`${url}/metrics`)).text();
    const exposed = new Set([...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name = '']) => name));
    t.ok(exposed.has('http_requests_total'));

    const shown = new Set(panels.flatMap(expressionsOf).flatMap((expr) => metricsIn(expr, exposed)));
    t.same(
      [...exposed].filter((name) => !shown.has(name)),
      [],
      'all are shown',
    );

    const read = [
      ...shown,
      ...dashboard.annotations.list.flatMap(({ expr }) => metricsIn(fillIn(expr), exposed)),
      ...rules.flatMap(({ expr }) => metricsIn(expr, exposed)),
    ];
    // Prometheus creates these two.
    const known = new Set([...exposed, ...rules.map(({ record }) => record), 'up', 'ALERTS']);
    t.same(
      read.filter((name) => !known.has(name)),
      [],
      'none is made up',
    );
  },
);

t.test('metrics are distinguished from everything else in an expression', async (t) => {
  const families = new Set(['a_seconds', 'b_count']);
  const cases: [expression: string, metrics: string[]][] = [
    ['histogram_quantile(0.99, sum by (le, path) (rate(a_seconds_bucket{path="x_y"}[5m])))', ['a_seconds']],
    ['a_seconds_sum / on (job) group_left (pod) a_seconds_count > bool 1e3', ['a_seconds', 'a_seconds']],
    [
      '(job:x:rate2m or vector(0)) and b_count offset 5m unless time() - c > NaN',
      ['job:x:rate2m', 'b_count', 'c'],
    ],
  ];
  for (const [expression, metrics] of cases) t.same(metricsIn(expression, families), metrics, expression);
});

t.test('every panel has a title, a description, a query and its own place', async (t) => {
  const { list } = dashboard.templating;
  t.same(
    list.map(({ name, type }) => [name, type]),
    [
      ['datasource', 'datasource'],
      ['instance', 'query'],
    ],
  );
  for (const { title, description, datasource, targets } of panels) {
    t.ok(title !== '' && description, `${title} says what it shows`);
    t.ok(targets?.length, `${title} asks for something`);
    t.match(datasource?.uid, /^\$\{datasource\}$/, `${title} is not bound to one Prometheus`);
    t.equal(new Set(targets?.map(({ refId }) => refId)).size, targets?.length, title);
  }
  t.equal(new Set(dashboard.panels.map(({ id }) => id)).size, dashboard.panels.length, 'ids differ');
  const taken = new Map<string, string>();
  for (const { title, gridPos } of dashboard.panels) {
    t.ok(gridPos.x + gridPos.w <= 24, `${title} is within the grid`);
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        const other = taken.get(`${x},${y}`);
        if (other !== undefined) t.fail(`${title} lies on ${other}`);
        taken.set(`${x},${y}`, title);
      }
    }
  }
});
