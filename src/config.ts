import { randomBytes } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { envSchema } from 'env-schema';
import ipaddr from 'ipaddr.js';
import { errorCode } from './error-code.js';
import { StartError } from './start-error.js';

const { IPv4, IPv6 } = ipaddr;

/** Where the development defaults keep their database and secrets, below the working directory. */
export const STATE_DIRECTORY = '.scoreboard';

const Secret = Type.String({ minLength: 32 });
const Duration = (fallback: string) =>
  Type.String({ pattern: '^([1-9][0-9]{0,8}s?|[1-9][0-9]{0,4}[mhd])$', default: fallback });
const Count = (fallback: number, minimum = 1) => Type.Integer({ minimum, default: fallback });
const Milliseconds = (fallback: number) =>
  Type.Integer({ minimum: 1, maximum: 2 ** 31 - 1, default: fallback });

/** Every variable that the service reads, as it stands in the environment. */
export const Environment = Type.Object({
  NODE_ENV: Type.String({ default: 'development' }),
  HOST: Type.String({ default: '0.0.0.0' }),
  PORT: Type.Integer({ minimum: 0, maximum: 65_535, default: 3000 }),
  SERVICE_NAME: Type.String({ minLength: 1, default: 'scoreboard-api' }),
  LOG_LEVEL: Type.String({ pattern: '^(fatal|error|warn|info|debug|trace|silent)$', default: 'info' }),
  OTEL_EXPORTER_OTLP_ENDPOINT: Type.Optional(Type.String({ pattern: '^https?://' })),
  DATABASE_URL: Type.Optional(Type.String({ pattern: '^postgres(ql)?://' })),
  DATABASE_DIRECT_URL: Type.Optional(Type.String({ pattern: '^postgres(ql)?://' })),
  DATABASE_POOL_SIZE: Count(10, 4),
  DATABASE_REPLICA_URL: Type.Optional(Type.String({ pattern: '^postgres(ql)?://' })),
  REDIS_MODE: Type.Optional(
    Type.Union([Type.Literal('single'), Type.Literal('cluster'), Type.Literal('off')]),
  ),
  REDIS_URL: Type.Optional(Type.String({ pattern: '^rediss?://' })),
  REDIS_SYNC_INTERVAL: Milliseconds(300_000),
  PROJECTION_MEMORY_MB: Count(256),
  JWT_SECRET: Secret,
  JWT_SECRET_PREVIOUS: Type.Optional(Secret),
  JWT_EXPIRY: Duration('24h'),
  REFRESH_TOKEN_TTL: Duration('30d'),
  ACTION_TOKEN_SECRET: Secret,
  ACTION_TOKEN_SECRET_PREVIOUS: Type.Optional(Secret),
  ACTION_TOKEN_TTL: Type.Integer({ minimum: 1, maximum: 2_592_000, default: 300 }),
  RATE_LIMIT_SCORE_UPDATE: Count(10),
  RATE_LIMIT_AUTH: Count(60),
  RATE_LIMIT_READ: Count(1200),
  RATE_LIMIT_WINDOW_MS: Milliseconds(60_000),
  SSE_PING_INTERVAL: Milliseconds(30_000),
  SSE_FLUSH_INTERVAL_MS: Milliseconds(100),
  SSE_STALL_TIMEOUT_MS: Milliseconds(30_000),
  SSE_MAX_CONNECTIONS: Count(10_000),
  SSE_MAX_CONNECTIONS_PER_IP: Count(256),
  TRUST_PROXY: Type.String({ default: '' }),
  CORS_ORIGINS: Type.Optional(Type.String()),
});

/** The environment, read and checked. Durations are in seconds, unless the name says milliseconds. */
export interface Config
  extends Omit<
    Static<typeof Environment>,
    'JWT_EXPIRY' | 'REFRESH_TOKEN_TTL' | 'TRUST_PROXY' | 'CORS_ORIGINS' | 'REDIS_MODE'
  > {
  readonly production: boolean;
  readonly REDIS_MODE: 'single' | 'cluster' | 'off';
  readonly JWT_EXPIRY: number;
  readonly REFRESH_TOKEN_TTL: number;
  /** Addresses and CIDR ranges whose `X-Forwarded-For` is believed. */
  readonly TRUST_PROXY: string[];
  /** Origins whose pages may call the service, `*` for all. */
  readonly CORS_ORIGINS: string[];
}

