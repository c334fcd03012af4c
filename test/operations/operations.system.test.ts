import { readFileSync } from 'node:fs';
import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import pg from 'pg';
import t from 'tap';
import { parse } from 'yaml';
import { promtool } from '../deploy/prometheus-server.js';
import { buildTestApp, buildTestDatabase } from '../helper.js';
import { blocks, RUNBOOK, section, sections } from './runbook.js';

/** The contents of the runbook exist, and its commands work. */

const Rules = Type.Object({
  groups: Type.Array(
    Type.Object({
      rules: Type.Array(
        Type.Object({
          alert: Type.Optional(Type.String()),
          labels: Type.Optional(Type.Record(Type.String(), Type.String())),
        }),
      ),
    }),
  ),
});
const alerts = Value.Parse(Rules, parse(readFileSync('deploy/prometheus/alerts.yml', 'utf8')))
  .groups.flatMap(({ rules }) => rules)
  .flatMap(({ alert, labels }) => (alert === undefined ? [] : [{ alert, labels }]));
const text = readFileSync(RUNBOOK, 'utf8');

t.test('every alert has its section, and every section its alert', async (t) => {
  t.same(
    sections(3, 'When an alert fires'),
    alerts.map(({ alert }) => alert),
  );
  for (const { alert } of alerts) {
    for (const part of ['Means', 'Look at', 'Do'])
      t.match(section(alert), `**${part}**`, `${alert}: ${part}`);
  }
});

t.test('the rollback triggers are those of the rules, and are marked as such', async (t) => {
  const triggers = alerts.filter(({ labels }) => labels?.['rollback'] === 'true').map(({ alert }) => alert);
  const named = [...section('Rollback').matchAll(/\[(\w+)\]\(#\w+\)/g)].map(([, name]) => name);
  t.same(
    named.filter((name) => alerts.some(({ alert }) => alert === name)),
    triggers,
  );
  for (const { alert } of alerts) {
    t.equal(/rollback\s+trigger/.test(section(alert)), triggers.includes(alert), alert);
  }
});

t.test('links have a target', async (t) => {
  const anchors = [...text.matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
    title.toLowerCase().replaceAll(' ', '-'),
  );
  for (const [, target = ''] of text.matchAll(/\]\(#([^)]*)\)/g)) t.ok(anchors.includes(target), target);
  for (const [, file = ''] of text.matchAll(/\]\(\.\.\/([^)#]*)[)#]/g)) t.ok(readFileSync(file), file);
  for (const [, file = ''] of text.matchAll(/`(test\/[\w/.-]+\.ts)`/g)) t.ok(readFileSync(file), file);
});

t.test('every metric that it names exists', async (t) => {
  const { url } = await buildTestApp(t);
  const measured = await (await fetch(`${url}/metrics`)).text();
  const names = new Set([...measured.matchAll(/^# TYPE (\w+) /gm)].map(([, name]) => name));
  const families = [...names].map((name = '') => name.replace(/_.*/, '_'));
  const prose = text.replaceAll(/```sql[\s\S]*?```/g, '');
  const words = new Set([...prose.matchAll(/\b[a-z]+(?:_[a-z0-9]+)+\b/g)].map(([word]) => word));
  // A table, not a metric, although its name begins like one.
  words.delete('score_events');
  const named = [...words]
    .filter((word) => families.some((family) => word.startsWith(family)))
    .map((word) => word.replace(/_bucket$/, ''));
  t.ok(named.length > 10, named.join(' '));
  t.same(
    named.filter((name) => !names.has(name)),
    [],
  );
});

t.test('its queries are valid PromQL', async (t) => {
  const rules = blocks('promql').map((expr, i) => ({ record: `runbook:query:${i}`, expr }));
  t.ok(rules.length > 5);
  const folder = t.testdir({ 'rules.yml': JSON.stringify({ groups: [{ name: 'runbook', rules }] }) });
  t.match(await promtool(['check', 'rules', `${folder}/rules.yml`]), `SUCCESS: ${rules.length} rules found`);
});

t.test('its SQL can be executed', async (t) => {
  const client = new pg.Client(await buildTestDatabase(t));
  await client.connect();
  t.teardown(() => client.end());
  const queries = blocks('sql').filter((sql) => sql.startsWith('SELECT'));
  t.ok(queries.length > 3);
  for (const sql of queries) await t.resolves(client.query(sql), sql.slice(0, 60));
});
