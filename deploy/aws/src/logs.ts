import { Duration, Stack } from 'aws-cdk-lib';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { CfnQueryDefinition, LogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { QUERIES } from './queries.js';
import type { Stage } from './stage.js';

/** Everything that is written down: log groups under one key, and the queries for them. */
export class Logs extends Construct {
  readonly key: Key;
  /** `/ecs/<service name>`: what the service says. */
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

  /** A log group, encrypted, and kept as long as the stage says. */
  group(id: string, logGroupName: string): LogGroup {
    return new LogGroup(this, id, {
      logGroupName,
      encryptionKey: this.key,
      retention: this.#stage.logRetention,
      removalPolicy: this.#stage.removalPolicy,
    });
  }

  /** CloudWatch Logs uses the key for log groups of this account, and for nothing else. */
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
