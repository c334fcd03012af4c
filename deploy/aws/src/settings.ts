import { type Assignment, readVariables } from './variables.js';

/** The domain of a stage. With a hosted zone, certificate and record are created; without one, both must exist. */
export type Address =
  | { readonly domainName: string; readonly zone: { readonly id: string; readonly name: string } }
  | { readonly domainName: string; readonly certificateArn: string };

/** The parameters of a deployment, passed as `cdk deploy -c <name>=<value>`. */
export interface Settings {
  /** The image to run, `sha256:…`, from the repository of the pipeline stack. */
  readonly imageDigest: string;
  readonly address: Address;
  /** CIDR ranges of game servers, which the firewall does not limit. */
  readonly gameServers: readonly string[];
  /** Origins whose pages may call the service, separated by commas. */
  readonly corsOrigins: string | undefined;
  readonly alarmEmail: string | undefined;
  /** For accounts that subscribe to AWS Shield Advanced. */
  readonly shieldAdvanced: boolean;
  /** Variables of the service that differ from what the stack or the service would choose. */
  readonly variables: readonly Assignment[];
}

/** Reads one value of the context; undefined if it is not set. */
export type Context = (name: string) => string | undefined;

const DOMAIN = /^([a-z0-9-]+\.)+[a-z]{2,}$/;
const PATTERNS = {
  imageDigest: /^sha256:[0-9a-f]{64}$/,
  domainName: DOMAIN,
  hostedZoneName: DOMAIN,
  hostedZoneId: /^Z[A-Z0-9]+$/,
  certificateArn: /^arn:aws[a-z-]*:acm:/,
  gameServers: /^[0-9.]+\/[0-9]+(,[0-9.]+\/[0-9]+)*$/,
  corsOrigins: /^(\*|https:\/\/[^,\s]+)(,https:\/\/[^,\s]+)*$/,
  alarmEmail: /^[^@\s]+@[^@\s]+$/,
  shieldAdvanced: /^(true|false)$/,
  variables: /=/,
};

/** @throws Error that lists all invalid and missing settings. */
export function readSettings(context: Context): Settings {
  const faults: string[] = [];
  const optional = (name: keyof typeof PATTERNS): string | undefined => {
    const value = context(name);
    if (value !== undefined && !PATTERNS[name].test(value)) faults.push(`${name}: "${value}" is not usable`);
    return value;
  };
  const required = (name: keyof typeof PATTERNS): string => {
    const value = optional(name);
    if (value === undefined) faults.push(`${name} is missing`);
    return value ?? '';
  };

  const domainName = required('domainName');
  const certificateArn = optional('certificateArn');
  const zone =
    certificateArn === undefined
      ? { id: required('hostedZoneId'), name: required('hostedZoneName') }
      : undefined;
  if (zone !== undefined && domainName !== zone.name && !domainName.endsWith(`.${zone.name}`)) {
    faults.push(`domainName: "${domainName}" is not in the hosted zone "${zone.name}"`);
  }
  const settings: Settings = {
    imageDigest: required('imageDigest'),
    address: zone === undefined ? { domainName, certificateArn: certificateArn ?? '' } : { domainName, zone },
    gameServers: optional('gameServers')?.split(',') ?? [],
    corsOrigins: optional('corsOrigins'),
    alarmEmail: optional('alarmEmail'),
    shieldAdvanced: optional('shieldAdvanced') === 'true',
    variables: readVariables(optional('variables') ?? '', faults),
  };
  if (faults.length > 0) {
    throw new Error(
      `The settings (-c name=value) are not usable:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`,
    );
  }
  return settings;
}
