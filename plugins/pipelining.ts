import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import fp from 'fastify-plugin';

/**
 * A client may ask on before it is answered; the further answers wait for their turn. When the connection closes, Node
 * closes the answer whose turn it is and forgets those that wait. Here they are closed too: else their streams would keep
 * their seats for ever, and their requests would have no end in the log.
 */
export default fp(
  async (app) => {
    const waiting = new WeakMap<Socket, Set<ServerResponse>>();
    app.server.on('connection', (socket: Socket) => {
      const answers = new Set<ServerResponse>();
      waiting.set(socket, answers);
      socket.once('close', () => {
        for (const answer of answers) {
          if (answer.socket === null) answer.destroy().emit('close');
        }
      });
    });
    app.server.on('request', ({ socket }: IncomingMessage, answer: ServerResponse) => {
      const answers = waiting.get(socket);
      answers?.add(answer);
      answer.once('close', () => answers?.delete(answer));
    });
  },
  { name: 'pipelining', fastify: '5.x' },
);
