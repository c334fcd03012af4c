import Ajv, { type Options } from 'ajv';
import addFormats from 'ajv-formats';
import fastJsonStringify from 'fast-json-stringify';
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

const named = Object.fromEntries(NAMED_SCHEMAS.map((schema) => [schema.$id, schema]));

export const serializers = new SchemaCompiler((schema) => fastJsonStringify(schema, { schema: named }));
/** Of bodies, which say what type a value is. */
export const bodyValidators = new SchemaCompiler(validator({ coerceTypes: false }));
/** Of query strings and paths, which have only text. */
export const textValidators = new SchemaCompiler(validator({ coerceTypes: true }));

function validator(types: Options) {
  // All faults of a request are reported at once: bodies and URLs are small, so there cannot be many.
  const ajv = new Ajv.default({
    ...{ allErrors: true, useDefaults: true, removeAdditional: false, strict: false },
    ...types,
  });
  addFormats.default(ajv);
  for (const schema of NAMED_SCHEMAS) ajv.addSchema(schema);
  return (schema: object) => ajv.compile(schema);
}
