import { Duration, Validations } from 'aws-cdk-lib';
import type { IConnectable, Vpc } from 'aws-cdk-lib/aws-ec2';
import { Secret as TaskSecret } from 'aws-cdk-lib/aws-ecs';
import {
  Credentials,
  DatabaseInstance,
  DatabaseInstanceEngine,
  DatabaseInstanceReadReplica,
  DatabaseSecret,
  ParameterGroup,
  PostgresEngineVersion,
  StorageType,
} from 'aws-cdk-lib/aws-rds';
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager';
import { Construct } from 'constructs';
import { except } from './exceptions.js';
import type { Logs } from './logs.js';
import { SUBNETS } from './network.js';
import { OWN_KEY } from './secrets.js';
import type { Stage } from './stage.js';

const NAME = 'scoreboard';
/** The role that owns the schema. Both logins act as this role, so that each can use the tables the other creates. */
const OWNER = 'scoreboard';
/** Storage grows by itself up to this many times its size. */
const GROWTH = 5;
/**
 * PostgreSQL with standby, replica and backups, and its two secrets: the administrator's, which only the migrations use, and
 * the service's.
 */
export class Database extends Construct {
  readonly primary: DatabaseInstance;
  readonly administrator: ISecret;
  /** Fields `username` and `password`. */
  readonly login: ISecret;
  /** Undefined if the stage has none. */
  readonly replica: DatabaseInstanceReadReplica | undefined;

  constructor(
    scope: Construct,
    id: string,
    { stage, vpc, logs }: { readonly stage: Stage; readonly vpc: Vpc; readonly logs: Logs },
  ) {
    super(scope, id);
    const { instanceType, storageGiB, maxConnections, backupDays, replicated } = stage.database;
    const engine = DatabaseInstanceEngine.postgres({ version: PostgresEngineVersion.VER_18 });
    const common = {
      vpc,
      vpcSubnets: SUBNETS.data,
      publiclyAccessible: false,
      instanceType,
      storageType: StorageType.GP3,
      autoMinorVersionUpgrade: true,
      // The replica holds what the primary holds, so it must be able to grow as far.
      maxAllocatedStorage: storageGiB * GROWTH,
      deletionProtection: stage.name !== 'staging',
      removalPolicy: stage.removalPolicy,
      parameterGroup: new ParameterGroup(this, 'Parameters', {
        engine,
        parameters: {
          'rds.force_ssl': '1',
          log_connections: '1',
          log_disconnections: '1',
          max_connections: String(maxConnections),
        },
      }),
    };
    // RDS writes to log groups of these names. Created here, they are encrypted and have a retention.
    const exported = (identifier: string) =>
      logs.group(`Database-${identifier}`, `/aws/rds/instance/${identifier}/postgresql`);

    const secret = new DatabaseSecret(this, 'Administrator', {
      username: 'postgres',
      secretName: `${stage.serviceName}/database/administrator`,
    });
    this.primary = new DatabaseInstance(this, 'Primary', {
      ...common,
      engine,
      instanceIdentifier: stage.serviceName,
      databaseName: NAME,
      credentials: Credentials.fromSecret(secret),
      allocatedStorage: storageGiB,
      storageEncrypted: true,
      multiAz: replicated,
      backupRetention: Duration.days(backupDays),
      copyTagsToSnapshot: true,
      cloudwatchLogsExports: ['postgresql'],
    });
    this.primary.node.addDependency(exported(stage.serviceName));
    if (replicated) {
      const identifier = `${stage.serviceName}-replica`;
      this.replica = new DatabaseInstanceReadReplica(this, 'Replica', {
        ...common,
        instanceIdentifier: identifier,
        sourceDatabaseInstance: this.primary,
        securityGroups: this.primary.connections.securityGroups,
        cloudwatchLogsExports: ['postgresql'],
      });
      this.replica.node.addDependency(exported(identifier));
    }

    this.administrator = this.primary.secret ?? secret;
    const login = new DatabaseSecret(this, 'Login', {
      username: OWNER,
      masterSecret: this.administrator,
      secretName: `${stage.serviceName}/database/login`,
    });
    this.login = login.attach(this.primary);
    for (const own of [secret, login]) except(own, { CKV_AWS_149: OWN_KEY });
    this.#acknowledge(stage);
  }

  /** The role that owns the schema. */
  get owner(): string {
    return OWNER;
  }

  /** The service's credentials as environment variables of PostgreSQL's clients. */
  loginOfService(): Record<string, TaskSecret> {
    return {
      PGUSER: TaskSecret.fromSecretsManager(this.login, 'username'),
      PGPASSWORD: TaskSecret.fromSecretsManager(this.login, 'password'),
    };
  }

  /** Allows connections to primary and replica. */
  allowFrom(client: IConnectable): void {
    this.primary.connections.allowDefaultPortFrom(client);
  }

  /** The URL that the service uses. Without user and password, which come from PGUSER and PGPASSWORD. */
  url(certificates: string, role: 'service' | 'administrator' = 'service'): string {
    return urlOf(this.primary.dbInstanceEndpointAddress, certificates, role);
  }

  /** Undefined if the stage has no replica. */
  replicaUrl(certificates: string): string | undefined {
    return this.replica && urlOf(this.replica.dbInstanceEndpointAddress, certificates, 'service');
  }

  #acknowledge(stage: Stage): void {
    const common = {
      CKV_AWS_118: 'Alarms use the metrics that CloudWatch has without it, and those of the service.',
      CKV_AWS_161:
        'Passwords are rotated; tokens of IAM live 15 minutes, and the pool would have to renew them.',
    };
    const restarts = 'This stage may be away for as long as a restart takes.';
    const port = 'Another port hides nothing: only the security group of the service reaches this one.';
    except(this.primary, { ...common, ...(!stage.database.replicated && { CKV_AWS_157: restarts }) });
    Validations.of(this.primary).acknowledge({ id: 'AwsSolutions-RDS11', reason: port });
    if (!stage.database.replicated) {
      Validations.of(this.primary).acknowledge({ id: 'AwsSolutions-RDS3', reason: restarts });
    }
    if (stage.name === 'staging') {
      Validations.of(this.primary).acknowledge({
        id: 'AwsSolutions-RDS10',
        reason: 'Staging holds nothing that must be kept.',
      });
    }
    if (this.replica === undefined) return;
    const encrypted = 'A replica is encrypted as its source is.';
    const replaced = 'While the replica is away, the service reads from the primary.';
    except(this.replica, { ...common, CKV_AWS_16: encrypted, CKV_AWS_157: replaced });
    Validations.of(this.replica).acknowledge(
      { id: 'AwsSolutions-RDS11', reason: port },
      { id: 'AwsSolutions-RDS2', reason: encrypted },
      { id: 'AwsSolutions-RDS3', reason: replaced },
    );
  }
}

function urlOf(host: string, certificates: string, role: 'service' | 'administrator'): string {
  // verify-full: the certificate must have the name of this host.
  const tls = `sslmode=verify-full&sslrootcert=${encodeURIComponent(certificates)}`;
  const acting = `options=${encodeURIComponent(`-c role=${OWNER}`)}`;
  return `postgresql://${host}:5432/${NAME}?${tls}${role === 'service' ? `&${acting}` : ''}`;
}
