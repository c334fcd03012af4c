import type { FastifyPluginAsync } from 'fastify';
import { FOR_ALL_SITES } from '../src/http/browser-headers.js';

const { helmet, headers } = FOR_ALL_SITES;
/** Where Deno finds the types of a script. */
const TYPES = { 'x-typescript-types': './client.d.ts' };
/** By its name alone it would be a video. */
const TYPESCRIPT = { 'content-type': 'application/typescript; charset=utf-8' };

const routes: FastifyPluginAsync = async (app) => {
  app.serveBuilt('/client.js', { file: 'client.js', helmet, headers: { ...headers, ...TYPES } });
  app.serveBuilt('/client.js.map', { file: 'client.js.map', helmet, headers });
  app.serveBuilt('/client.d.ts', { file: 'client.d.ts', helmet, headers: { ...headers, ...TYPESCRIPT } });
};

export default routes;
