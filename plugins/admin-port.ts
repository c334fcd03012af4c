import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import type { FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import type { AppConfig } from '../src/config.js';
import { Problem } from '../src/errors.js';

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * Listens at ADMIN_PORT too, if it is set. @returns the port, or null
     * @throws Error if the port cannot be had
     */
    openAdminPort(host: string): Promise<number | null>;
    /** Answers 404 to who asks for administration at another port than its own. For `onRequest`. */
    onlyAtAdminPort(request: FastifyRequest, reply: FastifyReply): Promise<void>;
  }
}

/**
 * With ADMIN_PORT, the console and all of `/v1/admin` answer there alone, so that a firewall for one port keeps everything that
 * administrators may do from strangers: also with a stolen password or secret. Everything else answers at both ports, because the
 * console shows the boards that everybody sees. It is one server, with one set of limits.
 */
export default fp<{ config: AppConfig }>(
  async (app, { config }) => {
    const { ADMIN_PORT } = config;
    const ours = new WeakSet<Socket>();
    let close = () => {};
    app.addHook('preClose', async () => close());
    app.decorate('openAdminPort', async (host: string) => {
      if (ADMIN_PORT === undefined) return null;
      // As http.Server sets them for its own connections.
      const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
        ours.add(socket);
        app.server.emit('connection', socket);
      });
      server.maxConnections = app.server.maxConnections;
      server.listen(ADMIN_PORT, host);
      await once(server, 'listening');
      close = () => {
        server.close();
      };
      const address = server.address();
      return typeof address === 'object' ? (address?.port ?? null) : null;
    });
    app.decorate('onlyAtAdminPort', async (request: FastifyRequest, reply: FastifyReply) => {
      if (ADMIN_PORT === undefined || ours.has(request.raw.socket)) return;
      await app.countRequest(request, reply);
      throw new Problem('not-found', `There is no ${request.method} ${request.url.split('?')[0]}.`);
    });
  },
  { name: 'admin-port', dependencies: ['rate-limit', 'problem-details'], fastify: '5.x' },
);
