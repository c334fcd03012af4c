import assert from 'node:assert/strict';
import { test } from 'node:test';
import { only, resources, STAGE_STACKS, templateOf, type Value } from './templates.js';

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
      'ecr:BatchGetImage',
      'ecr:PutImage',
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
  for (const stack of STAGE_STACKS) {
    assert.deepEqual(names(stack), [
      ...[
        'ClusterName',
        'ImageDigest',
        'LoadBalancerName',
        'MigrationsTask',
        'RollbackAlarms',
        'ServiceName',
        'Url',
      ],
    ]);
  }
});

interface Image {
  readonly tags: readonly string[];
}

/** What stays of images, newest first, by the rules of ECR: an image belongs to the first rule that its tags match. */
function kept(images: readonly Image[]): Image[] {
  const { rules } = JSON.parse(only(template, 'AWS::ECR::Repository').LifecyclePolicy.LifecyclePolicyText);
  const tagged = rules
    .filter(({ selection }: Value) => selection.tagStatus === 'tagged')
    .sort((one: Value, other: Value) => one.rulePriority - other.rulePriority);
  const ruleOf = ({ tags }: Image) =>
    tagged.find(({ selection }: Value) =>
      selection.tagPatternList.every((pattern: string) =>
        tags.some((tag) => new RegExp(`^${pattern.replaceAll('*', '.*')}$`).test(tag)),
      ),
    );
  const seen = new Map<Value, number>();
  return images.filter((image) => {
    const rule = ruleOf(image);
    if (rule === undefined) return true;
    assert.equal(rule.selection.countType, 'imageCountMoreThan');
    seen.set(rule, (seen.get(rule) ?? 0) + 1);
    return (seen.get(rule) ?? 0) <= rule.selection.countNumber;
  });
}

test('releases are counted, not the images that each consists of, and what runs for long stays', () => {
  const release = (number: number, ...deployed: string[]): Image => ({
    tags: [`git-${number}-1`, ...deployed.map((stage) => `deployed-${stage}-${number}`)],
  });
  // Production runs the oldest, and each of 200 later ones was in staging.
  const running = release(0, 'staging', 'production');
  const later = Array.from({ length: 200 }, (_, index) => release(200 - index, 'staging'));
  const never = Array.from({ length: 40 }, (_, index) => release(300 - index));
  const left = kept([...never, ...later, running]);
  assert.ok(left.includes(running));
  assert.equal(left.filter(({ tags }) => tags.length === 1).length, 30);
  assert.equal(left.length, 30 + 20 + 1);
});

test('what has no tag goes by its age alone: its number says nothing about releases', () => {
  const { rules } = JSON.parse(only(template, 'AWS::ECR::Repository').LifecyclePolicy.LifecyclePolicyText);
  const untagged = rules.filter(({ selection }: Value) => selection.tagStatus !== 'tagged');
  assert.deepEqual(
    untagged.map(({ selection }: Value) => selection),
    [{ tagStatus: 'untagged', countType: 'sinceImagePushed', countNumber: 14, countUnit: 'days' }],
  );
  assert.equal(untagged[0].rulePriority, Math.max(...rules.map(({ rulePriority }: Value) => rulePriority)));
});