/** What the application itself needs: a config whose database is settled. */
export type AppConfig = Config & { readonly DATABASE_URL: string };

type Variables = Record<string, string | undefined>;

/**
 * Reads the environment. Outside production, secrets that are missing come from `<state directory>/secrets.json`,
 * which is made at the first start.
 * @throws StartError that lists every fault at once.
 */
export function loadConfig(variables: Variables, stateDirectory = STATE_DIRECTORY): Config {
  const production = variables['NODE_ENV'] === 'production';
  // An empty variable (`JWT_SECRET=`) is how compose files and shells say "not set".
  const given = Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== ''));
  const complete = production ? given : { ...developmentSecrets(given, stateDirectory), ...given };
  const faults = [...(production ? productionFaults(given) : []), ...sharedFaults(complete)];
  const environment = readEnvironment(complete, faults);
  if (environment === undefined || faults.length > 0) {
    throw new StartError(
      `The environment is not usable:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`,
    );
  }
  return {
    ...environment,
    REDIS_MODE: environment.REDIS_MODE ?? (environment.REDIS_URL === undefined ? 'off' : 'single'),
    production,
    JWT_EXPIRY: seconds(environment.JWT_EXPIRY),
    REFRESH_TOKEN_TTL: seconds(environment.REFRESH_TOKEN_TTL),
    TRUST_PROXY: list(environment.TRUST_PROXY),
    CORS_ORIGINS: list(environment.CORS_ORIGINS ?? (production ? '' : '*')),
  };
}

function readEnvironment(variables: Variables, faults: string[]): Static<typeof Environment> | undefined {
  try {
    return envSchema<Static<typeof Environment>>({ schema: Environment, data: variables, env: false });
  } catch (error) {
    faults.push(...schemaFaults(error));
    return undefined;
  }
}

const SchemaFaults = Type.Object({
  errors: Type.Array(
    Type.Object({
      instancePath: Type.String(),
      message: Type.String(),
      params: Type.Object({ missingProperty: Type.Optional(Type.String()) }),
    }),
  ),
});

function schemaFaults(error: unknown): string[] {
  if (!Value.Check(SchemaFaults, error)) throw error;
  return error.errors.map(({ instancePath, message, params }) =>
    params.missingProperty === undefined
      ? `${instancePath.slice(1)} ${message}`
      : `${params.missingProperty} is missing`,
  );
}

function productionFaults(variables: Variables): string[] {
  return ['PORT', 'DATABASE_URL'].flatMap((name) =>
    variables[name] === undefined ? [`${name} is missing`] : [],
  );
}

function sharedFaults(variables: Variables): string[] {
  const faults: string[] = [];
  const { NODE_ENV, REDIS_MODE, REDIS_URL, OTEL_EXPORTER_OTLP_ENDPOINT: collector } = variables;
  if (
    REDIS_URL === undefined &&
    REDIS_MODE !== 'off' &&
    (REDIS_MODE !== undefined || NODE_ENV === 'production')
  ) {
    faults.push('REDIS_URL is missing (without Redis, set REDIS_MODE to "off")');
  }
  const secret = variables['JWT_SECRET'];
  if (secret !== undefined && secret === variables['ACTION_TOKEN_SECRET']) {
    faults.push('JWT_SECRET and ACTION_TOKEN_SECRET must differ');
  }
  if (REDIS_URL !== undefined && !REDIS_URL.split(',').every((url) => URL.canParse(url.trim()))) {
    faults.push('REDIS_URL is not a URL: percent-encode what is special in its user and password');
  }
  for (const name of ['DATABASE_URL', 'DATABASE_DIRECT_URL', 'DATABASE_REPLICA_URL']) {
    const url = variables[name];
    if (url?.startsWith('postgres') && !URL.canParse(url)) {
      faults.push(`${name} is not a URL: percent-encode what is special in its user and password`);
    }
  }
  if (variables['DATABASE_DIRECT_URL'] !== undefined && variables['DATABASE_URL'] === undefined) {
    faults.push('DATABASE_DIRECT_URL goes with a DATABASE_URL, which is missing');
  }
  if (collector?.startsWith('http') && !URL.canParse(collector)) {
    faults.push('OTEL_EXPORTER_OTLP_ENDPOINT is not a URL');
  }
  for (const entry of list(variables['TRUST_PROXY'] ?? '')) {
    if (!isAddressRange(entry)) faults.push(`TRUST_PROXY: "${entry}" is not an address or a CIDR range`);
  }
  for (const entry of list(variables['CORS_ORIGINS'] ?? '')) {
    if (entry !== '*' && !isOrigin(entry))
      faults.push(`CORS_ORIGINS: "${entry}" is not an origin like https://play.example`);
  }
  return faults;
}

