import { readFileSync } from 'node:fs';
import { type Duration, Stack, Validations } from 'aws-cdk-lib';
import { Peer, Port, SecurityGroup, type Vpc } from 'aws-cdk-lib/aws-ec2';
import { Repository } from 'aws-cdk-lib/aws-ecr';
import {
  Cluster,
  type ContainerDefinition,
  ContainerDependencyCondition,
  ContainerImage,
  ContainerInsights,
  FargateTaskDefinition,
  LogDriver,
  type Secret,
} from 'aws-cdk-lib/aws-ecs';
import type { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { REPOSITORY } from './pipeline-stack.js';

const VOLUME = { name: 'certificates', containerPath: '/certificates' };
/** The path of the RDS certificates in every container of the image. */
export const CERTIFICATES = `${VOLUME.containerPath}/rds.pem`;

interface RuntimeProps {
  readonly vpc: Vpc;
  readonly logGroup: LogGroup;
  readonly imageDigest: string;
  /** Of servers outside this stack. */
  readonly ports: readonly number[];
}

/** Cluster and security group for containers of the image, and the common definition of its tasks. */
export class Runtime extends Construct {
  readonly cluster: Cluster;
  readonly securityGroup: SecurityGroup;
  readonly #image: ContainerImage;
  readonly #logGroup: LogGroup;

  constructor(scope: Construct, id: string, { vpc, logGroup, imageDigest, ports }: RuntimeProps) {
    super(scope, id);
    this.cluster = new Cluster(this, 'Cluster', { vpc, containerInsightsV2: ContainerInsights.ENABLED });
    this.securityGroup = new SecurityGroup(this, 'SecurityGroup', {
      vpc,
      description: 'scoreboard-api',
      allowAllOutbound: false,
    });
    this.securityGroup.addEgressRule(Peer.anyIpv4(), Port.HTTPS, 'AWS, and the certificates of RDS');
    for (const port of ports) {
      this.securityGroup.addEgressRule(Peer.anyIpv4(), Port.tcp(port), 'A server that a variable names');
    }
    const repository = Repository.fromRepositoryName(this, 'Repository', REPOSITORY);
    this.#image = ContainerImage.fromEcrRepository(repository, imageDigest);
    this.#logGroup = logGroup;
  }

  /** A task with containers of the image, which start after the certificates were downloaded. */
  task(id: string, size: { readonly cpu: number; readonly memoryMiB: number }): ImageTask {
    return new ImageTask(this, id, { ...size, image: this.#image, logGroup: this.#logGroup });
  }
}

interface ImageTaskProps {
  readonly cpu: number;
  readonly memoryMiB: number;
  readonly image: ContainerImage;
  readonly logGroup: LogGroup;
}

interface ProcessProps {
  readonly environment: Record<string, string>;
  readonly secrets: Record<string, Secret>;
  /** Arguments of Node; by default the image's own command. */
  readonly node?: string[];
  /** Must have succeeded before this one starts. */
  readonly after?: ContainerDefinition;
  /** Whether the task ends when this container ends; otherwise the others wait for its end. */
  readonly essential?: boolean;
  readonly port?: number;
  /** Time from SIGTERM to SIGKILL. */
  readonly stopTimeout?: Duration;
}

export class ImageTask extends FargateTaskDefinition {
  readonly #props: ImageTaskProps;
  readonly #certificates: ContainerDefinition;

  constructor(scope: Construct, id: string, props: ImageTaskProps) {
    super(scope, id, { cpu: props.cpu, memoryLimitMiB: props.memoryMiB, volumes: [{ name: VOLUME.name }] });
    this.#props = props;
    const { region } = Stack.of(this);
    this.#certificates = this.#add('certificates', {
      // A new volume is owned by root.
      user: '0',
      essential: false,
      ...node(script('fetch-certificates.mjs')),
      environment: {
        CERTIFICATES_URL: `https://truststore.pki.rds.amazonaws.com/${region}/${region}-bundle.pem`,
        CERTIFICATES_FILE: CERTIFICATES,
      },
    });
    this.#mount(this.#certificates, false);
    Validations.of(this).acknowledge(
      {
        id: 'AwsSolutions-ECS2',
        reason:
          'What is in the environment is no secret; secrets come from Secrets Manager when a task starts.',
      },
      { id: 'AwsSolutions-IAM5[Resource::*]', reason: 'ecr:GetAuthorizationToken knows no resources.' },
    );
  }

  run(
    name: string,
    { environment, secrets, node: args, after, essential = true, port, stopTimeout }: ProcessProps,
  ) {
    const container = this.#add(name, {
      essential,
      environment,
      secrets,
      stopTimeout,
      ...(args && node(args)),
      ...(port !== undefined && { portMappings: [{ containerPort: port }] }),
    });
    this.#mount(container, true);
    container.addContainerDependencies({
      container: after ?? this.#certificates,
      condition: ContainerDependencyCondition.SUCCESS,
    });
    return container;
  }

  #add(name: string, options: Partial<Parameters<FargateTaskDefinition['addContainer']>[1]>) {
    const { image, logGroup } = this.#props;
    return this.addContainer(name, {
      ...options,
      image,
      readonlyRootFilesystem: true,
      logging: LogDriver.awsLogs({ logGroup, streamPrefix: 'ecs' }),
    });
  }

  #mount(container: ContainerDefinition, readOnly: boolean): void {
    const { name: sourceVolume, containerPath } = VOLUME;
    container.addMountPoints({ sourceVolume, containerPath, readOnly });
  }
}

const node = (args: string[]) => ({ entryPoint: ['node'], command: args });

/** A file of `tasks/` as arguments of Node, so that the image does not depend on AWS. */
export function script(name: string): string[] {
  const source = readFileSync(new URL(`../../tasks/${name}`, import.meta.url), 'utf8');
  return ['--input-type=module', '--eval', source];
}
