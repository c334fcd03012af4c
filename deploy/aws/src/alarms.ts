import {
  Alarm,
  ComparisonOperator,
  type IMetric,
  MathExpression,
  Stats,
  TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type { ApplicationLoadBalancer, ApplicationTargetGroup } from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { FilterPattern, type IFilterPattern } from 'aws-cdk-lib/aws-logs';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { Construct } from 'constructs';
import type { Cache } from './cache.js';
import type { Database } from './database.js';
import type { Logs } from './logs.js';
import {
  errorRate,
  MINUTE,
  ofDatabases,
  ofNodes,
  openedToOpen,
  rejectedTokens,
  share,
  storageBelowFive,
  unhealthyInstances,
} from './measures.js';
import { serviceMetric } from './metrics-agent.js';
import type { Stage } from './stage.js';

const HERE = 'deploy/aws/README.md#alarms';

interface AlarmsProps {
  readonly stage: Stage;
  readonly logs: Logs;
  readonly balancer: ApplicationLoadBalancer;
  readonly targets: ApplicationTargetGroup;
  readonly database: Database;
  /** Undefined if the stage has no Redis. */
  readonly cache: Cache | undefined;
  readonly email: string | undefined;
}

interface Condition {
  readonly metric: IMetric;
  /** The alarm is raised above this value. */
  readonly above: number;
  /** Number of consecutive minutes. */
  readonly minutes: number;
  readonly description: string;
  /** The document that says what to do, if not the runbook. */
  readonly see?: string;
  /** Treatment of missing data. By default it raises no alarm: most metrics are missing only while nothing happens. */
  readonly missing?: TreatMissingData;
}

/**
 * The alarms of the deployment specification, and those of `deploy/prometheus/alerts.yml` under the same names. Requests are
 * measured at the load balancer, events in the log, everything else by the service's own metrics.
 */
export class Alarms extends Construct {
  /** Each of them rolls a deployment back. */
  readonly rollback: readonly Alarm[];
  readonly topic: Topic;
  readonly #props: AlarmsProps;

  constructor(scope: Construct, id: string, props: AlarmsProps) {
    super(scope, id);
    this.#props = props;
    this.topic = this.#makeTopic();
    const errors = errorRate(props.balancer);
    const latency = props.balancer.metrics.targetResponseTime({ statistic: Stats.p(99), period: MINUTE });

    this.rollback = [
      this.#alarm('ErrorRateCritical', {
        metric: errors,
        above: 5,
        minutes: 5,
        description: 'More than 5 % of the requests fail: page. During a deployment: roll back.',
      }),
      this.#alarm('LatencyCritical', {
        metric: latency,
        above: 2,
        minutes: 5,
        description: 'The 99th percentile is above 2 s: page. During a deployment: roll back.',
      }),
      this.#alarm('InstancesUnhealthy', {
        metric: unhealthyInstances(props.stage, props.targets),
        above: 10,
        minutes: 2,
        description:
          'More than 10 % of the instances fail their checks: page. During a deployment: roll back.',
      }),
    ];
    this.#requests(errors, latency);
    this.#events();
    this.#instances();
    this.#databases();
    if (props.cache !== undefined) this.#redis(props.cache);
  }

  #requests(errors: IMetric, latency: IMetric): void {
    this.#alarm('ErrorRateHigh', {
      metric: errors,
      above: 1,
      minutes: 5,
      description: 'More than 1 % of the requests are answered with a 5xx.',
    });
    this.#alarm('LatencyHigh', {
      metric: latency,
      above: 1,
      minutes: 5,
      description: 'The 99th percentile is above 1 s.',
    });
  }

  #events(): void {
    this.#alarm('ErrorLogs', {
      metric: this.#count('ErrorLogs', FilterPattern.stringValue('$.level', '=', 'error')),
      above: 10,
      minutes: 1,
      description: 'More than 10 error lines a minute.',
      see: HERE,
    });
    this.#alarm('ActionTokenRejections', {
      metric: this.#count(
        'ActionTokenRejections',
        FilterPattern.stringValue('$.message', '=', 'Action token rejected'),
      ),
      above: 100,
      minutes: 1,
      description: 'More than 100 action tokens rejected a minute: investigate abuse.',
      see: HERE,
    });
    this.#alarm('ActionTokensRejected', {
      metric: rejectedTokens(this.#props.stage),
      above: 5,
      minutes: 5,
      description: 'More than 5 % of the action tokens are rejected: potential abuse.',
    });
  }

  #instances(): void {
    const { stage, targets } = this.#props;
    this.#alarm('NoInstances', {
      metric: new MathExpression({
        expression: 'IF(healthy < 1, 1, 0)',
        usingMetrics: {
          healthy: targets.metrics.healthyHostCount({ statistic: Stats.MAXIMUM, period: MINUTE }),
        },
        label: 'No instance is healthy',
        period: MINUTE,
      }),
      above: 0,
      minutes: 5,
      missing: TreatMissingData.BREACHING,
      description: 'No instance answers: page.',
    });
    this.#alarm('StreamsNearCapacity', {
      metric: share(stage, 'sse_connections_active', 'sse_connections_capacity'),
      above: 80,
      minutes: 1,
      description: 'An instance has more than 80 % of its maximum number of streams: scale.',
    });
    this.#alarm('LedgerQueueFilling', {
      metric: share(stage, 'score_ledger_queue_depth', 'score_ledger_queue_capacity'),
      above: 80,
      minutes: 1,
      description: 'Scores arrive faster than PostgreSQL writes them.',
    });
    this.#alarm('LeaderboardNotReady', {
      metric: serviceMetric(stage, 'leaderboard_projection_loading_seconds', Stats.MAXIMUM),
      above: 300,
      minutes: 1,
      description: 'A leaderboard has been loading for five minutes.',
    });
    this.#alarm('ProjectionMemoryLow', {
      metric: openedToOpen(stage),
      above: 2,
      minutes: 15,
      description: 'Boards are closed for lack of memory before they are idle.',
    });
    this.#alarm('LeaderboardDrift', {
      metric: serviceMetric(stage, 'redis_leaderboard_sync_drift', Stats.MAXIMUM),
      above: 0,
      minutes: 15,
      description: 'Boards in Redis differ from PostgreSQL, repeatedly.',
    });
    const jobs = (state: string) => serviceMetric(stage, 'background_jobs', Stats.MAXIMUM, { state });
    this.#alarm('JobsFailing', {
      metric: new MathExpression({
        expression: 'retrying + failed',
        usingMetrics: { retrying: jobs('retrying'), failed: jobs('failed') },
        label: 'Background jobs that fail',
        period: MINUTE,
      }),
      above: 0,
      minutes: 15,
      description: 'A background job fails again and again.',
    });
    this.#alarm('WebhooksUndelivered', {
      metric: new MathExpression({
        expression: 'DIFF(dead)',
        usingMetrics: { dead: serviceMetric(stage, 'webhook_deliveries', Stats.MAXIMUM, { state: 'dead' }) },
        label: 'Events for webhooks that were given up in this minute',
        period: MINUTE,
      }),
      above: 0,
      minutes: 1,
      description: 'Events for webhooks are given up.',
    });
    const faults = (fault: string) => serviceMetric(stage, 'season_faults', Stats.MAXIMUM, { fault });
    this.#alarm('SeasonsFailing', {
      metric: new MathExpression({
        expression: 'unplanned + overdue',
        usingMetrics: { unplanned: faults('unplanned'), overdue: faults('overdue') },
        label: 'Leaderboards whose seasons fail',
        period: MINUTE,
      }),
      above: 0,
      minutes: 5,
      description: 'A leaderboard has no season to come, or its season was not begun or ended.',
    });
    const large = (table: string) =>
      serviceMetric(stage, 'database_default_partition_bytes', Stats.MAXIMUM, { table });
    this.#alarm('DefaultPartitionLarge', {
      metric: new MathExpression({
        expression: 'MAX([events, tokens]) / 1048576',
        usingMetrics: { events: large('score_events'), tokens: large('consumed_tokens') },
        label: 'MB of the largest default partition',
        period: MINUTE,
      }),
      above: 32,
      minutes: 15,
      description: 'Scores or tokens go into the default partition, and above 64 MB no others are made.',
    });
  }

  #databases(): void {
    const { stage, database } = this.#props;
    const { primary, replica } = database;
    const instances = replica === undefined ? [primary] : [primary, replica];
    this.#alarm('DatabaseStorageLow', {
      metric: storageBelowFive(primary),
      above: 0,
      minutes: 5,
      description: 'PostgreSQL has less than 5 GiB of storage left, and it was not enlarged automatically.',
      see: HERE,
    });
    this.#alarm('DatabaseCpuHigh', {
      metric: ofDatabases('CPU of PostgreSQL, %', instances, (instance) =>
        instance.metricCPUUtilization({ statistic: Stats.AVERAGE, period: MINUTE }),
      ),
      above: 80,
      minutes: 10,
      description: 'A server of PostgreSQL uses more than 80 % of its CPU.',
      see: HERE,
    });
    this.#alarm('DatabaseConnectionsHigh', {
      metric: ofDatabases('Connections of PostgreSQL', instances, (instance) =>
        instance.metricDatabaseConnections({ statistic: Stats.MAXIMUM, period: MINUTE }),
      ),
      above: stage.database.maxConnections * 0.8,
      minutes: 5,
      description: `More than 80 % of the ${stage.database.maxConnections} connections of PostgreSQL are taken.`,
      see: HERE,
    });
    if (replica === undefined) return;
    this.#alarm('ReplicaStorageLow', {
      metric: storageBelowFive(replica),
      above: 0,
      minutes: 5,
      description: 'The replica has less than 5 GiB of storage left, and it was not enlarged automatically.',
      see: HERE,
    });
    // Measured by the service. RDS takes the age of the last transaction, which on an idle primary is up to five minutes.
    this.#alarm('ReplicaLagging', {
      metric: serviceMetric(stage, 'database_replica_lag_seconds', Stats.MAXIMUM),
      above: 30,
      minutes: 5,
      description:
        'The replica is more than 30 s behind, or nobody knows how far; the primary is read instead.',
    });
  }

  #redis({ nodes }: Cache): void {
    this.#alarm('RedisMemoryHigh', {
      metric: ofNodes(nodes, 'DatabaseMemoryUsagePercentage'),
      above: 80,
      minutes: 5,
      description: 'A node of Redis uses more than 80 % of its memory.',
      see: HERE,
    });
    this.#alarm('RedisEvictions', {
      metric: ofNodes(nodes, 'Evictions'),
      above: 0,
      minutes: 5,
      description: 'Redis evicts keys, each a whole board, for lack of memory.',
      see: HERE,
    });
    if (this.#props.stage.cache?.replicasPerShard === 0) return;
    this.#alarm('RedisReplicationLagging', {
      metric: ofNodes(nodes, 'ReplicationLag'),
      above: 10,
      minutes: 5,
      description: 'A replica of Redis is more than 10 s behind its master.',
      see: HERE,
    });
  }

  /** Number of lines a minute in the service's log that match a pattern. */
  #count(name: string, filterPattern: IFilterPattern): IMetric {
    const { stage, logs } = this.#props;
    return logs.service
      .addMetricFilter(name, {
        metricName: name,
        metricNamespace: stage.serviceName,
        filterPattern,
        defaultValue: 0,
      })
      .metric({ statistic: Stats.SUM, period: MINUTE });
  }

  #alarm(name: string, { metric, above, minutes, description, see, missing }: Condition): Alarm {
    const alarm = new Alarm(this, name, {
      alarmName: `${this.#props.stage.serviceName}-${name}`,
      alarmDescription: `${description} See ${see ?? `docs/operations.md#${name.toLowerCase()}`}.`,
      metric,
      threshold: above,
      comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
      evaluationPeriods: minutes,
      treatMissingData: missing ?? TreatMissingData.NOT_BREACHING,
    });
    alarm.addAlarmAction(new SnsAction(this.topic));
    alarm.addOkAction(new SnsAction(this.topic));
    return alarm;
  }

  #makeTopic(): Topic {
    const { stage, logs, email } = this.#props;
    logs.key.addToResourcePolicy(
      new PolicyStatement({
        principals: ['cloudwatch', 'events'].map((name) => new ServicePrincipal(`${name}.amazonaws.com`)),
        actions: ['kms:Decrypt', 'kms:GenerateDataKey*'],
        resources: ['*'],
      }),
    );
    const topic = new Topic(this, 'Topic', {
      topicName: `${stage.serviceName}-alarms`,
      masterKey: logs.key,
      enforceSSL: true,
    });
    if (email !== undefined) topic.addSubscription(new EmailSubscription(email));
    return topic;
  }
}
