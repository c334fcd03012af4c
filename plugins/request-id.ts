import fp from 'fastify-plugin';
import { Problem } from '../src/errors.js';

/** Every response says which request it answers. */
export default fp(
  async (app) => {
    app.addHook('onRequest', (request, reply, done) => {
      // Who has reset the connection has no address any more to count by, and hears no answer.
      if (request.raw.socket.remoteAddress === undefined) {
        reply.hijack();
        request.raw.socket.destroy();
        return;
      }
      reply.header('x-request-id', request.id);
      // Of two, a proxy before us may have obeyed the one that we do not. RFC 9112, section 3.2.
      const hosts = count(request.raw.rawHeaders, 'host');
      if (hosts > 1 || (hosts === 0 && request.raw.httpVersion === '1.1')) {
        done(new Problem('validation-failed', 'HTTP/1.1 asks for one Host header.'));
      } else {
        done();
      }
    });
    // Node would answer 417 by itself, without a request id. RFC 9110 lets us ignore what we do not know.
    app.server.on('checkExpectation', (request, response) => app.server.emit('request', request, response));
  },
  { name: 'request-id', dependencies: ['problem-details'], fastify: '5.x' },
);

/** @param headers names and values in turn */
function count(headers: readonly string[], name: string): number {
  let found = 0;
  for (let i = 0; i < headers.length; i += 2) if (headers[i]?.toLowerCase() === name) found++;
  return found;
}
