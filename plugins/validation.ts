import fp from 'fastify-plugin';
import { NAMED_SCHEMAS } from '../schemas/index.js';
import { bodyValidators, serializers, textValidators } from '../src/http/schema-compilers.js';

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
    app.setValidatorCompiler(({ schema, httpPart }) =>
      (httpPart === 'body' ? bodyValidators : textValidators).compile(schema),
    );
    app.setSerializerCompiler(({ schema }) => serializers.compile(schema));
  },
  { name: 'validation', fastify: '5.x' },
);
