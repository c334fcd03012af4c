import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Match } from 'aws-cdk-lib/assertions';
import { container, only, resources, templateOf, type Value } from './templates.js';

const production = templateOf('ScoreboardProduction');
const simple = templateOf('ScoreboardSimple');
const staging = templateOf('ScoreboardStaging');
const DIGEST = `@sha256:${'0'.repeat(64)}`;

describe('sizes', () => {
  test('production has what the specification recommends', () => {
    production.hasResourceProperties('AWS::ECS::TaskDefinition', { Cpu: '2048', Memory: '4096' });
    production.hasResourceProperties('AWS::ApplicationAutoScaling::ScalableTarget', { MinCapacity: 2 });
    production.hasResourceProperties('AWS::RDS::DBInstance', {
      AllocatedStorage: '100',
      StorageType: 'gp3',
      MultiAZ: true,
      StorageEncrypted: true,
      DeletionProtection: true,
      BackupRetentionPeriod: 14,
    });
    production.hasResourceProperties('AWS::RDS::DBInstance', {
      SourceDBInstanceIdentifier: Match.anyValue(),
    });
    production.hasResourceProperties('AWS::ElastiCache::ReplicationGroup', {
      NumNodeGroups: 2,
      ReplicasPerNodeGroup: 1,
      CacheNodeType: 'cache.t4g.small',
    });
  });

  test('the replica can grow as far as the primary', () => {
    const instances = resources(production, 'AWS::RDS::DBInstance');
    assert.equal(instances.length, 2);
    for (const [id, { MaxAllocatedStorage }] of instances) assert.equal(MaxAllocatedStorage, 500, id);
  });

  test('all tasks of a deployment together leave a fifth of the connections to PostgreSQL', () => {
    for (const template of [production, simple, staging]) {
      const workers = Number(
        container(template, 'api').Environment.find(({ Name }: Value) => Name === 'WORKERS').Value,
      );
      // Of the pool, which the processes share, and beside it.
      const ofTask = 10 + workers * 7;
      const most = only(template, 'AWS::ApplicationAutoScaling::ScalableTarget').MaxCapacity;
      const { max_connections } = only(template, 'AWS::RDS::DBParameterGroup').Parameters;
      assert.ok(2 * most * ofTask <= 0.8 * max_connections, `${most} tasks, ${max_connections} connections`);
    }
  });

  test('a task has a process for each processor', () => {
    for (const template of [production, simple, staging]) {
      const [{ Cpu }] = resources(template, 'AWS::ECS::TaskDefinition')
        .map(([, task]) => task)
        .filter(({ ContainerDefinitions }) => ContainerDefinitions.some(({ Name }: Value) => Name === 'api'));
      const { Environment } = container(template, 'api');
      assert.equal(
        Number(Environment.find(({ Name }: Value) => Name === 'WORKERS').Value),
        Number(Cpu) / 1_024,
      );
    }
  });

  test('simple has one or two tasks, one database and nothing else that costs by the hour', () => {
    simple.hasResourceProperties('AWS::ApplicationAutoScaling::ScalableTarget', {
      MinCapacity: 1,
      MaxCapacity: 2,
    });
    simple.resourceCountIs('AWS::RDS::DBInstance', 1);
    simple.hasResourceProperties('AWS::RDS::DBInstance', {
      MultiAZ: false,
      StorageEncrypted: true,
      DeletionProtection: true,
      BackupRetentionPeriod: 14,
    });
    simple.resourceCountIs('AWS::EC2::NatGateway', 0);
    simple.resourceCountIs('AWS::ElastiCache::ReplicationGroup', 0);
    const { Environment } = container(simple, 'api');
    assert.equal(Environment.find(({ Name }: Value) => Name === 'REDIS_MODE').Value, 'off');
  });

  test('without a NAT gateway, everything still reaches what it needs', () => {
    // Tasks by their own addresses; functions, which have none, reach Secrets Manager from within.
    const run = Object.values(simple.findResources('Custom::Migrations'))[0]?.['Properties'];
    assert.equal(run.AssignPublicIp, 'ENABLED');
    const endpoints = resources(simple, 'AWS::EC2::VPCEndpoint').map(([, endpoint]) => endpoint);
    const secrets = endpoints.find(({ VpcEndpointType }) => VpcEndpointType === 'Interface');
    assert.match(JSON.stringify(secrets.ServiceName), /secretsmanager/);
    assert.equal(secrets.PrivateDnsEnabled, true);
    const open = resources(simple, 'AWS::EC2::SecurityGroupIngress').find(
      ([, { GroupId }]) => GroupId['Fn::GetAtt'][0] === secrets.SecurityGroupIds[0]['Fn::GetAtt'][0],
    )?.[1];
    assert.match(open.SourceSecurityGroupId['Fn::GetAtt'][0], /^RuntimeSecurityGroup/);
    for (const [, { Parameters }] of resources(simple, 'AWS::Serverless::Application')) {
      assert.match(JSON.stringify(Parameters.vpcSecurityGroupIds), /RuntimeSecurityGroup/);
    }
  });

  test('staging has one small task, one database, one node of Redis', () => {
    staging.hasResourceProperties('AWS::ApplicationAutoScaling::ScalableTarget', { MinCapacity: 1 });
    staging.resourceCountIs('AWS::RDS::DBInstance', 1);
    staging.resourceCountIs('AWS::EC2::NatGateway', 1);
    staging.hasResourceProperties('AWS::ElastiCache::ReplicationGroup', {
      NumNodeGroups: 1,
      ReplicasPerNodeGroup: 0,
    });
  });
});

