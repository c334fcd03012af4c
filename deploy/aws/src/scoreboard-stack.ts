import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { Alarms } from './alarms.js';
import { Audit } from './audit.js';
import { Cache } from './cache.js';
import { Database } from './database.js';
import { Firewall } from './firewall.js';
import { LoadBalancer } from './load-balancer.js';
import { Logs } from './logs.js';
import { Migrations } from './migrations.js';
import { Network } from './network.js';
import { Rotation } from './rotation.js';
import { Runtime } from './runtime.js';
import { SigningSecrets } from './secrets.js';
import { Service } from './service.js';
import type { Settings } from './settings.js';
import type { Stage } from './stage.js';
import { portsOf, variablesOf } from './variables.js';

const PORT = 3000;

interface ScoreboardProps extends StackProps {
  readonly stage: Stage;
  readonly settings: Settings;
}

/** One stage of scoreboard-api with all its resources. */
export class ScoreboardStack extends Stack {
  constructor(scope: Construct, id: string, { stage, settings, ...props }: ScoreboardProps) {
    super(scope, id, props);
    const { address, imageDigest, gameServers, shieldAdvanced, alarmEmail: email } = settings;
    const variables = variablesOf(stage, settings.variables);
    const port = Number(variables.get('PORT') || PORT);

    const logs = new Logs(this, 'Logs', stage);
    const audit = new Audit(this, 'Audit', { stage, logs });
    const network = new Network(this, 'Network', { stage, logs });
    const { vpc } = network;

    const secrets = new SigningSecrets(this, 'Secrets', stage);
    const database = new Database(this, 'Database', { stage, vpc, logs });
    const cache = stage.cache && new Cache(this, 'Cache', { stage, size: stage.cache, vpc });

    const loadBalancer = new LoadBalancer(this, 'LoadBalancer', {
      ...{ stage, vpc, address, port },
      accessLogs: audit.bucket,
    });
    const { balancer, targets } = loadBalancer;
    new Firewall(this, 'Firewall', { stage, logs, balancer, gameServers, shieldAdvanced });
    const alarms = new Alarms(this, 'Alarms', {
      ...{ stage, logs, balancer, targets, email },
      ...{ database, cache },
    });

    const runtime = new Runtime(this, 'Runtime', {
      ...{ vpc, imageDigest, logGroup: logs.service, ports: portsOf(variables) },
    });
    database.allowFrom(runtime.securityGroup);
    cache?.allowFrom(runtime.securityGroup);
    if (stage.natGateways === 0) network.reachSecrets(runtime.securityGroup);
    const migrations = new Migrations(this, 'Migrations', {
      ...{ stage, logs, vpc, runtime, database },
      variables: settings.variables,
    });
    const service = new Service(this, 'Service', {
      ...{ stage, settings, logs, runtime, database, cache, secrets, loadBalancer, port },
      proxies: network.edgeRanges,
      rollbackAlarms: alarms.rollback,
    });
    service.node.addDependency(migrations);
    new Rotation(this, 'Rotation', {
      ...{ stage, logs, vpc, runtime, database, migrations, alarms },
      service: service.fargate,
    });

    const outputs = {
      Url: `https://${address.domainName}`,
      ClusterName: runtime.cluster.clusterName,
      ServiceName: service.fargate.serviceName,
      MigrationsTask: migrations.taskDefinitionArn,
      ImageDigest: imageDigest,
      RollbackAlarms: alarms.rollback.map(({ alarmName }) => alarmName).join(','),
      LoadBalancerName: balancer.loadBalancerDnsName,
    };
    for (const [name, value] of Object.entries(outputs)) new CfnOutput(this, name, { value });
  }
}