/** As browsers send it: lower case, no path, no default port. */
const isOrigin = (text: string): boolean =>
  /^https?:[^*]*$/.test(text) && URL.canParse(text) && new URL(text).origin === text;

/** `ipaddr.isValid()` would also take numbers that are IPv4 addresses in C. */
const isAddressRange = (text: string): boolean =>
  isIP(text) !== 0 || IPv4.isValidCIDRFourPartDecimal(text) || IPv6.isValidCIDR(text);

const list = (text: string): string[] => text.split(',').flatMap((entry) => entry.trim() || []);

const UNITS: Record<string, number> = { s: 1, m: 60, h: 3_600, d: 86_400 };

/** `'24h'` → 86,400. A number alone is seconds already. The schema has checked the form. */
function seconds(duration: string): number {
  const unit = UNITS[duration.slice(-1)];
  return unit === undefined ? Number(duration) : Number(duration.slice(0, -1)) * unit;
}

const DevelopmentSecrets = Type.Object({ JWT_SECRET: Secret, ACTION_TOKEN_SECRET: Secret });

/**
 * The secrets of a development folder, made on first use unless the environment brings both.
 * @throws StartError if the folder cannot be used.
 */
function developmentSecrets(given: Variables, directory: string): Variables {
  if (given['JWT_SECRET'] !== undefined && given['ACTION_TOKEN_SECRET'] !== undefined) return {};
  const file = join(directory, 'secrets.json');
  if (!existsSync(file)) {
    const draft = `${file}.${process.pid}`;
    try {
      mkdirSync(directory, { recursive: true });
      const fresh = () => randomBytes(32).toString('base64url');
      const secrets = { JWT_SECRET: fresh(), ACTION_TOKEN_SECRET: fresh() };
      writeFileSync(draft, `${JSON.stringify(secrets, null, 2)}\n`, { mode: 0o600 });
      // Appears whole or not at all; of two processes that start at once the first wins, and both read what it wrote.
      linkSync(draft, file);
    } catch (error) {
      if (!existsSync(file)) {
        throw new StartError(
          `Cannot write ${file} (${errorCode(error)}). Free some space or mend the folder's permissions.`,
          { cause: error },
        );
      }
    } finally {
      if (existsSync(draft)) rmSync(draft);
    }
  }
  return readDevelopmentSecrets(directory);
}

/**
 * What `npm start` generated in this folder.
 * @throws StartError if it is missing or damaged.
 */
export function readDevelopmentSecrets(directory = STATE_DIRECTORY): Static<typeof DevelopmentSecrets> {
  const file = join(directory, 'secrets.json');
  try {
    return Value.Parse(DevelopmentSecrets, JSON.parse(readFileSync(file, 'utf8')));
  } catch (error) {
    throw new StartError(
      `Cannot read the secrets in ${file} (${errorCode(error) ?? 'not what was written there'}). ` +
        'Delete that file to have new ones made at the next start.',
      { cause: error },
    );
  }
}