for (const [stack, template] of Object.entries({ production, staging })) {
  describe(stack, () => {
    test('Redis is a cluster with TLS, a password and the policy of the specification', () => {
      template.hasResourceProperties('AWS::ElastiCache::ReplicationGroup', {
        AutomaticFailoverEnabled: true,
        TransitEncryptionEnabled: true,
        AtRestEncryptionEnabled: true,
        AuthToken: Match.objectLike({
          'Fn::Join': ['', Match.arrayWith(['{{resolve:secretsmanager:', ':SecretString:::}}'])],
        }),
      });
      template.hasResourceProperties('AWS::ElastiCache::ParameterGroup', {
        Properties: { 'cluster-enabled': 'yes', 'maxmemory-policy': 'allkeys-lru' },
      });
    });
  });
}

for (const [stack, template] of Object.entries({ production, simple, staging })) {
  describe(stack, () => {
    test('HTTP is redirected to HTTPS', () => {
      template.hasResourceProperties('AWS::ElasticLoadBalancingV2::Listener', {
        Port: 80,
        DefaultActions: [
          { Type: 'redirect', RedirectConfig: { Protocol: 'HTTPS', Port: '443', StatusCode: 'HTTP_301' } },
        ],
      });
    });

    test('streams stay open for an hour, stick to their task, and do not delay a deployment', () => {
      const attributes = (type: string, name: string) =>
        Object.fromEntries(only(template, type)[name].map(({ Key, Value }: Value) => [Key, Value]));
      const balancer = attributes('AWS::ElasticLoadBalancingV2::LoadBalancer', 'LoadBalancerAttributes');
      const targets = attributes('AWS::ElasticLoadBalancingV2::TargetGroup', 'TargetGroupAttributes');
      assert.equal(balancer['idle_timeout.timeout_seconds'], '3600');
      assert.equal(targets['stickiness.enabled'], 'true');
      assert.equal(targets['stickiness.lb_cookie.duration_seconds'], '3600');
      assert.equal(targets['deregistration_delay.timeout_seconds'], '30');
    });

    test('the health check of a task does not depend on PostgreSQL or Redis', () => {
      assert.equal(
        only(template, 'AWS::ElasticLoadBalancingV2::TargetGroup').HealthCheckPath,
        '/health/live',
      );
    });

    test('the metrics are not public', () => {
      template.hasResourceProperties('AWS::ElasticLoadBalancingV2::ListenerRule', {
        Conditions: [{ Field: 'path-pattern', PathPatternConfig: { Values: ['/metrics'] } }],
        Actions: [{ Type: 'fixed-response', FixedResponseConfig: { StatusCode: '404' } }],
      });
    });

    test('every container except the agent uses the image by its digest', () => {
      const containers = resources(template, 'AWS::ECS::TaskDefinition').flatMap(
        ([, { ContainerDefinitions }]) => ContainerDefinitions,
      );
      assert.deepEqual(containers.map(({ Name }) => Name).sort(), [
        'api',
        'certificates',
        'certificates',
        'metrics',
        'migrate',
        'prepare',
      ]);
      for (const { Name, Image, ReadonlyRootFilesystem } of containers) {
        if (Name === 'metrics') continue;
        assert.match(Image['Fn::Join'][1].at(-1), new RegExp(`/scoreboard-api${DIGEST}$`));
        assert.equal(ReadonlyRootFilesystem, true);
      }
    });

    test('a task has enough time for the shutdown of the service', () => {
      assert.ok(container(template, 'api').StopTimeout > 28);
    });

    test('migrations run before the service, and after their dependencies', () => {
      const [migrations] = Object.keys(template.findResources('Custom::Migrations'));
      const [service] = Object.values(template.findResources('AWS::ECS::Service'));
      assert.ok(service?.['DependsOn'].includes(migrations));
      const after = Object.values(template.findResources('Custom::Migrations'))[0]?.['DependsOn'];
      const needed = [
        'AWS::EC2::NatGateway',
        'AWS::EC2::Route',
        'AWS::EC2::SubnetRouteTableAssociation',
      ].flatMap((type) => resources(template, type).map(([id]) => id));
      for (const id of needed) assert.ok(after.includes(id), `${id} is there before the migrations`);
      const policies = resources(template, 'AWS::IAM::Policy').map(([id]) => id);
      assert.ok(policies.some((id) => id.startsWith('RuntimeMigrationsExecutionRole') && after.includes(id)));
      assert.equal(container(template, 'migrate').Essential, true);
      assert.deepEqual(container(template, 'migrate').DependsOn, [
        { Condition: 'SUCCESS', ContainerName: 'prepare' },
      ]);
    });

    test('credentials are rotated only after the migrations have created the login', () => {
      const [migrations] = Object.keys(template.findResources('Custom::Migrations'));
      for (const application of Object.values(template.findResources('AWS::Serverless::Application'))) {
        assert.ok(application['DependsOn'].includes(migrations));
      }
      for (const [, schedule] of resources(template, 'AWS::SecretsManager::RotationSchedule')) {
        assert.equal(schedule.RotateImmediatelyOnUpdate, false);
      }
    });

    test('a deployment that fails, or raises a rollback alarm, is rolled back', () => {
      const { DeploymentConfiguration, DesiredCount } = only(template, 'AWS::ECS::Service');
      const { Alarms, DeploymentCircuitBreaker, MinimumHealthyPercent } = DeploymentConfiguration;
      assert.deepEqual(DeploymentCircuitBreaker, { Enable: true, Rollback: true });
      assert.deepEqual(
        { Enable: Alarms.Enable, Rollback: Alarms.Rollback },
        { Enable: true, Rollback: true },
      );
      const alarms = Object.fromEntries(resources(template, 'AWS::CloudWatch::Alarm'));
      assert.deepEqual(
        Alarms.AlarmNames.map(({ Ref }: Value) => alarms[Ref].AlarmName.replace(/^.*-/, '')),
        ['ErrorRateCritical', 'LatencyCritical', 'InstancesUnhealthy'],
      );
      assert.equal(MinimumHealthyPercent, 100);
      assert.equal(DesiredCount, undefined, 'a deployment must not undo what the scaling has done');
    });

    test('tasks are added for load and for streams', () => {
      template.hasResourceProperties('AWS::ApplicationAutoScaling::ScalingPolicy', {
        TargetTrackingScalingPolicyConfiguration: {
          PredefinedMetricSpecification: { PredefinedMetricType: 'ECSServiceAverageCPUUtilization' },
          TargetValue: 60,
        },
      });
      const [, streams] =
        resources(template, 'AWS::ApplicationAutoScaling::ScalingPolicy').find(([id]) =>
          /Streams/.test(id),
        ) ?? [];
      const { CustomizedMetricSpecification, TargetValue } = streams.TargetTrackingScalingPolicyConfiguration;
      assert.equal(TargetValue, 5000);
      const { Namespace, MetricName, Dimensions, Statistic } = CustomizedMetricSpecification;
      assert.deepEqual(
        { MetricName, Statistic },
        { MetricName: 'sse_connections_active', Statistic: 'Average' },
      );
      // The exact name that the agent writes.
      const { Environment } = container(template, 'metrics');
      const config = JSON.stringify(Environment);
      assert.match(config, new RegExp(`metric_namespace\\\\+":\\\\+"${Namespace}\\\\`));
      assert.deepEqual(Dimensions, [{ Name: 'service', Value: Namespace }]);
      assert.match(config, new RegExp(`labels\\\\+":{\\\\+"service\\\\+":\\\\+"${Namespace}\\\\`));
    });
  });
}
