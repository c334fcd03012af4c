import assert from 'node:assert/strict';
import { test } from 'node:test';
import { only, resources, templateOf, type Value } from './templates.js';

const template = templateOf('ScoreboardPipeline');
const GITHUB = 'token.actions.githubusercontent.com';

function role(name: string): { subjects: string[]; actions: string[] } {
  const [id, properties] =
    resources(template, 'AWS::IAM::Role').find(([, { RoleName }]) => RoleName === `scoreboard-api-${name}`) ??
    [];
  const { StringEquals } = properties.AssumeRolePolicyDocument.Statement[0].Condition;
  assert.equal(StringEquals[`${GITHUB}:aud`], 'sts.amazonaws.com');
  const actions = resources(template, 'AWS::IAM::Policy')
    .filter(([, { Roles }]) => Roles.some(({ Ref }: Value) => Ref === id))
    .flatMap(([, { PolicyDocument }]) => PolicyDocument.Statement.flatMap(({ Action }: Value) => Action));
  return { subjects: [StringEquals[`${GITHUB}:sub`]].flat(), actions };
}

test('only the main branch pushes images, and does nothing else', () => {
  const { subjects, actions } = role('push');
  assert.deepEqual(subjects, ['repo:example/scoreboard-api:ref:refs/heads/main']);
  assert.deepEqual(
    actions.filter((action) => !action.startsWith('ecr:')),
    [],
  );
});

test('only the environments deploy, with the roles of the CDK', () => {
  const { subjects, actions } = role('deploy');
  assert.deepEqual(subjects, [
    'repo:example/scoreboard-api:environment:staging',
    'repo:example/scoreboard-api:environment:production',
  ]);
  assert.deepEqual(actions.sort(), [
    ...[
      'cloudformation:DescribeStacks',
      'cloudwatch:DescribeAlarms',
      'ecs:DescribeServices',
      'sts:AssumeRole',
    ],
  ]);
});

test('images are immutable, and scanned for known vulnerabilities', () => {
  const { ImageTagMutability, ImageScanningConfiguration, RepositoryName } = only(
    template,
    'AWS::ECR::Repository',
  );
  assert.deepEqual(
    { ImageTagMutability, RepositoryName, ScanOnPush: ImageScanningConfiguration.ScanOnPush },
    { ImageTagMutability: 'IMMUTABLE', RepositoryName: 'scoreboard-api', ScanOnPush: true },
  );
});

test('the stack outputs what the workflows need', () => {
  const names = (stack: Parameters<typeof templateOf>[0]) =>
    Object.keys(templateOf(stack).findOutputs('*')).sort();
  assert.deepEqual(names('ScoreboardPipeline'), ['DeployRoleArn', 'PushRoleArn', 'RepositoryUri']);
  for (const stack of ['ScoreboardStaging', 'ScoreboardProduction'] as const) {
    assert.deepEqual(names(stack), [
      ...['ClusterName', 'ImageDigest', 'LoadBalancerName', 'RollbackAlarms', 'ServiceName', 'Url'],
    ]);
  }
});
