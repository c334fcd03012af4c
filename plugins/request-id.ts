import fp from 'fastify-plugin';

/** Every response names the request that it answers. */
export default fp(
  async (app) => {
    app.addHook('onRequest', (request, reply, done) => {
      // After a reset there is no address left to count the request by, and nobody to receive an answer.
      if (request.raw.socket.remoteAddress === undefined) {
        reply.hijack();
        request.raw.socket.destroy();
        return;
      }
      reply.header('x-request-id', request.id);
      done();
    });
  },
  { name: 'request-id', fastify: '5.x' },
);
