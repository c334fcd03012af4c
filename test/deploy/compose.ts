import { readFileSync } from 'node:fs';
import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { parse } from 'yaml';

const Texts = Type.Array(Type.String());
const Service = Type.Object({
  image: Type.Optional(Type.String()),
  build: Type.Optional(Type.String()),
  profiles: Type.Optional(Texts),
  entrypoint: Type.Optional(Texts),
  command: Type.Optional(Texts),
  environment: Type.Optional(Type.Record(Type.String(), Type.Union([Type.String(), Type.Number()]))),
  volumes: Type.Optional(Texts),
  networks: Type.Optional(
    Type.Union([
      Texts,
      Type.Record(
        Type.String(),
        Type.Union([Type.Null(), Type.Object({ ipv4_address: Type.Optional(Type.String()) })]),
      ),
    ]),
  ),
  extra_hosts: Type.Optional(Texts),
  ports: Type.Optional(Texts),
  restart: Type.Optional(Type.String()),
  healthcheck: Type.Optional(Type.Object({})),
  extends: Type.Optional(Type.Object({ file: Type.String(), service: Type.String() })),
  depends_on: Type.Optional(Type.Record(Type.String(), Type.Object({ condition: Type.String() }))),
});
const Compose = Type.Object({
  services: Type.Record(Type.String(), Service),
  networks: Type.Optional(
    Type.Record(
      Type.String(),
      Type.Union([Type.Null(), Type.Object({ internal: Type.Optional(Type.Boolean()) })]),
    ),
  ),
  volumes: Type.Optional(Type.Record(Type.String(), Type.Null())),
});
export type Compose = Static<typeof Compose>;

/**
 * Reads a compose file like the engine's client: with its anchors, and variables for `${…}`.
 * @throws Error if a required variable is missing or empty
 */
export function readCompose(file: string, variables: Record<string, string> = {}): Compose {
  const text = readFileSync(file, 'utf8')
    .replaceAll(/(?<!\$)\$\{(\w+)(?:(:[-?])([^}]*))?\}/g, (_, name: string, operator?: string, rest = '') => {
      const value = variables[name] ?? '';
      if (value === '' && operator === ':?')
        throw new Error(`required variable ${name} is missing a value: ${rest}`);
      return value === '' && operator === ':-' ? rest : value;
    })
    .replaceAll('$$', '$');
  return Value.Parse(Compose, parse(text, { merge: true }));
}

/** The service of a file. */
export function serviceOf({ services }: Compose, name: string): Static<typeof Service> {
  const service = services[name];
  if (service === undefined) throw new Error(`There is no service ${name}`);
  return service;
}

/** The address of a service in the network `stack`. */
export function addressOf(compose: Compose, name: string): string | undefined {
  const { networks } = serviceOf(compose, name);
  return Array.isArray(networks) ? undefined : networks?.['stack']?.ipv4_address;
}
