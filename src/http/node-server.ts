import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { spreadReads } from './read-turns.js';

/** Beside two connections for each stream: a connection above that is closed at once, before it costs memory. */
const SPARE_CONNECTIONS = 1_000;

/** What Fastify leaves to Node's server, and Node does not do as the service needs it. */
export function adjustServer(server: Server, maxStreams: number): void {
  server.maxConnections = 2 * maxStreams + SPARE_CONNECTIONS;
  // Node would answer 417 by itself, without a request id. RFC 9110 lets us ignore an expectation that we do not know.
  server.on('checkExpectation', (request, response) => server.emit('request', request, response));
  spreadReads(server);
  // Listens from here on: before Fastify, and before a read waits for its turn.
  endPipelinedResponses(server);
}

/**
 * A client may send its next request before the last one is answered. Such a response has no socket until its turn comes,
 * and Node does not close it when the connection ends before. Here it is closed: a stream gives back its connection slot, and
 * the request is counted as ended.
 */
function endPipelinedResponses(server: Server): void {
  const queues = new WeakMap<Socket, Set<ServerResponse>>();
  // First of all listeners: a response that Fastify has answered has no socket either.
  server.prependListener('request', ({ socket }, response) => {
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
}
