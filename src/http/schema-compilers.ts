import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import Ajv, { type ErrorObject } from 'ajv';
import addFormats from 'ajv-formats';
import fastJsonStringify from 'fast-json-stringify';
import { FORMATS } from '../../schemas/common.js';
import { NAMED_SCHEMAS } from '../../schemas/index.js';

/** Compiles equal schemas once in a process: of some 270 response schemas, 24 differ. */
class SchemaCompiler<Compiled> {
  readonly #compile: (schema: object) => Compiled;
  readonly #compiled = new Map<string, Compiled>();

  constructor(compile: (schema: object) => Compiled) {
    this.#compile = compile;
  }

  compile(schema: object): Compiled {
    const text = JSON.stringify(schema);
    const known = this.#compiled.get(text);
    if (known !== undefined) return known;
    const compiled = this.#compile(schema);
    this.#compiled.set(text, compiled);
    return compiled;
  }

  /** How many different schemas were compiled. */
  get size(): number {
    return this.#compiled.size;
  }
}

interface TextCheck {
  (parameters: Record<string, unknown>): boolean;
  errors?: ErrorObject[];
}

const NO_TEXT: ErrorObject = {
  instancePath: '',
  schemaPath: '',
  keyword: 'utf8',
  params: {},
  message: 'must be percent-encoded UTF-8 without NUL',
};

/** As much of the schema of a query string or of a path as its conversion needs. */
const Parameters = Type.Object({
  properties: Type.Record(Type.String(), Type.Object({ type: Type.Optional(Type.String()) })),
});

const named = Object.fromEntries(NAMED_SCHEMAS.map((schema) => [schema.$id, schema]));

export const serializers = new SchemaCompiler((schema) =>
  fastJsonStringify(schema, { schema: named, ajv: { formats: FORMATS } }),
);

// All faults of a request are reported at once: bodies and URLs are small, so there cannot be many.
const ajv = new Ajv.default({ allErrors: true, useDefaults: true, removeAdditional: false, strict: false });
addFormats.default(ajv);
for (const [name, format] of Object.entries(FORMATS)) ajv.addFormat(name, format);
for (const schema of NAMED_SCHEMAS) ajv.addSchema(schema);

/** Of bodies, which say what type a value is. */
export const bodyValidators = new SchemaCompiler((schema) => ajv.compile(schema));
/** Of query strings and paths, which have only text. */
export const textValidators = new SchemaCompiler(textValidator);

/** How a text names a value of a type; what is written otherwise stays a text, and is refused as one. */
const READ: Record<string, (text: string) => unknown> = {
  integer: (text) => (/^-?\d+$/.test(text) ? Number(text) : text),
  number: (text) => (/^-?\d+(?:\.\d+)?$/.test(text) ? Number(text) : text),
  boolean: (text) => (text === 'true' ? true : text === 'false' ? false : text),
};

/** Ajv's own conversion would read `0x10`, `1e1` and ` 10` as numbers too. */
function textValidator(schema: object) {
  const validate = ajv.compile(schema);
  const types = Object.entries(Value.Parse(Parameters, schema).properties);
  const check: TextCheck = (parameters) => {
    check.errors = [];
    for (const [name, { type = '' }] of types) {
      const text = parameters[name];
      if (typeof text !== 'string') continue;
      if (text.includes('\0')) check.errors.push({ ...NO_TEXT, instancePath: `/${name}` });
      parameters[name] = READ[type]?.(text) ?? text;
    }
    if (check.errors.length === 0 && !validate(parameters)) check.errors = validate.errors ?? [];
    return check.errors.length === 0;
  };
  return check;
}
