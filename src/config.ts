import { randomBytes } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { type Static, type TObject, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { envSchema } from 'env-schema';
import ipaddr from 'ipaddr.js';
import { DURATION, mistakes, RETENTION, retention, seconds, urlMistakes } from './config-mistakes.js';
import { errorCode } from './error-code.js';
import { StartError } from './start-error.js';

const { IPv4, IPv6 } = ipaddr;

/** Where the development defaults keep their database and secrets, below the working directory. */
export const STATE_DIRECTORY = '.scoreboard';

/** What the service may be started as. */
const MODES: readonly string[] = ['production', 'development', 'test'];

/** The descriptions end the sentences that refuse a value. */
const Secret = Type.String({ minLength: 32 });
const Duration = (fallback: string) =>
  Type.String({
    pattern: DURATION.source,
    default: fallback,
    description: 'seconds, or a number and a unit, like 15m, 24h or 30d',
  });
const Count = (fallback: number, minimum = 1, maximum = 1_000_000_000) =>
  Type.Integer({ minimum, maximum, default: fallback });
const Milliseconds = (fallback: number, maximum: number, minimum = 1_000) =>
  Type.Integer({
    minimum,
    maximum,
    default: fallback,
    description: 'it is in milliseconds: a second is 1000',
  });
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const DatabaseUrl = Type.String({
  pattern: '^postgres(ql)?://',
  description: 'like postgres://user:password@host:5432/scoreboard',
});

/** Every variable that the service reads, as it stands in the environment. */
export const Environment = Type.Object({
  NODE_ENV: Type.String({ default: 'development' }),
  WORKERS: Type.String({
    pattern: '^(auto|[1-9][0-9]?)$',
    default: '1',
    description: 'a number of processes, or auto for one a core',
  }),
  HOST: Type.String({
    pattern: '^[^/\\s]+$',
    default: '0.0.0.0',
    description: 'an address or a name to listen on',
  }),
  PORT: Type.Integer({ minimum: 0, maximum: 65_535, default: 3000 }),
  SERVICE_NAME: Type.String({ minLength: 1, default: 'scoreboard-api' }),
  LOG_LEVEL: Type.String({ pattern: '^(fatal|error|warn|info|debug|trace|silent)$', default: 'info' }),
  OTEL_EXPORTER_OTLP_ENDPOINT: Type.Optional(Type.String({ pattern: '^https?://' })),
  DATABASE_URL: Type.Optional(DatabaseUrl),
  DATABASE_DIRECT_URL: Type.Optional(DatabaseUrl),
  DATABASE_POOL_SIZE: Count(10, 4, 1_000),
  DATABASE_REPLICA_URL: Type.Optional(DatabaseUrl),
  DATABASE_REPLICA_MAX_LAG_MS: Milliseconds(1_000, HOUR_MS, 100),
  REDIS_MODE: Type.Optional(
    Type.Union([Type.Literal('single'), Type.Literal('cluster'), Type.Literal('off')]),
  ),
  REDIS_URL: Type.Optional(
    Type.String({ pattern: '^rediss?://', description: 'like redis://:password@host:6379' }),
  ),
  REDIS_SYNC_INTERVAL: Milliseconds(300_000, DAY_MS),
  PROJECTION_MEMORY_MB: Type.Integer({
    minimum: 8,
    maximum: 1_048_576,
    default: 256,
    description: 'it is in megabytes',
  }),
  JWT_SECRET: Secret,
  JWT_SECRET_PREVIOUS: Type.Optional(Secret),
  JWT_EXPIRY: Duration('24h'),
  REFRESH_TOKEN_TTL: Duration('30d'),
  ACTION_TOKEN_SECRET: Secret,
  ACTION_TOKEN_SECRET_PREVIOUS: Type.Optional(Secret),
  ACTION_TOKEN_TTL: Type.Integer({
    minimum: 10,
    maximum: 2_592_000,
    default: 300,
    description: 'it is in seconds: 30 days are 2592000',
  }),
  EVENTS_RETENTION: Type.Optional(
    Type.String({ pattern: RETENTION.source, description: 'like 24 months or 730d' }),
  ),
  RATE_LIMIT_SCORE_UPDATE: Count(10),
  RATE_LIMIT_AUTH: Count(60),
  RATE_LIMIT_READ: Count(1200),
  RATE_LIMIT_WINDOW_MS: Milliseconds(60_000, DAY_MS),
  SSE_PING_INTERVAL: Milliseconds(30_000, HOUR_MS),
  SSE_FLUSH_INTERVAL_MS: Milliseconds(100, 60_000, 10),
  SSE_STALL_TIMEOUT_MS: Milliseconds(30_000, HOUR_MS),
  SSE_MAX_CONNECTIONS: Count(10_000, 1, 1_000_000),
  SSE_MAX_CONNECTIONS_PER_IP: Count(256),
  TRUST_PROXY: Type.String({ default: '' }),
  CORS_ORIGINS: Type.Optional(Type.String()),
  WEBHOOK_ALLOW_NETWORKS: Type.String({ default: '' }),
  ADMIN_CONSOLE: Type.Union([Type.Literal('on'), Type.Literal('off')], { default: 'on' }),
  ADMIN_PORT: Type.Optional(Type.Integer({ minimum: 0, maximum: 65_535 })),
});

/** The environment, read and checked. Durations are in seconds, unless the name says milliseconds. */
export interface Config
  extends Omit<
    Static<typeof Environment>,
    | 'JWT_EXPIRY'
    | 'REFRESH_TOKEN_TTL'
    | 'EVENTS_RETENTION'
    | 'TRUST_PROXY'
    | 'CORS_ORIGINS'
    | 'WEBHOOK_ALLOW_NETWORKS'
    | 'REDIS_MODE'
    | 'WORKERS'
  > {
  readonly production: boolean;
  /** Processes that share the port. */
  readonly WORKERS: number;
  readonly REDIS_MODE: 'single' | 'cluster' | 'off';
  readonly JWT_EXPIRY: number;
  readonly REFRESH_TOKEN_TTL: number;
  /** Null is for ever. */
  readonly EVENTS_RETENTION: number | null;
  /** Addresses and CIDR ranges whose `X-Forwarded-For` is believed. */
  readonly TRUST_PROXY: string[];
  /** Origins whose pages may call the service, `*` for all. */
  readonly CORS_ORIGINS: string[];
  /** Addresses and CIDR ranges that webhooks may be sent to though they are not public. */
  readonly WEBHOOK_ALLOW_NETWORKS: string[];
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
  assertMode(variables['NODE_ENV']);
  const production = variables['NODE_ENV'] === 'production';
  const given = set(variables);
  const complete = production ? given : { ...developmentSecrets(given, stateDirectory), ...given };
  const faults = [
    ...(production ? productionFaults(given) : []),
    ...sharedFaults(complete),
    ...mistakes(complete),
  ];
  const environment = readEnvironment(Environment, complete, faults);
  return {
    ...environment,
    REDIS_MODE: environment.REDIS_MODE ?? (environment.REDIS_URL === undefined ? 'off' : 'single'),
    production,
    WORKERS: environment.WORKERS === 'auto' ? availableParallelism() : Number(environment.WORKERS),
    JWT_EXPIRY: seconds(environment.JWT_EXPIRY),
    REFRESH_TOKEN_TTL: seconds(environment.REFRESH_TOKEN_TTL),
    EVENTS_RETENTION:
      environment.EVENTS_RETENTION === undefined ? null : retention(environment.EVENTS_RETENTION),
    TRUST_PROXY: list(environment.TRUST_PROXY),
    CORS_ORIGINS: list(environment.CORS_ORIGINS ?? (production ? '' : '*')),
    WEBHOOK_ALLOW_NETWORKS: list(environment.WEBHOOK_ALLOW_NETWORKS),
  };
}

const DatabaseEnvironment = Type.Pick(Environment, ['DATABASE_URL', 'DATABASE_DIRECT_URL']);

/**
 * Reads only where the database is, for tools that need no other setting.
 * @throws StartError that lists every fault at once.
 */
export function loadDatabaseUrls(variables: Variables): Static<typeof DatabaseEnvironment> {
  assertMode(variables['NODE_ENV']);
  const { DATABASE_URL, DATABASE_DIRECT_URL } = set(variables);
  const given = set({ DATABASE_URL, DATABASE_DIRECT_URL });
  return readEnvironment(DatabaseEnvironment, given, [...urlMistakes(given)]);
}

/**
 * The secret that the service in this folder would use.
 * @throws StartError if it is missing in production, or is bad
 */
export function loadJwtSecret(variables: Variables): string {
  assertMode(variables['NODE_ENV']);
  const given = set({ JWT_SECRET: variables['JWT_SECRET'] });
  if (variables['NODE_ENV'] !== 'production' && given['JWT_SECRET'] === undefined)
    Object.assign(given, { JWT_SECRET: developmentSecrets({}, STATE_DIRECTORY)['JWT_SECRET'] });
  return readEnvironment(Type.Object({ JWT_SECRET: Secret }), given, []).JWT_SECRET;
}

/** An empty variable (`JWT_SECRET=`) is how compose files and shells say "not set". */
const set = (variables: Variables): Variables =>
  Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== '' && value !== undefined));

