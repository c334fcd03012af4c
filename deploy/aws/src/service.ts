import { Duration } from 'aws-cdk-lib';
import type { Alarm } from 'aws-cdk-lib/aws-cloudwatch';
import { AlarmBehavior, FargatePlatformVersion, FargateService, Secret } from 'aws-cdk-lib/aws-ecs';
import { Construct } from 'constructs';
import type { Cache } from './cache.js';
import type { Database } from './database.js';
import type { LoadBalancer } from './load-balancer.js';
import type { Logs } from './logs.js';
import { addMetricsAgent, serviceMetric } from './metrics-agent.js';
import { SUBNETS } from './network.js';
import { CERTIFICATES, type Runtime } from './runtime.js';
import type { SigningSecrets } from './secrets.js';
import type { Settings } from './settings.js';
import type { Stage } from './stage.js';
import { type Environment, variablesOf, withVariables } from './variables.js';

const VCPU = 1_024;
/** Maximum streams of one task. It rejects more, so scaling must start another task before. */
const STREAMS_CAPACITY = 10_000;
/** The part of a task's memory that open boards may take. Their objects count towards the heap, which may be half of it. */
const PROJECTION_SHARE = 1 / 8;
/** The service closes within 28 s of SIGTERM. */
const STOP_WITHIN = Duration.seconds(35);

interface ServiceProps {
  readonly stage: Stage;
  readonly settings: Settings;
  readonly logs: Logs;
  readonly runtime: Runtime;
  readonly database: Database;
  /** Undefined if the stage has no Redis. */
  readonly cache: Cache | undefined;
  readonly secrets: SigningSecrets;
  readonly loadBalancer: LoadBalancer;
  /** The port of the service. */
  readonly port: number;
  /** CIDR ranges of the load balancer. */
  readonly proxies: readonly string[];
  /** During a deployment each of them rolls back to the previous version. */
  readonly rollbackAlarms: readonly Alarm[];
}

/** scoreboard-api itself: the number of tasks follows the load, and they are replaced without an interruption. */
export class Service extends Construct {
  readonly fargate: FargateService;

  constructor(scope: Construct, id: string, props: ServiceProps) {
    super(scope, id);
    const { stage, settings, logs, runtime, loadBalancer, port, rollbackAlarms } = props;
    const streams = Number(
      variablesOf(stage, settings.variables).get('SSE_MAX_CONNECTIONS') || STREAMS_CAPACITY,
    );
    const task = runtime.task('Service', stage.task);
    const api = task.run('api', {
      ...withVariables(this, stage, settings.variables, defaultsOf(props)),
      port,
      stopTimeout: STOP_WITHIN,
    });
    addMetricsAgent(task, { stage, logs, port });
    this.fargate = new FargateService(this, 'Service', {
      cluster: runtime.cluster,
      taskDefinition: task,
      platformVersion: FargatePlatformVersion.LATEST,
      minHealthyPercent: 100,
      maxHealthyPercent: 200,
      vpcSubnets: SUBNETS.service,
      securityGroups: [runtime.securityGroup],
      assignPublicIp: stage.natGateways === 0,
      // Covers downloading certificates, waiting for migrations of another task, and loading boards.
      healthCheckGracePeriod: Duration.minutes(2),
      circuitBreaker: { enable: true, rollback: true },
      deploymentAlarms: {
        alarmNames: rollbackAlarms.map(({ alarmName }) => alarmName),
        behavior: AlarmBehavior.ROLLBACK_ON_ALARM,
      },
    });
    loadBalancer.targets.addTarget(
      this.fargate.loadBalancerTarget({ containerName: api.containerName, containerPort: port }),
    );
    const scaling = this.fargate.autoScaleTaskCount({
      minCapacity: stage.task.minimum,
      maxCapacity: stage.task.maximum,
    });
    scaling.scaleOnCpuUtilization('Cpu', { targetUtilizationPercent: 60 });
    scaling.scaleToTrackCustomMetric('Streams', {
      metric: serviceMetric(stage, 'sse_connections_active', 'Average'),
      targetValue: streams / 2,
      // Slow, because the streams of a removed task reconnect to the others.
      scaleInCooldown: Duration.minutes(10),
    });
  }
}

const defaultsOf = (props: ServiceProps): Environment => ({
  environment: environmentOf(props),
  secrets: secretsOf(props),
});

function environmentOf(props: ServiceProps): Record<string, string> {
  const { stage, settings, database, cache, port, proxies } = props;
  const replica = database.replicaUrl(CERTIFICATES);
  return {
    NODE_ENV: 'production',
    // A process uses one processor: a task of two would never be busy enough to be scaled by its CPU.
    WORKERS: String(stage.task.cpu / VCPU),
    PORT: String(port),
    DATABASE_URL: database.url(CERTIFICATES),
    ...(replica !== undefined && { DATABASE_REPLICA_URL: replica }),
    REDIS_MODE: cache === undefined ? 'off' : 'cluster',
    PROJECTION_MEMORY_MB: String(stage.task.memoryMiB * PROJECTION_SHARE),
    SSE_MAX_CONNECTIONS: String(STREAMS_CAPACITY),
    TRUST_PROXY: proxies.join(','),
    ...(settings.corsOrigins !== undefined && { CORS_ORIGINS: settings.corsOrigins }),
  };
}

function secretsOf({ database, cache, secrets }: ServiceProps): Record<string, Secret> {
  const { jwt, actionToken } = secrets;
  return {
    ...database.loginOfService(),
    ...(cache !== undefined && { REDIS_URL: Secret.fromSecretsManager(cache.login, 'REDIS_URL') }),
    JWT_SECRET: Secret.fromSecretsManager(jwt, 'JWT_SECRET'),
    JWT_SECRET_PREVIOUS: Secret.fromSecretsManager(jwt, 'JWT_SECRET_PREVIOUS'),
    ACTION_TOKEN_SECRET: Secret.fromSecretsManager(actionToken, 'ACTION_TOKEN_SECRET'),
    ACTION_TOKEN_SECRET_PREVIOUS: Secret.fromSecretsManager(actionToken, 'ACTION_TOKEN_SECRET_PREVIOUS'),
  };
}
