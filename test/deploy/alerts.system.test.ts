import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import t from 'tap';
import { parse } from 'yaml';
import { configure, promtool } from './prometheus-server.js';

const ALERTS = 'deploy/prometheus/alerts.yml';
const TESTS = 'deploy/prometheus/alerts.test.yml';

const Labels = Type.Record(Type.String(), Type.String());
const RuleFile = Type.Object({
  groups: Type.Array(
    Type.Object({
      rules: Type.Array(
        Type.Object({
          alert: Type.Optional(Type.String()),
          expr: Type.String(),
          labels: Type.Optional(Labels),
          annotations: Type.Optional(Labels),
        }),
      ),
    }),
  ),
});
const TestFile = Type.Object({
  tests: Type.Array(
    Type.Object({
      alert_rule_test: Type.Array(
        Type.Object({ alertname: Type.String(), exp_alerts: Type.Array(Type.Unknown()) }),
      ),
    }),
  ),
});

const alerts = Value.Parse(RuleFile, parse(readFileSync(ALERTS, 'utf8')))
  .groups.flatMap(({ rules }) => rules)
  .filter(({ alert }) => alert !== undefined);

t.test('promtool accepts the configuration and the rules', async (t) => {
  const folder = configure(t, '127.0.0.1:3000');
  t.match(await promtool(['check', 'config', join(folder, 'prometheus.yml')]), 'is valid prometheus config');
  t.match(await promtool(['check', 'rules', ALERTS]), 'SUCCESS');
  t.match(await promtool(['check', 'config', 'deploy/prometheus/prometheus.yml']), 'SUCCESS');
});

t.test('every alert fires above its limit, and not below it', async (t) => {
  t.match(await promtool(['test', 'rules', TESTS]), 'SUCCESS');
  const cases = Value.Parse(TestFile, parse(readFileSync(TESTS, 'utf8'))).tests;
  for (const { alert } of alerts) {
    const mine = cases
      .map(({ alert_rule_test }) => alert_rule_test.filter(({ alertname }) => alertname === alert))
      .filter((times) => times.length > 0);
    const fires = (times: (typeof mine)[number]) => times.some(({ exp_alerts }) => exp_alerts.length > 0);
    t.ok(mine.some(fires), `${alert} has a case that fires it`);
    t.notOk(mine.every(fires), `${alert} has a case that does not`);
  }
});

t.test('every alert has a severity, a description and a link to the runbook', async (t) => {
  for (const { alert = '', labels, annotations } of alerts) {
    t.match(labels?.['severity'], /^(warning|critical)$/, alert);
    t.ok(annotations?.['summary'], alert);
    t.ok(annotations?.['description'], alert);
    t.equal(annotations?.['runbook_url'], `docs/operations.md#${alert.toLowerCase()}`);
  }
});

t.test('the three triggers of a rollback are marked as such', async (t) => {
  const triggers = alerts.filter(({ labels }) => labels?.['rollback'] === 'true');
  t.same(
    triggers.map(({ alert }) => alert),
    ['ErrorRateCritical', 'LatencyCritical', 'InstancesUnhealthy'],
  );
});
