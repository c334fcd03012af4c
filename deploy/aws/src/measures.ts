import { Duration } from 'aws-cdk-lib';
import { type IMetric, MathExpression, Metric, Stats } from 'aws-cdk-lib/aws-cloudwatch';
import {
  type ApplicationLoadBalancer,
  type ApplicationTargetGroup,
  HttpCodeElb,
  HttpCodeTarget,
} from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import type { IDatabaseInstance } from 'aws-cdk-lib/aws-rds';
import { serviceMetric } from './metrics-agent.js';
import type { Stage } from './stage.js';

// The values that alarms compare: over one minute, and in per cent unless stated otherwise.

export const MINUTE = Duration.minutes(1);

/** Share of 5xx among the requests of the load balancer. 0 below six requests a minute. */
export function errorRate({ metrics }: ApplicationLoadBalancer): MathExpression {
  const sum = { statistic: Stats.SUM, period: MINUTE };
  return new MathExpression({
    expression: 'IF(requests > 6, 100 * (FILL(failed, 0) + FILL(unanswered, 0)) / requests, 0)',
    usingMetrics: {
      requests: metrics.requestCount(sum),
      failed: metrics.httpCodeTarget(HttpCodeTarget.TARGET_5XX_COUNT, sum),
      unanswered: metrics.httpCodeElb(HttpCodeElb.ELB_5XX_COUNT, sum),
    },
    label: '5xx, %',
    period: MINUTE,
  });
}

/** Share of instances that the load balancer cannot reach, or that cannot reach PostgreSQL or Redis; the larger of the two. */
export function unhealthyInstances(stage: Stage, { metrics }: ApplicationTargetGroup): MathExpression {
  const reaches = (check: string) => serviceMetric(stage, 'health_check_status', 'Average', { check });
  return new MathExpression({
    expression:
      '100 * MAX([FILL(unhealthy / (healthy + unhealthy), 0), 1 - FILL(database, 1), 1 - FILL(redis, 1)])',
    usingMetrics: {
      healthy: metrics.healthyHostCount({ statistic: Stats.MINIMUM, period: MINUTE }),
      unhealthy: metrics.unhealthyHostCount({ statistic: Stats.MAXIMUM, period: MINUTE }),
      database: reaches('database'),
      redis: reaches('redis'),
    },
    label: 'Unhealthy instances, %',
    period: MINUTE,
  });
}

/** Share of rejected action tokens. 0 below six tokens a minute. */
export function rejectedTokens(stage: Stage): MathExpression {
  const found = (result: string) => serviceMetric(stage, 'action_token_validations_total', 'Sum', { result });
  return new MathExpression({
    expression:
      'IF(valid + invalid + expired + replay > 6, 100 * (invalid + expired + replay) / (valid + invalid + expired + replay), 0)',
    usingMetrics: {
      valid: found('valid'),
      invalid: found('invalid'),
      expired: found('expired'),
      replay: found('replay'),
    },
    label: 'Rejected action tokens, %',
    period: MINUTE,
  });
}

/** One metric of the service in relation to another, on the instance where the ratio is highest. */
export function share(stage: Stage, part: string, whole: string): MathExpression {
  return new MathExpression({
    expression: '100 * part / whole',
    usingMetrics: {
      part: serviceMetric(stage, part, Stats.MAXIMUM),
      whole: serviceMetric(stage, whole, Stats.MINIMUM),
    },
    label: `${part}, % of ${whole}`,
    period: MINUTE,
  });
}

/**
 * How many times more boards would be opened in 15 minutes than are open, at the rate of this minute. An unused board stays
 * open for 15 minutes: above 1, boards are closed for lack of memory.
 */
export function openedToOpen(stage: Stage): MathExpression {
  const open = (state: string) => serviceMetric(stage, 'leaderboard_projections', Stats.SUM, { state });
  return new MathExpression({
    expression: 'IF(ready + loading > 0, 15 * opened / (ready + loading), 0)',
    usingMetrics: {
      opened: serviceMetric(stage, 'leaderboard_projections_opened_total', Stats.SUM),
      ready: open('ready'),
      loading: open('loading'),
    },
    label: 'Boards opened in 15 minutes, for each open board',
    period: MINUTE,
  });
}

/** The higher of a metric's values at primary and replica. */
export function ofDatabases(
  label: string,
  instances: readonly IDatabaseInstance[],
  metricOf: (instance: IDatabaseInstance) => IMetric,
): MathExpression {
  const usingMetrics = Object.fromEntries(
    instances.map((instance, index) => [`db${index}`, metricOf(instance)]),
  );
  return new MathExpression({
    expression: `MAX([${Object.keys(usingMetrics).join(', ')}])`,
    usingMetrics,
    label,
    period: MINUTE,
  });
}

/** By how many GiB the free storage of a database is below the last five. */
export function storageBelowFive(database: IDatabaseInstance): MathExpression {
  return new MathExpression({
    expression: '5 - free / 1024 / 1024 / 1024',
    usingMetrics: { free: database.metricFreeStorageSpace({ statistic: Stats.MINIMUM, period: MINUTE }) },
    label: 'GiB below the last five',
    period: MINUTE,
  });
}

/** The highest value of a metric among the nodes of Redis. Masters have no lag of replication, so what is missing is 0. */
export function ofNodes(nodes: readonly string[], metricName: string): MathExpression {
  const usingMetrics = Object.fromEntries(
    nodes.map((CacheClusterId, index) => [
      `node${index}`,
      new Metric({
        namespace: 'AWS/ElastiCache',
        metricName,
        dimensionsMap: { CacheClusterId },
        statistic: Stats.MAXIMUM,
        period: MINUTE,
      }),
    ]),
  );
  const values = Object.keys(usingMetrics).map((name) => `FILL(${name}, 0)`);
  return new MathExpression({
    expression: `MAX([${values.join(', ')}])`,
    usingMetrics,
    label: `${metricName}, on the highest node`,
    period: MINUTE,
  });
}
