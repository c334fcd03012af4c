import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import fp from 'fastify-plugin';

/**
 * A client may send its next request before the last one is answered. Such a response has no socket until its turn comes,
 * and Node does not tell it when the connection ends before. Here it is told: a stream gives back its seat, and the request
 * is counted as ended.
 */
export default fp(
  async (app) => {
    const queues = new WeakMap<Socket, Set<ServerResponse>>();
    // Before Fastify: when it has answered, a response has no socket either.
    app.server.prependListener('request', ({ socket }, response) => {
      if (response.socket !== null) return;
      const queue = queues.get(socket) ?? new Set();
      queue.add(response);
      response.once('socket', () => queue.delete(response));
      if (queues.has(socket)) return;
      queues.set(socket, queue);
      socket.once('close', () => {
        for (const waiting of queue) {
          waiting.destroy();
          waiting.emit('close');
        }
      });
    });
  },
  { name: 'pipelining', fastify: '5.x' },
);
