import { Validations } from 'aws-cdk-lib';
import type { FargateService } from 'aws-cdk-lib/aws-ecs';
import { Rule } from 'aws-cdk-lib/aws-events';
import { SfnStateMachine } from 'aws-cdk-lib/aws-events-targets';
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager';
import { DefinitionBody, LogLevel, StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import { CallAwsService } from 'aws-cdk-lib/aws-stepfunctions-tasks';
import { Construct } from 'constructs';
import type { Logs } from './logs.js';
import type { Stage } from './stage.js';

interface RestartProps {
  readonly stage: Stage;
  readonly logs: Logs;
  readonly service: FargateService;
  /** Read when a task starts. */
  readonly secret: ISecret;
}

/** Replaces the tasks, one after the other, when their secret was rotated: they know only what it was when they started. */
export class RestartAfterRotation extends Construct {
  constructor(scope: Construct, id: string, { stage, logs, service, secret }: RestartProps) {
    super(scope, id);
    const restart = new CallAwsService(this, 'NewTasks', {
      service: 'ecs',
      action: 'updateService',
      parameters: {
        Cluster: service.cluster.clusterArn,
        Service: service.serviceArn,
        ForceNewDeployment: true,
      },
      iamResources: [service.serviceArn],
    });
    const machine = new StateMachine(this, 'Machine', {
      definitionBody: DefinitionBody.fromChainable(restart),
      tracingEnabled: true,
      logs: {
        destination: logs.group('Restart', `/aws/vendedlogs/states/${stage.serviceName}-restart`),
        level: LogLevel.ALL,
      },
    });
    Validations.of(machine).acknowledge({
      id: 'AwsSolutions-IAM5[Resource::*]',
      reason: 'To deliver logs and traces takes actions that know no resources.',
    });
    new Rule(this, 'Rotated', {
      eventPattern: {
        source: ['aws.secretsmanager'],
        detailType: ['AWS Service Event via CloudTrail'],
        detail: {
          eventName: ['RotationSucceeded'],
          additionalEventData: { SecretId: [secret.secretArn] },
        },
      },
      targets: [new SfnStateMachine(machine)],
    });
  }
}
