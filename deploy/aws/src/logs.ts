import { Duration, Stack } from 'aws-cdk-lib';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { CfnQueryDefinition, LogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { QUERIES } from './queries.js';
import type { Stage } from './stage.js';

/** All log groups, encrypted with one key, and their saved queries. */
export class Logs extends Construct {
  readonly key: Key;
  /** `/ecs/<service name>`: the log of the service. */
  readonly service: LogGroup;
  readonly #stage: Stage;

  constructor(scope: Construct, id: string, stage: Stage) {
    super(scope, id);
    this.#stage = stage;
    this.key = new Key(this, 'Key', {
      description: `Logs and alarms of ${stage.serviceName}`,
      enableKeyRotation: true,
      rotationPeriod: Duration.days(365),
      removalPolicy: stage.removalPolicy,
    });
    this.#letWriteLogs();
    this.service = this.group('Service', `/ecs/${stage.serviceName}`);
    for (const [name, queryString] of Object.entries(QUERIES)) {
      new CfnQueryDefinition(this, name.replaceAll(' ', ''), {
        name: `${stage.serviceName}/${name}`,
        queryString,
        logGroupNames: [this.service.logGroupName],
      });
    }
  }

  /** An encrypted log group with the retention of the stage. */
  group(id: string, logGroupName: string): LogGroup {
    return new LogGroup(this, id, {
      logGroupName,
      encryptionKey: this.key,
      retention: this.#stage.logRetention,
      removalPolicy: this.#stage.removalPolicy,
    });
  }

  /** CloudWatch Logs may use the key only for log groups of this account. */
  #letWriteLogs(): void {
    const { partition, region, account } = Stack.of(this);
    this.key.addToResourcePolicy(
      new PolicyStatement({
        principals: [new ServicePrincipal(`logs.${region}.amazonaws.com`)],
        actions: ['kms:Encrypt', 'kms:Decrypt', 'kms:ReEncrypt*', 'kms:GenerateDataKey*', 'kms:DescribeKey'],
        resources: ['*'],
        conditions: {
          ArnLike: {
            'kms:EncryptionContext:aws:logs:arn': `arn:${partition}:logs:${region}:${account}:log-group:*`,
          },
        },
      }),
    );
  }
}
