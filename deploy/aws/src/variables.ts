import { Secret as TaskSecret } from 'aws-cdk-lib/aws-ecs';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import type { Construct } from 'constructs';
import { STAGES, type Stage } from './stage.js';

/** Every variable of the service, as in docs/configuration.md: a test compares the two. */
export const VARIABLES: readonly string[] = [
  ...['NODE_ENV', 'WORKERS', 'HOST', 'PORT', 'SERVICE_NAME', 'LOG_LEVEL', 'OTEL_EXPORTER_OTLP_ENDPOINT'],
  ...['DATABASE_URL', 'DATABASE_DIRECT_URL', 'DATABASE_POOL_SIZE'],
  ...['DATABASE_REPLICA_URL', 'DATABASE_REPLICA_MAX_LAG_MS', 'EVENTS_RETENTION'],
  ...['REDIS_MODE', 'REDIS_URL', 'REDIS_SYNC_INTERVAL', 'PROJECTION_MEMORY_MB'],
  ...['JWT_SECRET', 'JWT_SECRET_PREVIOUS', 'JWT_EXPIRY', 'REFRESH_TOKEN_TTL'],
  ...['ACTION_TOKEN_SECRET', 'ACTION_TOKEN_SECRET_PREVIOUS', 'ACTION_TOKEN_TTL'],
  ...['RATE_LIMIT_SCORE_UPDATE', 'RATE_LIMIT_AUTH', 'RATE_LIMIT_READ', 'RATE_LIMIT_WINDOW_MS'],
  ...['SSE_PING_INTERVAL', 'SSE_FLUSH_INTERVAL_MS', 'SSE_STALL_TIMEOUT_MS'],
  ...['SSE_MAX_CONNECTIONS', 'SSE_MAX_CONNECTIONS_PER_IP', 'TRUST_PROXY', 'CORS_ORIGINS'],
  ...['WEBHOOK_ALLOW_NETWORKS', 'ADMIN_CONSOLE', 'ADMIN_PORT'],
];
/** Their values would be readable in templates and task definitions, so they must be in Secrets Manager. */
const SECRETS = /^(REDIS_URL|(JWT|ACTION_TOKEN)_SECRET(_PREVIOUS)?)$/;
/** The stack itself computes with these. */
const NUMBERS = /^(PORT|SSE_MAX_CONNECTIONS)$/;

const ASSIGNMENT = /^(?:([a-z]+)\.)?([A-Z][A-Z0-9_]*)=(.*)$/;
/** The ARN of a secret, and if it is JSON the name of a field. */
const SECRET_ARN = /^(arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d+:secret:[^:]+-\w{6})(?::(\w+))?$/;
/** `//user:password@` */
const PASSWORD = /\/\/[^/]*:[^/]*@/;

/** One variable, for one stage or for all. */
export interface Assignment {
  readonly stage: string | undefined;
  readonly name: string;
  readonly value: string;
}

/**
 * Reads `NAME=value` and `<stage>.NAME=value`, separated by spaces or line breaks.
 * @param faults gets a sentence for each that is not usable
 */
export function readVariables(text: string, faults: string[]): Assignment[] {
  return text
    .split(/\s+/)
    .filter((word) => word !== '')
    .flatMap((word) => {
      const [, stage, name = '', value = ''] = ASSIGNMENT.exec(word) ?? [];
      const fault = faultOf({ stage, name, value });
      // Not the value, which may be a secret.
      if (fault !== null) faults.push(`variables: ${name || `"${word}"`} ${fault}`);
      return fault === null ? [{ stage, name, value }] : [];
    });
}

function faultOf({ stage, name, value }: Assignment): string | null {
  if (name === '') return 'is not like NAME=value';
  if (stage !== undefined && !STAGES.some((known) => known === stage))
    return `is for the stage "${stage}", but the stages are ${STAGES.join(', ')}`;
  if (!VARIABLES.includes(name)) return 'is no variable of the service';
  if (value === '' || SECRET_ARN.test(value)) return null;
  if (SECRETS.test(name) || PASSWORD.test(value))
    return 'is a secret: put it into Secrets Manager, and give the ARN of that';
  if (NUMBERS.test(name) && !/^[1-9]\d{0,8}$/.test(value)) return 'is not a number';
  return null;
}

/** What the container of a stage gets. */
export interface Environment {
  readonly environment: Record<string, string>;
  readonly secrets: Record<string, TaskSecret>;
}

/** The variables of a stage over what the stack gives by itself. Those for the stage win over those for all. */
export function withVariables(
  scope: Construct,
  stage: Stage,
  assignments: readonly Assignment[],
  given: Environment,
): Environment {
  const environment = { ...given.environment };
  const secrets = { ...given.secrets };
  for (const [name, value] of variablesOf(stage, assignments)) {
    delete environment[name];
    delete secrets[name];
    const [, arn, field] = SECRET_ARN.exec(value) ?? [];
    if (arn === undefined) environment[name] = value;
    else {
      const secret = Secret.fromSecretCompleteArn(scope, name, arn);
      secrets[name] = TaskSecret.fromSecretsManager(secret, field);
    }
  }
  return { environment, secrets };
}

/** The variables of a stage by name. */
export function variablesOf(stage: Stage, assignments: readonly Assignment[]): Map<string, string> {
  const ofStage = assignments.filter((assignment) => assignment.stage === stage.name);
  const ofAll = assignments.filter((assignment) => assignment.stage === undefined);
  return new Map([...ofAll, ...ofStage].map(({ name, value }) => [name, value]));
}

const PORTS: Readonly<Record<string, number>> = {
  'http:': 80,
  'https:': 443,
  'postgres:': 5432,
  'postgresql:': 5432,
};

/** The ports of servers that the variables name, which the stack does not know. A URL of Redis is a secret: it has the usual one. */
export function portsOf(variables: ReadonlyMap<string, string>): number[] {
  const ports = [...variables].flatMap(([name, value]) => {
    if (name === 'REDIS_URL' && value !== '') return [6379];
    if (!/^[a-z]+:\/\//.test(value) || name === 'CORS_ORIGINS') return [];
    const { protocol, port } = new URL(value);
    return [Number(port) || PORTS[protocol] || 443];
  });
  return [...new Set(ports)].filter((port) => port !== 443);
}
