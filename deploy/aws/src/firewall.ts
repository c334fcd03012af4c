import { ArnFormat, Stack } from 'aws-cdk-lib';
import type { ApplicationLoadBalancer } from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import { CfnProtection } from 'aws-cdk-lib/aws-shield';
import { CfnIPSet, CfnLoggingConfiguration, CfnWebACL, CfnWebACLAssociation } from 'aws-cdk-lib/aws-wafv2';
import { Construct } from 'constructs';
import type { Logs } from './logs.js';
import type { Stage } from './stage.js';

/** Requests of one address in a minute. Higher than the limits of the service (RATE_LIMIT_*), because it is for floods. */
const REQUESTS_A_MINUTE = 3_000;
const LOGINS_A_MINUTE = 120;

/**
 * Rules that AWS maintains. The listed ones only count: the service accepts bodies up to 16 KiB, treats names as text, and
 * is called by games that send no browser's User-Agent.
 */
const MANAGED_RULES: Readonly<Record<string, readonly string[]>> = {
  AWSManagedRulesAmazonIpReputationList: [],
  AWSManagedRulesKnownBadInputsRuleSet: [],
  AWSManagedRulesCommonRuleSet: ['SizeRestrictions_BODY', 'NoUserAgent_HEADER', 'CrossSiteScripting_BODY'],
};

interface FirewallProps {
  readonly stage: Stage;
  readonly logs: Logs;
  readonly balancer: ApplicationLoadBalancer;
  /** CIDR ranges without a limit. */
  readonly gameServers: readonly string[];
  readonly shieldAdvanced: boolean;
}

/** Rejects requests before they reach the service. Shield Standard protects every load balancer by default. */
export class Firewall extends Construct {
  constructor(
    scope: Construct,
    id: string,
    { stage, logs, balancer, gameServers, shieldAdvanced }: FirewallProps,
  ) {
    super(scope, id);
    const trusted = new CfnIPSet(this, 'GameServers', {
      scope: 'REGIONAL',
      ipAddressVersion: 'IPV4',
      addresses: [...gameServers],
    });
    const fromPlayers = {
      notStatement: { statement: { ipSetReferenceStatement: { arn: trusted.attrArn } } },
    };
    const toLogin = {
      byteMatchStatement: {
        fieldToMatch: { uriPath: {} },
        positionalConstraint: 'STARTS_WITH',
        searchString: '/v1/auth/',
        textTransformations: [{ priority: 0, type: 'NORMALIZE_PATH' }],
      },
    };
    const rate = (limit: number, scopeDownStatement: CfnWebACL.StatementProperty) => ({
      rateBasedStatement: { limit, evaluationWindowSec: 60, aggregateKeyType: 'IP', scopeDownStatement },
    });
    const rules: Omit<CfnWebACL.RuleProperty, 'priority' | 'visibilityConfig'>[] = [
      { name: 'Flood', action: { block: {} }, statement: rate(REQUESTS_A_MINUTE, fromPlayers) },
      {
        name: 'LoginFlood',
        action: { block: {} },
        statement: rate(LOGINS_A_MINUTE, { andStatement: { statements: [toLogin, fromPlayers] } }),
      },
      ...Object.entries(MANAGED_RULES).map(([name, counted]) => ({
        name,
        overrideAction: { none: {} },
        statement: {
          managedRuleGroupStatement: {
            vendorName: 'AWS',
            name,
            ruleActionOverrides: counted.map((rule) => ({ name: rule, actionToUse: { count: {} } })),
          },
        },
      })),
    ];
    const visible = (metricName: string) => ({
      metricName,
      cloudWatchMetricsEnabled: true,
      sampledRequestsEnabled: true,
    });
    const acl = new CfnWebACL(this, 'Rules', {
      scope: 'REGIONAL',
      defaultAction: { allow: {} },
      rules: rules.map((rule, priority) => ({ ...rule, priority, visibilityConfig: visible(rule.name) })),
      visibilityConfig: visible(stage.serviceName),
    });
    new CfnWebACLAssociation(this, 'Association', {
      resourceArn: balancer.loadBalancerArn,
      webAclArn: acl.attrArn,
    });
    // The firewall requires this prefix.
    const { logGroupName } = logs.group('Firewall', `aws-waf-logs-${stage.serviceName}`);
    new CfnLoggingConfiguration(this, 'Blocked', {
      resourceArn: acl.attrArn,
      logDestinationConfigs: [
        Stack.of(this).formatArn({
          service: 'logs',
          resource: 'log-group',
          resourceName: logGroupName,
          arnFormat: ArnFormat.COLON_RESOURCE_NAME,
        }),
      ],
      loggingFilter: {
        DefaultBehavior: 'DROP',
        Filters: [
          {
            Behavior: 'KEEP',
            Requirement: 'MEETS_ANY',
            Conditions: [{ ActionCondition: { Action: 'BLOCK' } }, { ActionCondition: { Action: 'COUNT' } }],
          },
        ],
      },
      // Access tokens must not be logged.
      redactedFields: [{ singleHeader: { Name: 'authorization' } }],
    });
    if (shieldAdvanced) {
      new CfnProtection(this, 'Shield', { name: stage.serviceName, resourceArn: balancer.loadBalancerArn });
    }
  }
}
