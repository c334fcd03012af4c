import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { only, resources, STAGE_STACKS, templateOf, type Value } from './templates.js';

interface Prices {
  readonly hours: number;
  readonly prices: Readonly<
    Record<string, { readonly usd: number; readonly of: string; readonly source: string }>
  >;
  readonly assumptions: Readonly<Record<string, Assumptions>>;
}
/** In a month. */
interface Assumptions {
  readonly millionRequests: number;
  readonly gigabytesOut: number;
  readonly gigabytesLogged: number;
  readonly gigabytesThroughNat: number;
  readonly capacityUnits: number;
  readonly metrics: number;
}

const { hours, prices, assumptions }: Prices = JSON.parse(readFileSync('costs.json', 'utf8'));
const README = readFileSync('README.md', 'utf8');

/** How much of each price a stage takes in a month: from its template, with as many tasks as it has at least. */
function quantitiesOf(stack: (typeof STAGE_STACKS)[number]): Record<string, number> {
  const template = templateOf(stack);
  const count = (type: string) => resources(template, type).length;
  const sum = (numbers: number[]) => numbers.reduce((total, number) => total + number, 0);
  const { MinCapacity } = only(template, 'AWS::ApplicationAutoScaling::ScalableTarget');
  const [task] = resources(template, 'AWS::ECS::TaskDefinition')
    .map(([, definition]) => definition)
    .filter(({ ContainerDefinitions }) => ContainerDefinitions.some(({ Name }: Value) => Name === 'api'));
  const hasAddress = only(template, 'AWS::ECS::Service').NetworkConfiguration.AwsvpcConfiguration;
  const databases = resources(template, 'AWS::RDS::DBInstance').map(([, database]) => database);
  // A standby is a second server with a second disk; a replica has a disk of the size of its primary.
  const servers = (database: Value) => (database.MultiAZ === true ? 2 : 1);
  const storage = Number(databases.find(({ AllocatedStorage }) => AllocatedStorage).AllocatedStorage);
  const nodes = resources(template, 'AWS::ElastiCache::ReplicationGroup').map(([, group]) => group);
  const alarms = resources(template, 'AWS::CloudWatch::Alarm').map(([, alarm]) => alarm);
  const nats = count('AWS::EC2::NatGateway');
  const endpoints = resources(template, 'AWS::EC2::VPCEndpoint').filter(
    ([, { VpcEndpointType }]) => VpcEndpointType === 'Interface',
  );
  const assumed = assumptions[stack.replace('Scoreboard', '').toLowerCase()];
  assert.ok(assumed);
  const quantities: Record<string, number> = {
    vcpu: (MinCapacity * Number(task.Cpu) * hours) / 1024,
    memory: (MinCapacity * Number(task.Memory) * hours) / 1024,
    storage: sum(databases.map(servers)) * storage,
    nat: nats * hours,
    natTraffic: nats > 0 ? assumed.gigabytesThroughNat : 0,
    endpoint: endpoints.length * hours,
    balancer: hours,
    capacityUnit: assumed.capacityUnits * hours,
    // The load balancer has one in each of two zones.
    address: (2 + nats + (hasAddress.AssignPublicIp === 'ENABLED' ? MinCapacity : 0)) * hours,
    firewall: count('AWS::WAFv2::WebACL'),
    firewallRule: sum(resources(template, 'AWS::WAFv2::WebACL').map(([, { Rules }]) => Rules.length)),
    firewallRequests: assumed.millionRequests,
    secret: count('AWS::SecretsManager::Secret'),
    key: count('AWS::KMS::Key'),
    alarm: sum(
      alarms.map(({ Metrics }) => Metrics?.filter((metric: Value) => metric.MetricStat).length ?? 1),
    ),
    metric: assumed.metrics,
    logs: assumed.gigabytesLogged,
    traffic: assumed.gigabytesOut,
  };
  for (const database of databases) {
    const name = database.DBInstanceClass;
    quantities[name] = (quantities[name] ?? 0) + servers(database) * hours;
  }
  for (const { CacheNodeType, NumNodeGroups, ReplicasPerNodeGroup } of nodes) {
    quantities[CacheNodeType] = NumNodeGroups * (ReplicasPerNodeGroup + 1) * hours;
  }
  return quantities;
}

const number = (value: number) => Math.round(value).toLocaleString('en-US');

test('the table of costs is what the templates take, at the prices of costs.json', () => {
  const stages = STAGE_STACKS.map(quantitiesOf);
  for (const name of stages.flatMap(Object.keys)) assert.ok(prices[name], `${name} has a price`);
  const totals = stages.map(() => 0);
  const rows = Object.entries(prices).map(([name, { usd, of, source }]) => {
    const cells = stages.map((quantities, index) => {
      const quantity = quantities[name] ?? 0;
      totals[index] = (totals[index] ?? 0) + quantity * usd;
      return quantity === 0 ? '' : `${number(quantity)} → ${(quantity * usd).toFixed(2)}`;
    });
    return `| [${of}](${source}) | ${usd} | ${cells.join(' | ')} |`;
  });
  const table = [
    '| | USD each | production | simple | staging |',
    '|---|--:|--:|--:|--:|',
    ...rows,
    `| **USD a month** | | ${totals.map((total) => `**${number(total)}**`).join(' | ')} |`,
  ].join('\n');
  assert.ok(README.includes(`${table}\n`), `The README needs this table:\n${table}`);
});

test('the assumptions of the README are those of costs.json', () => {
  for (const [stage, assumed] of Object.entries(assumptions)) {
    const row = [
      `\`${stage}\``,
      ...[assumed.millionRequests, assumed.gigabytesOut, assumed.gigabytesLogged],
      ...[assumed.gigabytesThroughNat, assumed.capacityUnits, assumed.metrics],
    ].join(' | ');
    assert.ok(README.includes(`| ${row} |`), row);
  }
});
