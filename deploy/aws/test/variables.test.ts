import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { buildApp } from '../src/app.js';
import { readVariables, VARIABLES } from '../src/variables.js';
import { container, only, resources, type Value } from './templates.js';

const DOCUMENT = readFileSync('../../docs/configuration.md', 'utf8');
const NAMES = [...DOCUMENT.matchAll(/^\| `([A-Z][A-Z0-9_]+)`(?: \*)? \|/gm)].map(([, name = '']) => name);
const ARN = 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:own-AbCdEf';
/** A value that no stack has by itself. */
const VALUES: Record<string, string> = {
  PORT: '8080',
  SSE_MAX_CONNECTIONS: '2000',
  DATABASE_URL: 'postgres://pooler.example:6432/scoreboard',
  OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector.example:4318',
  ...Object.fromEntries(
    [
      'REDIS_URL',
      'JWT_SECRET',
      'JWT_SECRET_PREVIOUS',
      'ACTION_TOKEN_SECRET',
      'ACTION_TOKEN_SECRET_PREVIOUS',
    ].map((name) => [name, `${ARN}:${name}`]),
  ),
};
const given = (name: string) => VALUES[name] ?? `own-${name}`;

const app = buildApp('eu-central-1', {
  imageDigest: `sha256:${'0'.repeat(64)}`,
  domainName: 'scores.example.com',
  certificateArn: 'arn:aws:acm:eu-central-1:123456789012:certificate/c',
  variables: [
    ...NAMES.map((name) => `production.${name}=${given(name)}`),
    'staging.LOG_LEVEL=debug\nLOG_LEVEL=warn TRUST_PROXY=',
  ].join(' '),
});

function templateOf(id: string): Template {
  const stack = app.node.findChild(id);
  assert.ok(Stack.isStack(stack));
  return Template.fromStack(stack);
}

test('the variables are those of docs/configuration.md', () => {
  assert.deepEqual([...VARIABLES].sort(), [...NAMES].sort());
  assert.ok(NAMES.length > 30);
});

test('each variable of the service can be set for a stage', () => {
  const template = templateOf('ScoreboardProduction');
  const { Environment, Secrets, PortMappings } = container(template, 'api');
  const plain = new Map<string, Value>(Environment.map(({ Name, Value }: Value) => [Name, Value]));
  const secret = new Map<string, Value>(Secrets.map(({ Name, ValueFrom }: Value) => [Name, ValueFrom]));
  for (const name of NAMES) {
    const value = given(name);
    if (value.startsWith('arn:')) assert.equal(secret.get(name), `${ARN}:${name}::`);
    else assert.equal(plain.get(name), value);
    assert.ok(!(plain.has(name) && secret.has(name)), `${name} is given once`);
  }
  // What the stack computes with follows.
  assert.equal(PortMappings[0].ContainerPort, 8080);
  assert.equal(only(template, 'AWS::ElasticLoadBalancingV2::TargetGroup').Port, 8080);
  assert.match(JSON.stringify(container(template, 'metrics').Environment), /localhost:8080/);
  const scaling = JSON.stringify(resources(template, 'AWS::ApplicationAutoScaling::ScalingPolicy'));
  assert.match(scaling, /sse_connections_active.*"TargetValue":1000/);
  const migrate = container(template, 'migrate').Environment;
  assert.equal(migrate.find(({ Name }: Value) => Name === 'DATABASE_URL').Value, VALUES['DATABASE_URL']);
  const open = resources(template, 'AWS::EC2::SecurityGroup')
    .filter(([id]) => id.startsWith('RuntimeSecurityGroup'))
    .flatMap(([, { SecurityGroupEgress }]) => SecurityGroupEgress.map(({ FromPort }: Value) => FromPort));
  assert.deepEqual(open.sort(), [4318, 443, 6379, 6432]);
});

test('a stage takes its own value, then that for all, and an empty one is none', () => {
  const environment = (id: string) =>
    new Map(container(templateOf(id), 'api').Environment.map(({ Name, Value }: Value) => [Name, Value]));
  const staging = environment('ScoreboardStaging');
  assert.deepEqual([staging.get('LOG_LEVEL'), staging.get('TRUST_PROXY')], ['debug', '']);
  assert.equal(environment('ScoreboardSimple').get('LOG_LEVEL'), 'warn');
});

test('what is not usable is told, without the secrets', () => {
  const faults: string[] = [];
  readVariables(
    'LOG_LEVLE=debug prod.LOG_LEVEL=info nonsense JWT_SECRET=hunter2 DATABASE_URL=postgres://me:hunter2@db/x PORT=http',
    faults,
  );
  assert.deepEqual(faults, [
    'variables: LOG_LEVLE is no variable of the service',
    'variables: LOG_LEVEL is for the stage "prod", but the stages are production, simple, staging',
    'variables: "nonsense" is not like NAME=value',
    'variables: JWT_SECRET is a secret: put it into Secrets Manager, and give the ARN of that',
    'variables: DATABASE_URL is a secret: put it into Secrets Manager, and give the ARN of that',
    'variables: PORT is not a number',
  ]);
});
