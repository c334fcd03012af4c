import type { Socket } from 'node:net';
import fp from 'fastify-plugin';
import { Problem } from '../src/errors.js';

declare module 'fastify' {
  interface FastifyInstance {
    /** True from the moment the service begins to shut down. */
    readonly draining: boolean;
  }
}

/** Clients with a connection open have this long to hear on it that they must look elsewhere: see below. */
const LINGER_MS = 500;
/** What is not answered by then, because its client sends or reads too slowly, is cut off. */
const GRACE_MS = 10_000;

/** While the service shuts down it finishes what is under way and refuses what is new. */
export default fp(
  async (app) => {
    let draining = false;
    app.decorate('draining', { getter: () => draining });
    // Node closes idle connections by itself, but one that never sent a request counts as busy, for ever.
    const unused = new Set<Socket>();
    app.server.on('connection', (socket: Socket) => {
      unused.add(socket);
      socket.once('close', () => unused.delete(socket));
    });
    app.server.on('request', ({ socket }) => unused.delete(socket));
    // Node closes idle connections at once, also those on which a request is just on its way: its client would hear nothing.
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
    // Else a connection whose request was under way would be kept open after its answer.
    app.addHook('onSend', (_request, reply, payload, done) => {
      if (draining) reply.header('connection', 'close');
      done(null, payload);
    });
  },
  { name: 'draining', dependencies: ['problem-details'], fastify: '5.x' },
);
