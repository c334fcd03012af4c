import fp from 'fastify-plugin';
import { NAMED_SCHEMAS } from '../schemas/index.js';
import { parseJson } from '../src/http/bodies.js';
import { bodyValidators, serializers, textValidators } from '../src/http/schema-compilers.js';

/** Checks requests against the TypeBox schemas of the routes, and registers the schemas that have a name. */
export default fp(
  async (app) => {
    // Fastify would read text/plain as well. No route takes it, so it is answered with 415.
    app.removeAllContentTypeParsers();
    app.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, ({ headers }, body, done) =>
      done(null, parseJson(body, headers)),
    );
    app.addHook('preValidation', (request, _reply, done) => {
      // A body whose schema has a default may be left out.
      if (request.body === undefined) request.body = Object(request.routeOptions.schema?.body).default;
      done();
    });
    for (const schema of NAMED_SCHEMAS) app.addSchema(schema);
    app.setValidatorCompiler(({ schema, httpPart }) =>
      (httpPart === 'body' ? bodyValidators : textValidators).compile(schema),
    );
    app.setSerializerCompiler(({ schema }) => serializers.compile(schema));
  },
  { name: 'validation', fastify: '5.x' },
);
