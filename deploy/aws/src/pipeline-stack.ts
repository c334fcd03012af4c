import { CfnOutput, Duration, RemovalPolicy, Stack, type StackProps, Validations } from 'aws-cdk-lib';
import {
  type LifecycleRule,
  Repository,
  RepositoryEncryption,
  TagMutability,
  TagStatus,
} from 'aws-cdk-lib/aws-ecr';
import { OidcProviderNative, PolicyStatement, Role, WebIdentityPrincipal } from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';
import { except } from './exceptions.js';
import { STAGES } from './stage.js';

/** The name of the image's repository in ECR. */
export const REPOSITORY = 'scoreboard-api';
const GITHUB = 'token.actions.githubusercontent.com';
/** The default qualifier in the role names of `cdk bootstrap`. */
const BOOTSTRAP = 'cdk-hnb659fds';

/**
 * One release is several images to ECR: an index, which has the tag, and without a tag the image itself, its provenance and its
 * list of contents. So tags are counted. What an index refers to goes only after the index.
 */
const LIFECYCLE: LifecycleRule[] = [
  // The first rules: what they cover is not subject to a later one. So what runs stays, however many releases follow it.
  ...STAGES.map((stage) => ({
    description: `The last 20 releases that were deployed to ${stage}`,
    tagPatternList: [`deployed-${stage}-*`],
    maxImageCount: 20,
  })),
  {
    description: 'The last 30 releases that were not',
    tagPatternList: ['git-*'],
    maxImageCount: 30,
  },
  {
    description: 'What belongs to no release',
    tagStatus: TagStatus.UNTAGGED,
    maxImageAge: Duration.days(14),
  },
].map((rule, index) => ({ ...rule, rulePriority: index + 1 }));

interface PipelineProps extends StackProps {
  /** `owner/name` on GitHub. */
  readonly repository: string;
  /** An account can have only one provider for GitHub, which another project may have created. */
  readonly oidcProviderArn: string | undefined;
}

/** Resources for the workflows on GitHub, once per account: a repository for images, and roles without access keys. */
export class PipelineStack extends Stack {
  constructor(scope: Construct, id: string, { repository, oidcProviderArn, ...props }: PipelineProps) {
    super(scope, id, props);
    const images = new Repository(this, 'Images', {
      repositoryName: REPOSITORY,
      encryption: RepositoryEncryption.AES_256,
      imageScanOnPush: true,
      imageTagMutability: TagMutability.IMMUTABLE,
      lifecycleRules: LIFECYCLE,
      removalPolicy: RemovalPolicy.RETAIN,
    });
    except(images, { CKV_AWS_136: 'What is in an image is no secret.' });
    const provider =
      oidcProviderArn ??
      new OidcProviderNative(this, 'GitHub', { url: `https://${GITHUB}`, clientIds: ['sts.amazonaws.com'] })
        .oidcProviderArn;
    const trusting = (name: string, description: string, subjects: string[]) =>
      new Role(this, name, {
        roleName: `scoreboard-api-${name.toLowerCase()}`,
        description,
        assumedBy: new WebIdentityPrincipal(provider, {
          StringEquals: {
            [`${GITHUB}:aud`]: 'sts.amazonaws.com',
            [`${GITHUB}:sub`]: subjects.map((subject) => `repo:${repository}:${subject}`),
          },
        }),
      });

    const push = trusting('Push', 'Pushes images of the main branch', ['ref:refs/heads/main']);
    images.grantPullPush(push);

    const deploy = trusting('Deploy', 'Deploys with the CDK, and watches', [
      'environment:staging',
      'environment:production',
    ]);
    deploy.addToPolicy(
      new PolicyStatement({
        actions: ['sts:AssumeRole'],
        resources: ['deploy', 'file-publishing'].map((role) =>
          this.formatArn({
            service: 'iam',
            region: '',
            resource: 'role',
            resourceName: `${BOOTSTRAP}-${role}-role-${this.account}-${this.region}`,
          }),
        ),
      }),
    );
    deploy.addToPolicy(
      new PolicyStatement({
        actions: ['cloudformation:DescribeStacks', 'ecs:DescribeServices', 'cloudwatch:DescribeAlarms'],
        resources: ['*'],
      }),
    );
    // To give the image that it deploys a tag, which keeps it.
    images.grant(deploy, 'ecr:BatchGetImage', 'ecr:PutImage');
    for (const role of [push, deploy]) {
      Validations.of(role).acknowledge({
        id: 'AwsSolutions-IAM5[Resource::*]',
        reason: 'To log in to ECR knows no resource; what the deployment watches it may only describe.',
      });
    }

    const outputs = {
      RepositoryUri: images.repositoryUri,
      PushRoleArn: push.roleArn,
      DeployRoleArn: deploy.roleArn,
    };
    for (const [name, value] of Object.entries(outputs)) new CfnOutput(this, name, { value });
  }
}
