import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { container, templateOf, type Value } from './templates.js';

/** A value with names instead of references that are resolved at deployment. */
function filledIn(value: Value): string {
  if (typeof value === 'string') return value;
  const parts: Value[] = value['Fn::Join'][1];
  return parts
    .map((part) =>
      typeof part === 'string'
        ? part
        : `${part['Fn::GetAtt'][0].replace(/[0-9A-F]{8}$/, '')}.example`.toLowerCase(),
    )
    .join('');
}

test('container-environment.json, which tests of the service load, is the environment of the service', () => {
  const { Environment, Secrets } = container(templateOf('ScoreboardProduction'), 'api');
  assert.deepEqual(
    {
      environment: Object.fromEntries(Environment.map(({ Name, Value }: Value) => [Name, filledIn(Value)])),
      secrets: Secrets.map(({ Name }: Value) => Name),
    },
    JSON.parse(readFileSync('test/container-environment.json', 'utf8')),
  );
});
