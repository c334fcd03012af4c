/** Where a stage is reached. With a hosted zone, certificate and record are made there; without one, both are brought. */
export type Address =
  | { readonly domainName: string; readonly zone: { readonly id: string; readonly name: string } }
  | { readonly domainName: string; readonly certificateArn: string };

/** What differs from one deployment to the next, given as `cdk deploy -c <name>=<value>`. */
export interface Settings {
  /** The image to run, `sha256:…`, from the repository that the pipeline stack has made. */
  readonly imageDigest: string;
  readonly address: Address;
  /** CIDR ranges of game servers, which may ask as often as they like. */
  readonly gameServers: readonly string[];
  /** Origins whose pages may call the service, with commas between them. */
  readonly corsOrigins: string | undefined;
  readonly alarmEmail: string | undefined;
  /** For accounts that subscribe to AWS Shield Advanced. */
  readonly shieldAdvanced: boolean;
}

/** Reads one value of the context, undefined if it was not given. */
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
};

/** @throws Error that lists every fault at once. */
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
  };
  if (faults.length > 0) {
    throw new Error(
      `The settings (-c name=value) are not usable:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`,
    );
  }
  return settings;
}
