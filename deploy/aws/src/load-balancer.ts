import { Duration, Validations } from 'aws-cdk-lib';
import { Certificate, CertificateValidation, type ICertificate } from 'aws-cdk-lib/aws-certificatemanager';
import { Peer, Port, SecurityGroup, type Vpc } from 'aws-cdk-lib/aws-ec2';
import {
  type ApplicationListener,
  ApplicationLoadBalancer,
  ApplicationProtocol,
  ApplicationTargetGroup,
  ListenerAction,
  ListenerCondition,
  SslPolicy,
  TargetType,
} from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import { ARecord, HostedZone, RecordTarget } from 'aws-cdk-lib/aws-route53';
import { LoadBalancerTarget } from 'aws-cdk-lib/aws-route53-targets';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { except } from './exceptions.js';
import { SUBNETS } from './network.js';
import type { Address } from './settings.js';
import type { Stage } from './stage.js';

/** Streams stay open as long as their clients want; the service pings them every 30 s. */
const IDLE_TIMEOUT = Duration.hours(1);
/** Requests end within this time. Streams are cut off after it and reconnect to another task. */
const DRAIN = Duration.seconds(30);

interface LoadBalancerProps {
  readonly stage: Stage;
  readonly vpc: Vpc;
  readonly address: Address;
  /** The bucket of its access log. */
  readonly accessLogs: IBucket;
  /** The port of the service. */
  readonly port: number;
}

/** The only public entry: HTTPS for one domain, with long-lived streams that stay on one task. */
export class LoadBalancer extends Construct {
  readonly balancer: ApplicationLoadBalancer;
  readonly targets: ApplicationTargetGroup;
  readonly listener: ApplicationListener;

  constructor(scope: Construct, id: string, { stage, vpc, address, accessLogs, port }: LoadBalancerProps) {
    super(scope, id);
    const securityGroup = new SecurityGroup(this, 'SecurityGroup', {
      vpc,
      description: 'Load balancer',
      allowAllOutbound: false,
    });
    for (const open of [80, 443]) {
      securityGroup.addIngressRule(Peer.anyIpv4(), Port.tcp(open), 'Everybody');
    }
    except(securityGroup, { CKV_AWS_260: 'Port 80 only redirects to HTTPS.' });
    Validations.of(securityGroup).acknowledge({
      id: 'AwsSolutions-EC23',
      reason: 'A public service: players come from anywhere, to these two ports.',
    });
    this.balancer = new ApplicationLoadBalancer(this, 'Balancer', {
      vpc,
      vpcSubnets: SUBNETS.edge,
      internetFacing: true,
      securityGroup,
      idleTimeout: IDLE_TIMEOUT,
      dropInvalidHeaderFields: true,
      deletionProtection: stage.name !== 'staging',
    });
    this.balancer.logAccessLogs(accessLogs, 'load-balancer');
    this.targets = new ApplicationTargetGroup(this, 'Targets', {
      vpc,
      targetType: TargetType.IP,
      protocol: ApplicationProtocol.HTTP,
      port,
      stickinessCookieDuration: IDLE_TIMEOUT,
      deregistrationDelay: DRAIN,
      // Not /health: without Redis the service still works, and replacing every task would not restore Redis.
      healthCheck: {
        path: '/health/live',
        interval: Duration.seconds(10),
        timeout: Duration.seconds(5),
        healthyThresholdCount: 2,
        unhealthyThresholdCount: 3,
      },
    });
    this.balancer.addListener('Http', {
      port: 80,
      open: false,
      defaultAction: ListenerAction.redirect({ protocol: 'HTTPS', port: '443', permanent: true }),
    });
    this.listener = this.balancer.addListener('Https', {
      port: 443,
      open: false,
      certificates: [this.#certificate(address)],
      // Only TLS 1.2 and 1.3 with forward secrecy.
      sslPolicy: SslPolicy.RECOMMENDED_TLS,
      defaultAction: ListenerAction.forward([this.targets]),
    });
    this.listener.addAction('Metrics', {
      priority: 1,
      conditions: [ListenerCondition.pathPatterns(['/metrics'])],
      action: ListenerAction.fixedResponse(404),
    });
  }

  /** Validated by DNS, so that ACM can renew it automatically. */
  #certificate(address: Address): ICertificate {
    if ('certificateArn' in address) {
      return Certificate.fromCertificateArn(this, 'Certificate', address.certificateArn);
    }
    const { domainName, zone } = address;
    const hostedZone = HostedZone.fromHostedZoneAttributes(this, 'Zone', {
      hostedZoneId: zone.id,
      zoneName: zone.name,
    });
    new ARecord(this, 'Record', {
      zone: hostedZone,
      recordName: `${domainName}.`,
      target: RecordTarget.fromAlias(new LoadBalancerTarget(this.balancer)),
    });
    return new Certificate(this, 'Certificate', {
      domainName,
      validation: CertificateValidation.fromDns(hostedZone),
    });
  }
}
