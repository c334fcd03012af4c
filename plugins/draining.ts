import type { Socket } from 'node:net';
import fp from 'fastify-plugin';
import { Problem } from '../src/errors.js';

declare module 'fastify' {
  interface FastifyInstance {
    /** False while the database is being migrated, and from the moment the service begins to shut down. */
    readonly takesRequests: boolean;
  }
}

/** How long idle connections stay open, so that a request that is on its way is still answered, in milliseconds. */
const LINGER_MS = 500;
/** After this the connections of clients that send or read too slowly are closed, in milliseconds. */
const GRACE_MS = 10_000;

/** While the service shuts down it finishes requests that are under way and refuses new ones. */
export default fp(
  async (app) => {
    let draining = false;
    app.decorate('takesRequests', { getter: () => !draining });
    // Node closes idle connections by itself, but takes one that has never sent a request for busy, without end.
    const unused = new Set<Socket>();
    app.server.on('connection', (socket: Socket) => {
      unused.add(socket);
      socket.once('close', () => unused.delete(socket));
    });
    app.server.on('request', ({ socket }) => unused.delete(socket));
    // Node would close idle connections at once, also one on which a request is on its way: its client would get no answer.
    const closeIdle = app.server.closeIdleConnections.bind(app.server);
    app.server.closeIdleConnections = () => {
      setTimeout(closeIdle, LINGER_MS).unref();
    };
    app.addHook('preClose', async () => {
      draining = true;
      for (const socket of unused) socket.destroy();
      setTimeout(() => app.server.closeAllConnections(), GRACE_MS).unref();
    });
    app.addHook('onRequest', (request, _reply, done) => {
      if (draining && !request.routeOptions.url?.startsWith('/health')) {
        done(
          new Problem('service-unavailable', 'The service is shutting down. Another instance will answer.'),
        );
      } else {
        done();
      }
    });
    // Otherwise a connection whose request was under way would be kept open after its answer.
    app.addHook('onSend', (_request, reply, payload, done) => {
      if (draining) reply.header('connection', 'close');
      done(null, payload);
    });
  },
  { name: 'draining', dependencies: ['problem-details'], fastify: '5.x' },
);
