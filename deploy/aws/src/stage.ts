import { RemovalPolicy } from 'aws-cdk-lib';
import { InstanceClass, InstanceSize, InstanceType } from 'aws-cdk-lib/aws-ec2';
import { RetentionDays } from 'aws-cdk-lib/aws-logs';

export const STAGES = ['production', 'simple', 'staging'] as const;

/** Size and protection of a stage. */
export interface Stage {
  readonly name: (typeof STAGES)[number];
  /** Used in the names of the log group (`/ecs/<service name>`), the alarms and the namespace of the metrics. */
  readonly serviceName: string;
  /** Without one, tasks have public addresses, at which only the load balancer reaches them. */
  readonly natGateways: number;
  readonly task: {
    /** In 1/1024 of a vCPU. */
    readonly cpu: number;
    readonly memoryMiB: number;
    readonly minimum: number;
    readonly maximum: number;
  };
  readonly database: {
    readonly instanceType: InstanceType;
    readonly storageGiB: number;
    readonly maxConnections: number;
    readonly backupDays: number;
    /** A standby in the other zone, and a read replica. */
    readonly replicated: boolean;
  };
  /** Without it, the service does everything with PostgreSQL. */
  readonly cache?: {
    readonly nodeType: string;
    readonly shards: number;
    readonly replicasPerShard: number;
    readonly backupDays: number;
  };
  readonly logRetention: RetentionDays;
  /** Whether database, secrets and logs are kept when the stack is deleted. */
  readonly removalPolicy: RemovalPolicy;
}

/** "Production (Recommended)" of the deployment specification. Fargate has no less than 4 GB for 2 vCPU. */
export const PRODUCTION: Stage = {
  name: 'production',
  serviceName: 'scoreboard-api',
  natGateways: 2,
  task: { cpu: 2048, memoryMiB: 4096, minimum: 2, maximum: 10 },
  database: {
    instanceType: InstanceType.of(InstanceClass.M7G, InstanceSize.LARGE),
    storageGiB: 100,
    maxConnections: 640,
    backupDays: 14,
    replicated: true,
  },
  // 1.37 GiB a node, of which Redis may use three quarters.
  cache: { nodeType: 'cache.t4g.small', shards: 2, replicasPerShard: 1, backupDays: 7 },
  logRetention: RetentionDays.ONE_YEAR,
  removalPolicy: RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
};

/** "Simplified Production (< 1,000 concurrent users)": one or two tasks, one PostgreSQL, no Redis. */
export const SIMPLE: Stage = {
  name: 'simple',
  serviceName: 'scoreboard-api-simple',
  natGateways: 0,
  task: { cpu: 1024, memoryMiB: 2048, minimum: 1, maximum: 2 },
  database: {
    instanceType: InstanceType.of(InstanceClass.T4G, InstanceSize.LARGE),
    storageGiB: 50,
    maxConnections: 200,
    backupDays: 14,
    replicated: false,
  },
  logRetention: RetentionDays.THREE_MONTHS,
  removalPolicy: RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
};

/** "Minimum (Development/Staging)", rounded up to the sizes that AWS offers: 2 GB for one vCPU, 20 GB of storage, 0.5 GB of Redis. */
export const STAGING: Stage = {
  name: 'staging',
  serviceName: 'scoreboard-api-staging',
  natGateways: 1,
  task: { cpu: 1024, memoryMiB: 2048, minimum: 1, maximum: 2 },
  database: {
    instanceType: InstanceType.of(InstanceClass.T4G, InstanceSize.SMALL),
    storageGiB: 20,
    maxConnections: 100,
    backupDays: 1,
    replicated: false,
  },
  cache: { nodeType: 'cache.t4g.micro', shards: 1, replicasPerShard: 0, backupDays: 0 },
  logRetention: RetentionDays.ONE_MONTH,
  removalPolicy: RemovalPolicy.DESTROY,
};
