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
import type { Logs } from './logs.js';
import { SUBNETS } from './network.js';
import type { Stage } from './stage.js';

const NAME = 'scoreboard';
/** The role that owns the schema. Both logins act as this role, so that each can use the tables the other creates. */
const OWNER = 'scoreboard';
/**
 * PostgreSQL with standby, replica and backups, and its two secrets: the administrator's, which only the migrations use, and
 * the service's.
 */
export class Database extends Construct {
  readonly primary: DatabaseInstance;
  readonly administrator: ISecret;
  /** Fields `username` and `password`. */
  readonly login: ISecret;
  readonly #replica: DatabaseInstanceReadReplica | undefined;

  constructor(
    scope: Construct,
    id: string,
    { stage, vpc, logs }: { readonly stage: Stage; readonly vpc: Vpc; readonly logs: Logs },
  ) {
    super(scope, id);
    const { instanceType, storageGiB, backupDays, replicated } = stage.database;
    const engine = DatabaseInstanceEngine.postgres({ version: PostgresEngineVersion.VER_18 });
    const common = {
      vpc,
      vpcSubnets: SUBNETS.data,
      publiclyAccessible: false,
      instanceType,
      storageType: StorageType.GP3,
      autoMinorVersionUpgrade: true,
      deletionProtection: stage.name === 'production',
      removalPolicy: stage.removalPolicy,
      parameterGroup: new ParameterGroup(this, 'Parameters', {
        engine,
        parameters: { 'rds.force_ssl': '1', log_connections: '1', log_disconnections: '1' },
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
      maxAllocatedStorage: storageGiB * 5,
      storageEncrypted: true,
      multiAz: replicated,
      backupRetention: Duration.days(backupDays),
      copyTagsToSnapshot: true,
      cloudwatchLogsExports: ['postgresql'],
    });
    this.primary.node.addDependency(exported(stage.serviceName));
    if (replicated) {
      const identifier = `${stage.serviceName}-replica`;
      this.#replica = new DatabaseInstanceReadReplica(this, 'Replica', {
        ...common,
        instanceIdentifier: identifier,
        sourceDatabaseInstance: this.primary,
        securityGroups: this.primary.connections.securityGroups,
        cloudwatchLogsExports: ['postgresql'],
      });
      this.#replica.node.addDependency(exported(identifier));
    }

    this.administrator = this.primary.secret ?? secret;
    this.login = new DatabaseSecret(this, 'Login', {
      username: OWNER,
      masterSecret: this.administrator,
      secretName: `${stage.serviceName}/database/login`,
    }).attach(this.primary);
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
    return this.#replica && urlOf(this.#replica.dbInstanceEndpointAddress, certificates, 'service');
  }

  #acknowledge(stage: Stage): void {
    for (const instance of [this.primary, this.#replica]) {
      if (instance === undefined) continue;
      Validations.of(instance).acknowledge({
        id: 'AwsSolutions-RDS11',
        reason: 'Another port hides nothing: only the security group of the service reaches this one.',
      });
    }
    if (this.#replica !== undefined) {
      Validations.of(this.#replica).acknowledge(
        { id: 'AwsSolutions-RDS2', reason: 'A replica is encrypted as its source is.' },
        { id: 'AwsSolutions-RDS3', reason: 'While the replica is away, the service reads from the primary.' },
      );
    }
    if (stage.name === 'staging') {
      Validations.of(this.primary).acknowledge(
        { id: 'AwsSolutions-RDS3', reason: 'Staging may be away for as long as a restart takes.' },
        { id: 'AwsSolutions-RDS10', reason: 'Staging holds nothing that must be kept.' },
      );
    }
  }
}

function urlOf(host: string, certificates: string, role: 'service' | 'administrator'): string {
  // verify-full: the certificate must have the name of this host.
  const tls = `sslmode=verify-full&sslrootcert=${encodeURIComponent(certificates)}`;
  const acting = `options=${encodeURIComponent(`-c role=${OWNER}`)}`;
  return `postgresql://${host}:5432/${NAME}?${tls}${role === 'service' ? `&${acting}` : ''}`;
}
