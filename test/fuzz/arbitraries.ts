import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import fc, { type Arbitrary } from 'fast-check';
import { ActionId, LeaderboardId } from '../../schemas/common.js';
import { character } from '../character.js';

/** As much of a JSON schema as the document of the service uses. */
const Node = Type.Partial(
  Type.Object({
    $ref: Type.String(),
    type: Type.String(),
    const: Type.Unknown(),
    enum: Type.Array(Type.Unknown()),
    anyOf: Type.Array(Type.Unknown()),
    pattern: Type.String(),
    format: Type.String(),
    minLength: Type.Number(),
    maxLength: Type.Number(),
    minimum: Type.Number(),
    maximum: Type.Number(),
    properties: Type.Record(Type.String(), Type.Unknown()),
    required: Type.Array(Type.String()),
    items: Type.Unknown(),
    maxItems: Type.Number(),
  }),
);

const MAX_SAFE = Number.MAX_SAFE_INTEGER;

/** What no field is made for. */
export const nasty: Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    '',
    -1,
    0.5,
    1e308,
    MAX_SAFE,
    -MAX_SAFE,
    MAX_SAFE + 1,
    2 ** 63,
    'a\u0000b',
    '\u202Eevil\u2066',
    '\uD800',
    "'; DROP TABLE users; --",
    '<script>alert(1)</script>',
    '\r\ndata: {}\r\n\r\n',
    '%00',
    '{{7*7}}',
    'x'.repeat(5_000),
    [],
    {},
    [[[[[]]]]],
  ),
  fc.string({ unit: character, maxLength: 60 }),
  fc.jsonValue({ maxDepth: 3 }),
);

/** Values that a schema allows, with ids of what there is mixed in. */
export function valid(schema: unknown, root: unknown, known: readonly string[]): Arbitrary<unknown> {
  const node = Value.Parse(Node, schema);
  if (node.$ref !== undefined) {
    const path = node.$ref.replace('#/', '').split('/');
    return valid(
      path.reduce<unknown>((at, key) => Object(at)[key], root),
      root,
      known,
    );
  }
  if (node.const !== undefined) return fc.constant(node.const);
  if (node.enum !== undefined) return fc.constantFrom(...node.enum);
  if (node.anyOf !== undefined) return fc.oneof(...node.anyOf.map((option) => valid(option, root, known)));
  switch (node.type) {
    case 'integer':
    case 'number': {
      const { minimum: min = -MAX_SAFE, maximum: max = MAX_SAFE } = node;
      return fc.oneof(
        fc.maxSafeInteger().map((n) => min + (Math.abs(n) % (max - min + 1))),
        fc.constantFrom(min, max),
      );
    }
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    case 'array':
      return fc.array(valid(node.items ?? {}, root, known), { maxLength: Math.min(node.maxItems ?? 4, 4) });
    case 'object': {
      const required = new Set(node.required ?? []);
      const fields = Object.entries(node.properties ?? {}).map(
        ([name, field]): [string, Arbitrary<unknown>] => [name, valid(field, root, known)],
      );
      return fc.record(Object.fromEntries(fields), { requiredKeys: [...required] });
    }
    case 'string':
      return text(node, known);
    default:
      return fc.jsonValue({ maxDepth: 2 });
  }
}

function text(
  node: { pattern?: string; format?: string; minLength?: number; maxLength?: number },
  known: readonly string[],
) {
  const { pattern, format, minLength = 0, maxLength = 40 } = node;
  if (format === 'date-time')
    return fc
      .date({ min: new Date(0), max: new Date('2100-01-01'), noInvalidDate: true })
      .map((date) => date.toISOString());
  if (pattern === undefined) return fc.string({ minLength, maxLength: Math.min(maxLength, 300) });
  const expression = new RegExp(pattern);
  const fitting = known.filter((id) => expression.test(id));
  const isSlug = pattern === ActionId.pattern || pattern === LeaderboardId.pattern;
  if (fitting.length > 0 && isSlug) return fc.constantFrom(...fitting);
  // fast-check makes no strings for a look-ahead.
  const made = pattern.includes('(?')
    ? fc.string({ minLength, maxLength: Math.min(maxLength, 40) })
    : fc.stringMatching(expression);
  return fitting.length === 0 ? made : fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...fitting) }, made);
}

/** A value with one thing wrong, or everything. */
export function broken(good: Arbitrary<unknown>): Arbitrary<unknown> {
  return fc.oneof(
    nasty,
    fc.tuple(good, nasty, fc.nat(), fc.constantFrom('replace', 'drop', 'add')).map(([value, bad, n, how]) => {
      const entries = Object.entries(Object(value));
      const at = n % Math.max(entries.length, 1);
      if (how === 'add') return Object.fromEntries([...entries, ['unknown', bad]]);
      if (how === 'drop') return Object.fromEntries(entries.filter((_, i) => i !== at));
      return Object.fromEntries(entries.map(([key, old], i) => [key, i === at ? bad : old]));
    }),
  );
}
