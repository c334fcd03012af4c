import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Match } from 'aws-cdk-lib/assertions';
import {
  container,
  only,
  resources,
  STAGE_STACKS,
  subnets,
  templateOf,
  type Value,
  waysOut,
} from './templates.js';

const ids = (refs: Value[]): string[] => refs.map(({ Ref }) => Ref).sort();
const SECRET = 'AWS::SecretsManager::Secret';

// One test for each box of "Security Checklist for Deployment".
for (const stack of STAGE_STACKS) {
  const template = templateOf(stack);
  const isSimple = stack === 'ScoreboardSimple';

  describe(stack, () => {
    test('Secrets in secrets manager (AWS Secrets Manager or Parameter Store)', () => {
      const { Environment, Secrets } = container(template, 'api');
      const names = Secrets.map(({ Name }: Value) => Name);
      assert.deepEqual(names.sort(), [
        ...['ACTION_TOKEN_SECRET', 'ACTION_TOKEN_SECRET_PREVIOUS', 'JWT_SECRET', 'JWT_SECRET_PREVIOUS'],
        ...['PGPASSWORD', 'PGUSER', ...(isSimple ? [] : ['REDIS_URL'])],
      ]);
      const known = [SECRET, 'AWS::SecretsManager::SecretTargetAttachment'].flatMap((type) =>
        resources(template, type).map(([id]) => id),
      );
      for (const { ValueFrom } of Secrets) assert.ok(known.includes(ValueFrom['Fn::Join'][1][0].Ref));
      for (const { Name, Value } of Environment) {
        assert.doesNotMatch(Name, /SECRET|PASSWORD/);
        assert.doesNotMatch(
          JSON.stringify(Value),
          /resolve:secretsmanager|:[^/]*@/,
          `${Name} holds a password`,
        );
      }
    });

    test('JWT_SECRET and ACTION_TOKEN_SECRET are different values', () => {
      const signing = resources(template, SECRET)
        .map(([, { GenerateSecretString }]) => GenerateSecretString)
        .filter((generated) => /^(JWT|ACTION_TOKEN)_SECRET$/.test(generated?.GenerateStringKey));
      // Two generated secrets, so they differ.
      assert.equal(signing.length, 2);
      for (const { PasswordLength } of signing) assert.ok(PasswordLength >= 32);
      const secretOf = (name: string) =>
        container(template, 'api').Secrets.find(({ Name }: Value) => Name === name).ValueFrom[
          'Fn::Join'
        ][1][0].Ref;
      assert.notEqual(secretOf('JWT_SECRET'), secretOf('ACTION_TOKEN_SECRET'));
    });

    test('Database credentials rotated quarterly', () => {
      const schedules = resources(template, 'AWS::SecretsManager::RotationSchedule');
      const credentials = resources(template, 'AWS::SecretsManager::SecretTargetAttachment');
      assert.deepEqual(
        ids(schedules.map(([, { SecretId }]) => SecretId)),
        credentials.map(([id]) => id).sort(),
      );
      assert.equal(schedules.length, 2);
      for (const [, { RotationRules }] of schedules) {
        assert.equal(RotationRules.ScheduleExpression, 'rate(90 days)');
      }
      // Running tasks get the new credentials, too; a failed rotation raises an alarm.
      const login = container(template, 'api').Secrets.find(({ Name }: Value) => Name === 'PGPASSWORD');
      const rules = resources(template, 'AWS::Events::Rule').map(([, { EventPattern, Targets }]) => ({
        event: EventPattern.detail.eventName[0],
        secrets: ids(EventPattern.detail.additionalEventData.SecretId),
        targets: ids(Targets.map(({ Arn }: Value) => Arn)),
      }));
      assert.deepEqual(rules, [
        {
          event: 'RotationSucceeded',
          secrets: [login.ValueFrom['Fn::Join'][1][0].Ref],
          targets: Object.keys(template.findResources('AWS::StepFunctions::StateMachine')),
        },
        {
          event: 'RotationFailed',
          secrets: credentials.map(([id]) => id).sort(),
          targets: Object.keys(template.findResources('AWS::SNS::Topic')),
        },
      ]);
      const { DefinitionString } = only(template, 'AWS::StepFunctions::StateMachine');
      assert.match(
        JSON.stringify(DefinitionString),
        /aws-sdk:ecs:updateService.*ForceNewDeployment\\*":true/,
      );
    });

    test('Network isolation (VPC/private subnets)', () => {
      const layers = [
        ['Edge', ['internet gateway']],
        ['Service', [isSimple ? 'internet gateway' : 'NAT gateway']],
        ['Data', []],
      ] as const;
      for (const [layer, ways] of layers) {
        const members = subnets(template, layer);
        assert.equal(members.length, 2, `${layer} is in two zones`);
        assert.deepEqual([...new Set(waysOut(template, members))], ways);
      }
      const { AwsvpcConfiguration } = only(template, 'AWS::ECS::Service').NetworkConfiguration;
      assert.equal(AwsvpcConfiguration.AssignPublicIp, isSimple ? 'ENABLED' : 'DISABLED');
      assert.deepEqual(ids(AwsvpcConfiguration.Subnets), subnets(template, 'Service').sort());
      // Only the two ports of the load balancer can be reached from the Internet, also where tasks have an address there.
      const open = resources(template, 'AWS::EC2::SecurityGroup').flatMap(
        ([id, { SecurityGroupIngress = [] }]) =>
          SecurityGroupIngress.map(({ CidrIp, FromPort }: Value) => [
            id.replace(/[0-9A-F]{8}$/, ''),
            CidrIp,
            FromPort,
          ]),
      );
      assert.deepEqual(open, [
        ['LoadBalancerSecurityGroup', '0.0.0.0/0', 80],
        ['LoadBalancerSecurityGroup', '0.0.0.0/0', 443],
      ]);
    });

    test('No public database access', () => {
      const data = subnets(template, 'Data').sort();
      for (const [, { PubliclyAccessible }] of resources(template, 'AWS::RDS::DBInstance')) {
        assert.equal(PubliclyAccessible, false);
      }
      for (const [, { SubnetIds }] of resources(template, 'AWS::RDS::DBSubnetGroup')) {
        assert.deepEqual(ids(SubnetIds), data);
      }
      for (const [, { SubnetIds }] of resources(template, 'AWS::ElastiCache::SubnetGroup')) {
        assert.deepEqual(ids(SubnetIds), data);
      }
      // Every ingress rule names a security group, not addresses.
      for (const [, rule] of resources(template, 'AWS::EC2::SecurityGroupIngress')) {
        assert.ok(rule.SourceSecurityGroupId);
        assert.equal(rule.CidrIp, undefined);
      }
      const { Parameters } = only(template, 'AWS::RDS::DBParameterGroup');
      assert.equal(Parameters['rds.force_ssl'], '1');
    });

    test('WAF rules enabled', () => {
      const { ResourceArn } = only(template, 'AWS::WAFv2::WebACLAssociation');
      assert.deepEqual(
        [ResourceArn.Ref],
        Object.keys(template.findResources('AWS::ElasticLoadBalancingV2::LoadBalancer')),
      );
      const { Rules } = only(template, 'AWS::WAFv2::WebACL');
      assert.deepEqual(
        Rules.map(({ Name }: Value) => Name),
        [
          ...['Flood', 'LoginFlood', 'AWSManagedRulesAmazonIpReputationList'],
          ...['AWSManagedRulesKnownBadInputsRuleSet', 'AWSManagedRulesCommonRuleSet'],
        ],
      );
    });

    test('DDoS protection enabled', () => {
      // Shield Standard is always on; Advanced, where the account subscribes to it.
      const [balancer] = Object.keys(template.findResources('AWS::ElasticLoadBalancingV2::LoadBalancer'));
      assert.deepEqual(only(template, 'AWS::Shield::Protection').ResourceArn, { Ref: balancer });
      // The firewall limits floods of requests, except from the configured game servers.
      const { Addresses } = only(template, 'AWS::WAFv2::IPSet');
      assert.deepEqual(Addresses, ['192.0.2.0/24', '198.51.100.7/32']);
      const { Rules } = only(template, 'AWS::WAFv2::WebACL');
      const rates = Rules.filter(({ Statement }: Value) => Statement.RateBasedStatement);
      assert.equal(rates.length, 2);
      for (const { Action, Statement } of rates) {
        assert.ok(Action.Block);
        assert.equal(Statement.RateBasedStatement.EvaluationWindowSec, 60);
        assert.match(JSON.stringify(Statement.RateBasedStatement.ScopeDownStatement), /NotStatement.*IPSet/);
      }
    });

    test('SSL certificate valid and auto-renewed', () => {
      // ACM renews certificates that are validated by DNS as long as the record exists.
      const { ValidationMethod, DomainValidationOptions, DomainName } = only(
        template,
        'AWS::CertificateManager::Certificate',
      );
      assert.equal(ValidationMethod, 'DNS');
      assert.equal(DomainValidationOptions[0].HostedZoneId, 'Z0EXAMPLE');
      assert.match(DomainName, /^(staging\.)?scores\.example\.com$/);
      const [certificate] = Object.keys(template.findResources('AWS::CertificateManager::Certificate'));
      template.hasResourceProperties('AWS::ElasticLoadBalancingV2::Listener', {
        Protocol: 'HTTPS',
        Port: 443,
        SslPolicy: 'ELBSecurityPolicy-TLS13-1-2-2021-06',
        Certificates: [{ CertificateArn: { Ref: certificate } }],
      });
      template.hasResourceProperties('AWS::Route53::RecordSet', { Name: `${DomainName}.`, Type: 'A' });
    });

    test('CloudWatch logs encrypted at rest', () => {
      const groups = resources(template, 'AWS::Logs::LogGroup');
      assert.ok(groups.some(([, { LogGroupName }]) => LogGroupName.startsWith('/ecs/scoreboard-api')));
      const [key] = Object.keys(template.findResources('AWS::KMS::Key'));
      for (const [, { LogGroupName, KmsKeyId }] of groups) {
        assert.deepEqual(KmsKeyId, { 'Fn::GetAtt': [key, 'Arn'] }, LogGroupName);
      }
      template.hasResourceProperties('AWS::KMS::Key', {
        EnableKeyRotation: true,
        KeyPolicy: {
          Statement: Match.arrayWith([
            Match.objectLike({ Principal: { Service: 'logs.eu-central-1.amazonaws.com' } }),
          ]),
        },
      });
    });

    test('Audit logging to CloudWatch enabled', () => {
      const groups = Object.keys(template.findResources('AWS::Logs::LogGroup'));
      const { IsLogging, EnableLogFileValidation, CloudWatchLogsLogGroupArn } = only(
        template,
        'AWS::CloudTrail::Trail',
      );
      assert.deepEqual(
        { IsLogging, EnableLogFileValidation },
        { IsLogging: true, EnableLogFileValidation: true },
      );
      assert.ok(groups.includes(CloudWatchLogsLogGroupArn['Fn::GetAtt'][0]));
      // Network flows, connections to the database, blocked requests, and the log of the service.
      template.hasResourceProperties('AWS::EC2::FlowLog', {
        LogDestinationType: 'cloud-watch-logs',
        TrafficType: 'ALL',
      });
      template.resourceCountIs('AWS::WAFv2::LoggingConfiguration', 1);
      for (const [, { EnableCloudwatchLogsExports }] of resources(template, 'AWS::RDS::DBInstance')) {
        assert.deepEqual(EnableCloudwatchLogsExports, ['postgresql']);
      }
      assert.equal(only(template, 'AWS::RDS::DBParameterGroup').Parameters.log_connections, '1');
      assert.equal(container(template, 'api').LogConfiguration.LogDriver, 'awslogs');
    });
  });
}
