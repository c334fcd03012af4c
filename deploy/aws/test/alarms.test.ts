import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { only, resources, templateOf, type Value } from './templates.js';

const template = templateOf('ScoreboardProduction');
const alarms = new Map(
  resources(template, 'AWS::CloudWatch::Alarm').map(([, alarm]) => [
    alarm.AlarmName.replace('scoreboard-api-', ''),
    alarm,
  ]),
);

/** Thresholds and minutes of the other tables of the deployment specification. */
const SPECIFIED = {
  // CloudWatch Alarms (Suggested)
  ErrorLogs: [10, 1],
  ErrorRateHigh: [1, 5],
  ActionTokenRejections: [100, 1],
  // Rollback Trigger
  ErrorRateCritical: [5, 5],
  LatencyCritical: [2, 5],
  InstancesUnhealthy: [10, 2],
  // Alerts (Suggested)
  LatencyHigh: [1, 5],
  StreamsNearCapacity: [80, 1],
  ActionTokensRejected: [5, 5],
} as const;

for (const [name, [threshold, minutes]] of Object.entries(SPECIFIED)) {
  test(`${name} is above ${threshold} for ${minutes} minutes`, () => {
    const alarm = alarms.get(name);
    assert.equal(alarm.Threshold, threshold);
    assert.equal(alarm.EvaluationPeriods, minutes);
    assert.equal(alarm.ComparisonOperator, 'GreaterThanThreshold');
  });
}

/** Of RDS and ElastiCache: metric, limit and minutes. */
const OF_SERVERS = {
  DatabaseStorageLow: ['FreeStorageSpace', 0, 5],
  ReplicaStorageLow: ['FreeStorageSpace', 0, 5],
  DatabaseCpuHigh: ['CPUUtilization', 80, 10],
  DatabaseConnectionsHigh: ['DatabaseConnections', 512, 5],
  RedisMemoryHigh: ['DatabaseMemoryUsagePercentage', 80, 5],
  RedisEvictions: ['Evictions', 0, 5],
  RedisReplicationLagging: ['ReplicationLag', 10, 5],
} as const;

for (const [name, [metric, threshold, minutes]] of Object.entries(OF_SERVERS)) {
  test(`${name} watches ${metric}`, () => {
    const { Threshold, EvaluationPeriods, Metrics } = alarms.get(name);
    assert.deepEqual([Threshold, EvaluationPeriods], [threshold, minutes]);
    const read = Metrics.flatMap(({ MetricStat }: Value) => MetricStat?.Metric ?? []);
    assert.deepEqual([...new Set(read.map(({ MetricName }: Value) => MetricName))], [metric]);
  });
}

test('the alarms of servers name each of them', () => {
  const named = (name: string, dimension: string) =>
    alarms
      .get(name)
      .Metrics.flatMap(({ MetricStat }: Value) => MetricStat?.Metric.Dimensions ?? [])
      .filter(({ Name }: Value) => Name === dimension)
      .map(({ Value }: Value) => Value);
  const databases = Object.keys(template.findResources('AWS::RDS::DBInstance')).map((Ref) => ({ Ref }));
  assert.equal(databases.length, 2);
  for (const name of ['DatabaseCpuHigh', 'DatabaseConnectionsHigh']) {
    assert.deepEqual(named(name, 'DBInstanceIdentifier'), databases, name);
  }
  const [, replica] = databases;
  assert.deepEqual(named('ReplicaStorageLow', 'DBInstanceIdentifier'), [replica]);
  const [Ref] = Object.keys(template.findResources('AWS::ElastiCache::ReplicationGroup'));
  const nodes = ['0001-001', '0001-002', '0002-001', '0002-002'].map((node) => ({
    'Fn::Join': ['', [{ Ref }, `-${node}`]],
  }));
  for (const name of ['RedisMemoryHigh', 'RedisEvictions', 'RedisReplicationLagging']) {
    assert.deepEqual(named(name, 'CacheClusterId'), nodes, name);
  }
});

test('a stage has no alarm of what it lacks', () => {
  const namesOf = (stack: Parameters<typeof templateOf>[0]) =>
    resources(templateOf(stack), 'AWS::CloudWatch::Alarm').map(([id]) => id);
  assert.equal(namesOf('ScoreboardSimple').filter((id) => /Redis|Replica/.test(id)).length, 0);
  assert.equal(namesOf('ScoreboardStaging').filter((id) => /RedisReplication|Replica/.test(id)).length, 0);
  assert.ok(namesOf('ScoreboardStaging').some((id) => /RedisMemoryHigh/.test(id)));
});

test('the lag of the replica is the one that the service has measured', () => {
  const { MetricName, Namespace, Statistic, Threshold } = alarms.get('ReplicaLagging');
  assert.deepEqual(
    [MetricName, Namespace, Statistic, Threshold],
    ['database_replica_lag_seconds', 'scoreboard-api', 'Maximum', 30],
  );
});

