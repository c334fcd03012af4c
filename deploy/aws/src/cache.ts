import { Fn, SecretValue, Validations } from 'aws-cdk-lib';
import { type IConnectable, Port, SecurityGroup, type Vpc } from 'aws-cdk-lib/aws-ec2';
import { CfnParameterGroup, CfnReplicationGroup, CfnSubnetGroup } from 'aws-cdk-lib/aws-elasticache';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { Construct } from 'constructs';
import { except } from './exceptions.js';
import { SUBNETS } from './network.js';
import { OWN_KEY } from './secrets.js';
import type { Stage } from './stage.js';

interface CacheProps {
  readonly stage: Stage;
  readonly size: NonNullable<Stage['cache']>;
  readonly vpc: Vpc;
}

/**
 * Redis in cluster mode, over TLS, with a password. ElastiCache offers no append-only file with failover; replicas and daily
 * snapshots replace it, and boards can be rebuilt from PostgreSQL at any time.
 */
export class Cache extends Construct {
  /** Field `REDIS_URL`: address and password together, as the service reads them. */
  readonly login: Secret;
  /** The ids of the nodes, masters and replicas, as CloudWatch names them. */
  readonly nodes: readonly string[];
  readonly #securityGroup: SecurityGroup;

  constructor(scope: Construct, id: string, { stage, size, vpc }: CacheProps) {
    super(scope, id);
    const { nodeType, shards, replicasPerShard, backupDays } = size;
    this.#securityGroup = new SecurityGroup(this, 'SecurityGroup', {
      vpc,
      description: 'Redis',
      allowAllOutbound: false,
    });
    const password = new Secret(this, 'Password', {
      secretName: `${stage.serviceName}/redis/password`,
      // Letters and digits need no escaping in a URL.
      generateSecretString: { passwordLength: 64, excludePunctuation: true },
      removalPolicy: stage.removalPolicy,
    });
    const parameters = new CfnParameterGroup(this, 'Parameters', {
      cacheParameterGroupFamily: 'redis7',
      description: stage.serviceName,
      properties: { 'cluster-enabled': 'yes', 'maxmemory-policy': 'allkeys-lru' },
    });
    const subnets = new CfnSubnetGroup(this, 'Subnets', {
      description: stage.serviceName,
      subnetIds: vpc.selectSubnets(SUBNETS.data).subnetIds,
    });
    const cluster = new CfnReplicationGroup(this, 'Cluster', {
      replicationGroupDescription: stage.serviceName,
      engine: 'redis',
      engineVersion: '7.1',
      cacheNodeType: nodeType,
      cacheParameterGroupName: parameters.ref,
      cacheSubnetGroupName: subnets.ref,
      securityGroupIds: [this.#securityGroup.securityGroupId],
      numNodeGroups: shards,
      replicasPerNodeGroup: replicasPerShard,
      // Required for a cluster, even without a replica to fail over to.
      automaticFailoverEnabled: true,
      multiAzEnabled: replicasPerShard > 0,
      transitEncryptionEnabled: true,
      atRestEncryptionEnabled: true,
      authToken: password.secretValue.unsafeUnwrap(),
      snapshotRetentionLimit: backupDays,
      autoMinorVersionUpgrade: true,
    });
    const members = Array.from({ length: replicasPerShard + 1 }, (_, index) => index + 1);
    this.nodes = Array.from({ length: shards }, (_, index) => index + 1).flatMap((shard) =>
      members.map((member) => `${cluster.ref}-${padded(shard, 4)}-${padded(member, 3)}`),
    );
    // CloudFormation inserts the password when it creates the secret: neither template nor task definition contains it.
    const url = Fn.join('', [
      'rediss://:',
      password.secretValue.unsafeUnwrap(),
      '@',
      cluster.attrConfigurationEndPointAddress,
      ':6379',
    ]);
    this.login = new Secret(this, 'Login', {
      secretName: `${stage.serviceName}/redis/login`,
      secretObjectValue: { REDIS_URL: SecretValue.unsafePlainText(url) },
      removalPolicy: stage.removalPolicy,
    });
    for (const secret of [password, this.login]) {
      except(secret, { CKV_AWS_149: OWN_KEY });
      Validations.of(secret).acknowledge({
        id: 'AwsSolutions-SMG4',
        reason:
          'Redis holds nothing that PostgreSQL does not, in subnets of its own; a person replaces its password.',
      });
    }
    Validations.of(cluster).acknowledge({
      id: 'AwsSolutions-AEC5',
      reason: 'Another port hides nothing: only the security group of the service reaches this one.',
    });
    if (replicasPerShard === 0) {
      Validations.of(cluster).acknowledge({
        id: 'AwsSolutions-AEC4',
        reason: 'Staging may be without Redis for as long as a restart takes.',
      });
    }
  }

  /** Allows connections. */
  allowFrom(client: IConnectable): void {
    client.connections.allowTo(this.#securityGroup, Port.tcp(6379), 'Redis');
  }
}

const padded = (number: number, digits: number) => String(number).padStart(digits, '0');
