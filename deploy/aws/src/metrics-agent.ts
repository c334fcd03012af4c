import { Duration } from 'aws-cdk-lib';
import { Metric } from 'aws-cdk-lib/aws-cloudwatch';
import { ContainerImage, type FargateTaskDefinition, LogDriver } from 'aws-cdk-lib/aws-ecs';
import type { Logs } from './logs.js';
import type { Stage } from './stage.js';

const IMAGE = 'public.ecr.aws/cloudwatch-agent/cloudwatch-agent:1.300066.1b1374';
const JOB = 'scoreboard-api';

/** The service's metrics (GET /metrics) that are sent to CloudWatch, with their labels. */
const EXPORTED: readonly { readonly names: readonly string[]; readonly label?: string }[] = [
  {
    names: [
      'sse_connections_active',
      'sse_connections_capacity',
      'score_ledger_queue_depth',
      'score_ledger_queue_capacity',
      'leaderboard_projection_loading_seconds',
      'leaderboard_projections_opened_total',
      'redis_leaderboard_sync_drift',
      'database_replica_lag_seconds',
    ],
  },
  { names: ['leaderboard_projections', 'background_jobs', 'webhook_deliveries'], label: 'state' },
  { names: ['season_faults'], label: 'fault' },
  { names: ['database_default_partition_bytes'], label: 'table' },
  { names: ['health_check_status'], label: 'check' },
  { names: ['action_token_validations_total'], label: 'result' },
];

/** A metric of the service in CloudWatch. Over several tasks, `Average` is the mean per task, `Maximum` the highest. */
export function serviceMetric(
  { serviceName }: Stage,
  metricName: string,
  statistic: string,
  labels: Record<string, string> = {},
): Metric {
  return new Metric({
    namespace: serviceName,
    metricName,
    statistic,
    dimensionsMap: { service: serviceName, ...labels },
    period: Duration.minutes(1),
  });
}

/** Adds a container that reads /metrics of its task once a minute. If it fails, the service continues without metrics. */
export function addMetricsAgent(
  task: FargateTaskDefinition,
  { stage, logs, port }: { readonly stage: Stage; readonly logs: Logs; readonly port: number },
): void {
  const { serviceName } = stage;
  const logGroup = logs.group('Metrics', `/ecs/${serviceName}/metrics`);
  const scrape = {
    global: { scrape_interval: '1m', scrape_timeout: '10s' },
    scrape_configs: [
      {
        job_name: JOB,
        static_configs: [{ targets: [`localhost:${port}`], labels: { service: serviceName } }],
      },
    ],
  };
  const agent = {
    logs: {
      metrics_collected: {
        prometheus: {
          log_group_name: logGroup.logGroupName,
          prometheus_config_path: 'env:PROMETHEUS_CONFIG_CONTENT',
          emf_processor: {
            metric_namespace: serviceName,
            metric_declaration: EXPORTED.map(({ names, label }) => ({
              source_labels: ['job'],
              label_matcher: `^${JOB}$`,
              dimensions: [['service', ...(label === undefined ? [] : [label])]],
              metric_selectors: names.map((name) => `^${name}$`),
            })),
          },
        },
      },
      force_flush_interval: 5,
    },
  };
  task.addContainer('metrics', {
    image: ContainerImage.fromRegistry(IMAGE),
    essential: false,
    // JSON is valid YAML.
    environment: {
      CW_CONFIG_CONTENT: JSON.stringify(agent),
      PROMETHEUS_CONFIG_CONTENT: JSON.stringify(scrape),
    },
    logging: LogDriver.awsLogs({ logGroup, streamPrefix: 'agent' }),
  });
  logGroup.grantWrite(task.taskRole);
}
