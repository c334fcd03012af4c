import type { preValidationHookHandler } from 'fastify';
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
    // A body whose schema has a default may be left out.
    app.addHook('onRoute', (route) => {
      const absent: unknown = Object(route.schema?.body).default;
      if (absent === undefined) return;
      const fill: preValidationHookHandler = (request, _reply, done) => {
        if (request.body === undefined) request.body = absent;
        done();
      };
      route.preValidation = [fill, ...[route.preValidation ?? []].flat()];
    });
    for (const schema of NAMED_SCHEMAS) app.addSchema(schema);
    app.setValidatorCompiler(({ schema, httpPart }) =>
      (httpPart === 'body' ? bodyValidators : textValidators).compile(schema),
    );
    app.setSerializerCompiler(({ schema }) => serializers.compile(schema));
  },
  { name: 'validation', fastify: '5.x' },
);
