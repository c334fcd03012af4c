import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fastifyStatic from '@fastify/static';
import type { RouteShorthandOptions } from 'fastify';
import fp from 'fastify-plugin';
import { StartError } from '../src/start-error.js';

interface BuiltFile {
  /** The workspace whose `dist` has it: `client` if absent. */
  readonly of?: 'client' | 'console';
  /** Its name there. */
  readonly file: string;
  /** Rules for browsers other than those for answers of the API. */
  readonly helmet?: RouteShorthandOptions['helmet'];
  readonly headers?: Readonly<Record<string, string>>;
}

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * Serves a file of the browser side at this path.
     * @throws StartError if it was not built
     */
    serveBuilt(path: string, built: BuiltFile): void;
  }
}

/** Seen from the compiled plugin. */
const builtOf = (workspace: string) => fileURLToPath(new URL(`../../${workspace}/dist`, import.meta.url));
/** Browsers take an update after five minutes, and for a day they use the old file while they fetch the new one. */
const CACHED = 'public, max-age=300, stale-while-revalidate=86400';

/** The files that `npm run build` makes for browsers, with ETag and 304, compressed beforehand. */
export default fp(
  async (app) => {
    await app.register(fastifyStatic, {
      root: builtOf('client'),
      serve: false,
      preCompressed: true,
      cacheControl: false,
    });
    // Of the scope that asks, whose hooks are for its files too.
    app.decorate(
      'serveBuilt',
      function (path: string, { of = 'client', file, helmet, headers = {} }: BuiltFile) {
        const root = builtOf(of);
        if (!existsSync(`${root}/${file}`)) {
          throw new StartError(`${of}/dist/${file} is missing. Make it: npm run build`);
        }
        this.get(
          path,
          {
            // Not counted: a file costs next to nothing, and a page that lacks one stays broken until it is loaded again.
            config: { limit: 'none' },
            schema: { hide: true },
            ...(helmet && { helmet }),
            // Last of all, because sendFile() sets its own type.
            onSend: (_request, reply, _payload, done) => {
              reply.headers({ 'cache-control': CACHED, ...headers });
              done();
            },
          },
          (_request, reply) => reply.sendFile(file, root),
        );
      },
    );
  },
  { name: 'site', dependencies: ['browsers'], fastify: '5.x' },
);
