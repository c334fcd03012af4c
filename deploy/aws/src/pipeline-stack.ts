import { CfnOutput, RemovalPolicy, Stack, type StackProps, Validations } from 'aws-cdk-lib';
import { Repository, RepositoryEncryption, TagMutability } from 'aws-cdk-lib/aws-ecr';
import { OidcProviderNative, PolicyStatement, Role, WebIdentityPrincipal } from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';

/** The name of the image's repository in ECR. */
export const REPOSITORY = 'scoreboard-api';
const GITHUB = 'token.actions.githubusercontent.com';
/** The default qualifier in the role names of `cdk bootstrap`. */
const BOOTSTRAP = 'cdk-hnb659fds';

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
      lifecycleRules: [{ maxImageCount: 100, description: 'Enough to roll back to' }],
      removalPolicy: RemovalPolicy.RETAIN,
    });
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
