import { readFileSync } from 'node:fs';
import { CustomResource, Duration, Validations } from 'aws-cdk-lib';
import type { Vpc } from 'aws-cdk-lib/aws-ec2';
import { Secret } from 'aws-cdk-lib/aws-ecs';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Code, Function as Lambda, Runtime as Language } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import type { Database } from './database.js';
import { except } from './exceptions.js';
import type { Logs } from './logs.js';
import { SUBNETS } from './network.js';
import { CERTIFICATES, type Runtime, script } from './runtime.js';
import type { Stage } from './stage.js';
import { type Assignment, withVariables } from './variables.js';

/** The variables of the service that decide where its tables are. */
const CONNECTION = ['DATABASE_URL', 'DATABASE_DIRECT_URL'];

interface MigrationsProps {
  readonly stage: Stage;
  readonly logs: Logs;
  readonly vpc: Vpc;
  readonly runtime: Runtime;
  readonly database: Database;
  readonly variables: readonly Assignment[];
}

/** Runs the migrations of the new image, once, as a step of the deployment. If they fail, the service is not changed. */
export class Migrations extends Construct {
  /** To run by hand, too. */
  readonly taskDefinitionArn: string;

  constructor(
    scope: Construct,
    id: string,
    { stage, logs, vpc, runtime, database, variables }: MigrationsProps,
  ) {
    super(scope, id);
    const task = runtime.task('Migrations', { cpu: 256, memoryMiB: 512 });
    this.taskDefinitionArn = task.taskDefinitionArn;
    const { administrator, login } = database;
    const prepare = task.run('prepare', {
      node: script('prepare-database.mjs'),
      essential: false,
      environment: { DATABASE_URL: database.url(CERTIFICATES, 'administrator'), OWNER: database.owner },
      secrets: {
        PGUSER: Secret.fromSecretsManager(administrator, 'username'),
        PGPASSWORD: Secret.fromSecretsManager(administrator, 'password'),
        OWNER_PASSWORD: Secret.fromSecretsManager(login, 'password'),
      },
    });
    const migrate = task.run('migrate', {
      node: ['dist/scripts/migrate.js'],
      after: prepare,
      ...withVariables(
        this,
        stage,
        variables.filter(({ name }) => CONNECTION.includes(name)),
        {
          environment: { NODE_ENV: 'production', DATABASE_URL: database.url(CERTIFICATES) },
          secrets: database.loginOfService(),
        },
      ),
    });

    const run = this.#lambda(stage, logs);
    run.addToRolePolicy(
      new PolicyStatement({ actions: ['ecs:RunTask'], resources: [task.taskDefinitionArn] }),
    );
    run.addToRolePolicy(
      new PolicyStatement({
        actions: ['ecs:DescribeTasks'],
        resources: ['*'],
        conditions: { ArnEquals: { 'ecs:cluster': runtime.cluster.clusterArn } },
      }),
    );
    run.addToRolePolicy(
      new PolicyStatement({
        actions: ['iam:PassRole'],
        resources: [task.taskRole.roleArn, task.obtainExecutionRole().roleArn],
      }),
    );
    const resource = new CustomResource(this, 'Run', {
      resourceType: 'Custom::Migrations',
      serviceToken: run.functionArn,
      serviceTimeout: Duration.minutes(15),
      properties: {
        Cluster: runtime.cluster.clusterArn,
        TaskDefinition: task.taskDefinitionArn,
        Container: migrate.containerName,
        Subnets: vpc.selectSubnets(SUBNETS.service).subnetIds,
        SecurityGroup: runtime.securityGroup.securityGroupId,
        AssignPublicIp: stage.natGateways === 0 ? 'ENABLED' : 'DISABLED',
      },
    });
    // The task needs these, although its definition does not refer to them.
    resource.node.addDependency(vpc, task, runtime.securityGroup, database.primary, run);
  }

  #lambda(stage: Stage, logs: Logs): Lambda {
    const name = `${stage.serviceName}-run-task`;
    const lambda = new Lambda(this, 'RunTask', {
      functionName: name,
      description: 'Runs a task of ECS and waits for its end',
      runtime: Language.NODEJS_24_X,
      handler: 'index.handler',
      code: Code.fromInline(readFileSync(new URL('../../tasks/run-task.cjs', import.meta.url), 'utf8')),
      timeout: Duration.minutes(14),
      logGroup: logs.group('RunTask', `/aws/lambda/${name}`),
    });
    except(lambda, {
      CKV_AWS_115: 'CloudFormation calls it once for each deployment.',
      CKV_AWS_116: 'CloudFormation waits for its answer, and fails without one.',
      CKV_AWS_117: 'It talks to ECS and CloudFormation, and to nothing in the network.',
    });
    Validations.of(lambda).acknowledge(
      {
        id: 'AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole]',
        reason: 'Allows to write a log, and nothing else.',
      },
      {
        id: 'AwsSolutions-IAM5[Resource::*]',
        reason: 'A task has no ARN before it is started; the condition names its cluster.',
      },
    );
    return lambda;
  }
}