/**
 * What is not set, and what is made up, depends on the mode: no other fault can be told before it is clear.
 * @throws StartError
 */
export function assertMode(mode: string | undefined): void {
  if (!mode || MODES.includes(mode)) return;
  throw new StartError(`NODE_ENV is "${mode}", but must be production, development or test.`);
}

/** @param known faults that were found already */
function readEnvironment<Schema extends TObject>(
  schema: Schema,
  variables: Variables,
  known: readonly string[],
): Static<Schema> {
  const faults = [...known];
  try {
    const environment = envSchema<Static<Schema>>({ schema, data: variables, env: false });
    if (faults.length === 0) return environment;
  } catch (error) {
    faults.push(...schemaFaults(error));
  }
  throw new StartError(`The environment is not usable:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`);
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
  return error.errors.map(({ instancePath, message, params }) => {
    if (params.missingProperty !== undefined) return `${params.missingProperty} is missing`;
    const name = instancePath.slice(1);
    const reason = Object.entries(Environment.properties).find(([known]) => known === name)?.[1].description;
    return `${name} ${message}${reason === undefined ? '' : ` (${reason})`}`;
  });
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
  if (REDIS_MODE !== 'cluster' && REDIS_URL?.includes(',')) {
    faults.push('REDIS_URL names several nodes: for a cluster, set REDIS_MODE to "cluster"');
  }
  if (variables['DATABASE_DIRECT_URL'] !== undefined && variables['DATABASE_URL'] === undefined) {
    faults.push('DATABASE_DIRECT_URL goes with a DATABASE_URL, which is missing');
  }
  if (collector?.startsWith('http') && !URL.canParse(collector)) {
    faults.push('OTEL_EXPORTER_OTLP_ENDPOINT is not a URL');
  }
  if (
    variables['ADMIN_PORT'] !== undefined &&
    variables['ADMIN_PORT'] === (variables['PORT'] ?? '3000') &&
    variables['ADMIN_PORT'] !== '0'
  ) {
    faults.push('ADMIN_PORT is PORT: leave it out, or choose another port');
  }
  for (const name of ['TRUST_PROXY', 'WEBHOOK_ALLOW_NETWORKS']) {
    for (const entry of list(variables[name] ?? ''))
      if (!isAddressRange(entry)) faults.push(`${name}: "${entry}" is not an address or a CIDR range`);
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
