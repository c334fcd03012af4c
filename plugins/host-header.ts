import fp from 'fastify-plugin';
import { Problem } from '../src/errors.js';

/** HTTP/1.1 asks for exactly one Host header: of two, a proxy may have obeyed the one that we do not. RFC 9112, section 3.2. */
export default fp(
  async (app) => {
    app.addHook('onRequest', ({ raw: { rawHeaders, httpVersion } }, _reply, done) => {
      const hosts = count(rawHeaders, 'host');
      if (hosts > 1 || (hosts === 0 && httpVersion === '1.1'))
        done(new Problem('validation-failed', 'HTTP/1.1 requires exactly one Host header.'));
      else done();
    });
  },
  { name: 'host-header', dependencies: ['problem-details'], fastify: '5.x' },
);

/** @param headers names and values in turn */
function count(headers: readonly string[], name: string): number {
  let found = 0;
  for (let i = 0; i < headers.length; i += 2) {
    const header = headers[i];
    if (header?.length === name.length && header.toLowerCase() === name) found++;
  }
  return found;
}