test('every alarm notifies the topic, and uses periods of a minute', () => {
  const [topic] = Object.keys(template.findResources('AWS::SNS::Topic'));
  template.hasResourceProperties('AWS::SNS::Subscription', {
    TopicArn: { Ref: topic },
    Protocol: 'email',
    Endpoint: 'oncall@example.com',
  });
  for (const [name, { AlarmActions, OKActions, Period, Metrics = [] }] of alarms) {
    assert.deepEqual(AlarmActions, [{ Ref: topic }], name);
    assert.deepEqual(OKActions, [{ Ref: topic }], name);
    const periods = Metrics.map(({ MetricStat }: Value) => MetricStat?.Period).filter(Boolean);
    assert.deepEqual([...new Set([...periods, ...(Period ? [Period] : [])])], [60], name);
  }
});

test('every alert of Prometheus has an alarm of the same name', () => {
  const rules = readFileSync('../prometheus/alerts.yml', 'utf8');
  const alerts = [...rules.matchAll(/- alert: (\w+)/g)].map(([, name]) => name);
  assert.ok(alerts.length > 0);
  assert.deepEqual(
    alerts.filter((name) => !alarms.has(name)),
    [],
  );
});

test('every alarm links to an existing section that says what to do', () => {
  for (const [name, { AlarmDescription }] of alarms) {
    const [, file = '', anchor] = / See ([\w/.-]+)#([\w-]+)\.$/.exec(AlarmDescription) ?? [];
    const text = readFileSync(`../../${file}`, 'utf8');
    const anchorOf = (section: string) => /^.*/.exec(section)?.[0].toLowerCase().replaceAll(' ', '-');
    const section = text.split(/^#+ /m).find((section) => anchorOf(section) === anchor);
    assert.ok(section?.includes(file === 'docs/operations.md' ? '**Do**' : `\`${name}\``), AlarmDescription);
  }
});

test('alarms count the log lines that the service writes', () => {
  const filters = resources(template, 'AWS::Logs::MetricFilter').map(
    ([, { FilterPattern }]) => FilterPattern,
  );
  assert.deepEqual(filters.sort(), ['{ $.level = "error" }', '{ $.message = "Action token rejected" }']);
});

test('alarms use only metrics that the service has and exports', () => {
  const sources = readFileSync('../../src/observability/metrics.ts', 'utf8');
  const agent = JSON.stringify(resources(template, 'AWS::ECS::TaskDefinition'));
  const used = [...alarms.values()]
    .flatMap(({ Metrics = [], MetricName, Namespace, Dimensions }) => [
      { MetricName, Namespace, Dimensions },
      ...Metrics.map(({ MetricStat }: Value) => MetricStat?.Metric ?? {}),
    ])
    .filter(({ Namespace, Dimensions }) => Namespace === 'scoreboard-api' && Dimensions);
  assert.ok(used.length > 0);
  for (const { MetricName } of used) {
    assert.ok(sources.includes(`name: '${MetricName}'`), `the service has ${MetricName}`);
    assert.ok(agent.includes(`^${MetricName}$`), `the agent exports ${MetricName}`);
  }
});

test('the log group and its queries are those of the specification', () => {
  template.hasResourceProperties('AWS::Logs::LogGroup', { LogGroupName: '/ecs/scoreboard-api' });
  const queries = resources(template, 'AWS::Logs::QueryDefinition').map(([, query]) => query);
  const group = Object.entries(template.findResources('AWS::Logs::LogGroup')).find(
    ([, { Properties }]) => Properties.LogGroupName === '/ecs/scoreboard-api',
  );
  for (const { LogGroupNames } of queries) assert.deepEqual(LogGroupNames, [{ Ref: group?.[0] }]);
  const text = (name: string) => queries.find(({ Name }) => Name === `scoreboard-api/${name}`).QueryString;
  assert.deepEqual(text('Find score update failures').split('\n'), [
    'fields @timestamp, @message',
    '| filter level = "error" and message like /score/',
    '| sort @timestamp desc',
    '| limit 100',
  ]);
  assert.deepEqual(text('Track action token rejections').split('\n'), [
    'fields @timestamp, userId, @message',
    '| filter level = "warn" and message like /token/',
    '| stats count() by userId',
    '| sort count desc',
  ]);
});

test('services that publish to the topic may use its key', () => {
  const { KmsMasterKeyId } = only(template, 'AWS::SNS::Topic');
  assert.ok(KmsMasterKeyId);
  const { KeyPolicy } = only(template, 'AWS::KMS::Key');
  const services = KeyPolicy.Statement.flatMap(({ Principal }: Value) => Principal.Service ?? []);
  assert.ok(services.includes('cloudwatch.amazonaws.com'));
  assert.ok(services.includes('events.amazonaws.com'));
});
