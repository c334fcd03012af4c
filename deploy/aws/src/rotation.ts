import { Duration, Validations } from 'aws-cdk-lib';
import type { Vpc } from 'aws-cdk-lib/aws-ec2';
import type { FargateService } from 'aws-cdk-lib/aws-ecs';
import { type IRuleTarget, Rule } from 'aws-cdk-lib/aws-events';
import { SfnStateMachine, SnsTopic } from 'aws-cdk-lib/aws-events-targets';
import { type ISecret, SecretRotation, SecretRotationApplication } from 'aws-cdk-lib/aws-secretsmanager';
import { DefinitionBody, LogLevel, StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import { CallAwsService } from 'aws-cdk-lib/aws-stepfunctions-tasks';
import { Construct } from 'constructs';
import type { Alarms } from './alarms.js';
import type { Database } from './database.js';
import type { Logs } from './logs.js';
import type { Migrations } from './migrations.js';
import { SUBNETS } from './network.js';
import type { Runtime } from './runtime.js';
import type { Stage } from './stage.js';

const QUARTER = Duration.days(90);
interface RotationProps {
  readonly stage: Stage;
  readonly logs: Logs;
  readonly vpc: Vpc;
  readonly runtime: Runtime;
  readonly database: Database;
  readonly migrations: Migrations;
  readonly service: FargateService;
  /** Notified when a rotation fails. */
  readonly alarms: Alarms;
}

/**
 * Rotates the credentials of the database four times a year. The service's alternate between two logins: running tasks keep
 * using the old one, which is valid until the next rotation, until new tasks with the new one have replaced them.
 */
export class Rotation extends Construct {
  constructor(scope: Construct, id: string, props: RotationProps) {
    super(scope, id);
    const { administrator, login } = props.database;
    this.#rotate('Administrator', props, {
      application: SecretRotationApplication.POSTGRES_ROTATION_SINGLE_USER,
      secret: administrator,
    });
    this.#rotate('Login', props, {
      application: SecretRotationApplication.POSTGRES_ROTATION_MULTI_USER,
      secret: login,
      masterSecret: administrator,
    });
    this.#replaceTasks(props);
    this.#on('RotationFailed', [administrator, login], new SnsTopic(props.alarms.topic));
  }

  #rotate(
    id: string,
    { vpc, runtime, database, migrations }: RotationProps,
    what: Pick<ConstructorParameters<typeof SecretRotation>[2], 'application' | 'secret' | 'masterSecret'>,
  ): void {
    const rotation = new SecretRotation(this, id, {
      ...what,
      target: database.primary,
      vpc,
      vpcSubnets: SUBNETS.service,
      securityGroup: runtime.securityGroup,
      automaticallyAfter: QUARTER,
      // Not while the migrations use the login that it would replace.
      rotateImmediatelyOnUpdate: false,
    });
    // The migrations create the login that is rotated.
    rotation.node.addDependency(migrations);
  }

  /** Replaces the tasks, because they read secrets only when they start. */
  #replaceTasks({ stage, logs, service, database }: RotationProps): void {
    const machine = new StateMachine(this, 'NewTasks', {
      definitionBody: DefinitionBody.fromChainable(
        new CallAwsService(this, 'ForceNewDeployment', {
          service: 'ecs',
          action: 'updateService',
          parameters: {
            Cluster: service.cluster.clusterArn,
            Service: service.serviceArn,
            ForceNewDeployment: true,
          },
          iamResources: [service.serviceArn],
        }),
      ),
      tracingEnabled: true,
      logs: {
        destination: logs.group('Rotation', `/aws/vendedlogs/states/${stage.serviceName}-rotation`),
        level: LogLevel.ALL,
      },
    });
    Validations.of(machine).acknowledge({
      id: 'AwsSolutions-IAM5[Resource::*]',
      reason: 'To deliver logs and traces takes actions that know no resources.',
    });
    this.#on('RotationSucceeded', [database.login], new SfnStateMachine(machine));
  }

  /** Secrets Manager reports the result of a rotation to CloudTrail. */
  #on(eventName: string, secrets: readonly ISecret[], target: IRuleTarget): void {
    new Rule(this, eventName, {
      eventPattern: {
        source: ['aws.secretsmanager'],
        detailType: ['AWS Service Event via CloudTrail'],
        detail: {
          eventName: [eventName],
          additionalEventData: { SecretId: secrets.map(({ secretArn }) => secretArn) },
        },
      },
      targets: [target],
    });
  }
}
