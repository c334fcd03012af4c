import { ArnFormat, Stack } from 'aws-cdk-lib';
import type { ApplicationLoadBalancer } from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import { CfnProtection } from 'aws-cdk-lib/aws-shield';
import { CfnIPSet, CfnLoggingConfiguration, CfnWebACL, CfnWebACLAssociation } from 'aws-cdk-lib/aws-wafv2';
import { Construct } from 'constructs';
import type { Logs } from './logs.js';
import { MANAGED_RULES } from './managed-rules.js';
import type { Stage } from './stage.js';

/** Requests of one address in a minute. Higher than the limits of the service (RATE_LIMIT_*), because it is for floods. */
const REQUESTS_A_MINUTE = 3_000;
const LOGINS_A_MINUTE = 120;

/**
 * What clients read instead of an answer of the service: problems of its catalogue, as far as they are known here. AWS allows no
 * other content type for them than application/json.
 */
const PROBLEMS = {
  forbidden: {
    status: 403,
    title: 'Your role does not allow this',
    detail: 'The firewall has rejected this request.',
  },
  'rate-limited': {
    status: 429,
    title: 'Too many requests',
    detail: 'The firewall has counted too many requests from this address.',
  },
};

const block = (code: keyof typeof PROBLEMS, responseHeaders?: CfnWebACL.CustomHTTPHeaderProperty[]) => ({
  block: {
    customResponse: { responseCode: PROBLEMS[code].status, customResponseBodyKey: code, responseHeaders },
  },
});
const rejected = block('forbidden');
/** As long as the window of the limits. */
const limited = block('rate-limited', [{ name: 'retry-after', value: '60' }]);

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
      { name: 'Flood', action: limited, statement: rate(REQUESTS_A_MINUTE, fromPlayers) },
      {
        name: 'LoginFlood',
        action: limited,
        statement: rate(LOGINS_A_MINUTE, { andStatement: { statements: [toLogin, fromPlayers] } }),
      },
      ...Object.entries(MANAGED_RULES).map(([name, { blocked, counted }]) => ({
        name,
        overrideAction: { none: {} },
        statement: {
          managedRuleGroupStatement: {
            vendorName: 'AWS',
            name,
            ruleActionOverrides: [
              ...blocked.map((rule) => ({ name: rule, actionToUse: rejected })),
              ...counted.map((rule) => ({ name: rule, actionToUse: { count: {} } })),
            ],
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
      customResponseBodies: Object.fromEntries(
        Object.entries(PROBLEMS).map(([code, problem]) => [code, bodyOf(code, problem)]),
      ),
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

const bodyOf = (code: string, problem: object): CfnWebACL.CustomResponseBodyProperty => ({
  contentType: 'APPLICATION_JSON',
  content: JSON.stringify({ type: `urn:scoreboard:problem:${code}`, ...problem, code }),
});
