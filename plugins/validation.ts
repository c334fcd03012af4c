import Ajv, { type Options } from 'ajv';
import addFormats from 'ajv-formats';
import fp from 'fastify-plugin';
import { NAMED_SCHEMAS } from '../schemas/index.js';

/** All faults of a request are told at once: bodies and URLs are small, so there cannot be many. */
const COMMON: Options = { allErrors: true, useDefaults: true, removeAdditional: false, strict: false };

/** Checks what comes in against the TypeBox schemas of the routes, and makes the named ones known. */
export default fp(
  async (app) => {
    // Fastify would read text/plain as well. Nothing here is that, so it is a 415.
    app.removeAllContentTypeParsers();
    const parseJson = app.getDefaultJsonParser('error', 'error');
    app.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (request, text, done) => {
      // Clients that always send the header send it with a DELETE too: nothing is no body, not a bad one.
      if (text === '') done(null, undefined);
      else parseJson(request, text, done);
    });
    for (const schema of NAMED_SCHEMAS) app.addSchema(schema);
    // A body says what type a value is; a query string or a path has only text.
    const body = new Ajv.default({ ...COMMON, coerceTypes: false });
    const text = new Ajv.default({ ...COMMON, coerceTypes: true });
    for (const ajv of [body, text]) {
      addFormats.default(ajv);
      for (const schema of NAMED_SCHEMAS) ajv.addSchema(schema);
    }
    app.setValidatorCompiler(({ schema, httpPart }) => (httpPart === 'body' ? body : text).compile(schema));
  },
  { name: 'validation', fastify: '5.x' },
);
