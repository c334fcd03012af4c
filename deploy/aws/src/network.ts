import {
  FlowLogDestination,
  FlowLogTrafficType,
  GatewayVpcEndpointAwsService,
  type IConnectable,
  InterfaceVpcEndpointAwsService,
  IpAddresses,
  SubnetType,
  Vpc,
} from 'aws-cdk-lib/aws-ec2';
import { Construct } from 'constructs';
import type { Logs } from './logs.js';
import type { Stage } from './stage.js';

/** The subnets of each layer. */
export const SUBNETS = {
  /** The load balancer and the NAT gateways. */
  edge: { subnetGroupName: 'Edge' },
  /**
   * The service: can reach AWS and the Internet, and only the load balancer can reach it. Where there is no NAT gateway, tasks
   * have public addresses for it.
   */
  service: { subnetGroupName: 'Service' },
  /** PostgreSQL and Redis: no route to or from the Internet. */
  data: { subnetGroupName: 'Data' },
} as const;

/** Two zones, three layers in each. Every connection is in the flow log. */
export class Network extends Construct {
  readonly vpc: Vpc;

  constructor(scope: Construct, id: string, { stage, logs }: { stage: Stage; logs: Logs }) {
    super(scope, id);
    this.vpc = new Vpc(this, 'Vpc', {
      ipAddresses: IpAddresses.cidr('10.0.0.0/16'),
      maxAzs: 2,
      natGateways: stage.natGateways,
      subnetConfiguration: [
        {
          name: SUBNETS.edge.subnetGroupName,
          subnetType: SubnetType.PUBLIC,
          cidrMask: 24,
          mapPublicIpOnLaunch: false,
        },
        {
          name: SUBNETS.service.subnetGroupName,
          subnetType: stage.natGateways > 0 ? SubnetType.PRIVATE_WITH_EGRESS : SubnetType.PUBLIC,
          ...(stage.natGateways === 0 && { mapPublicIpOnLaunch: false }),
          cidrMask: 20,
        },
        { name: SUBNETS.data.subnetGroupName, subnetType: SubnetType.PRIVATE_ISOLATED, cidrMask: 24 },
      ],
      // Image layers come from S3, directly instead of through the NAT gateways, which charge per gigabyte.
      gatewayEndpoints: { S3: { service: GatewayVpcEndpointAwsService.S3 } },
      flowLogs: {
        All: {
          destination: FlowLogDestination.toCloudWatchLogs(
            logs.group('Flows', `/vpc/${stage.serviceName}/flows`),
          ),
          trafficType: FlowLogTrafficType.ALL,
        },
      },
    });
  }

  /** For functions, which have no public address: the way to Secrets Manager where there is no NAT gateway. */
  reachSecrets(client: IConnectable): void {
    const endpoint = this.vpc.addInterfaceEndpoint('Secrets', {
      service: InterfaceVpcEndpointAwsService.SECRETS_MANAGER,
      // In one zone, as the database of such a stage is; each costs.
      subnets: { subnets: this.vpc.selectSubnets(SUBNETS.data).subnets.slice(0, 1) },
      open: false,
    });
    endpoint.connections.allowDefaultPortFrom(client);
  }

  /** The addresses of the load balancer, whose X-Forwarded-For is trusted. */
  get edgeRanges(): string[] {
    return this.vpc.selectSubnets(SUBNETS.edge).subnets.map(({ ipv4CidrBlock }) => ipv4CidrBlock);
  }
}
