import type { FastifyPluginAsync } from 'fastify';
import { FOR_ALL_SITES } from '../src/http/browser-headers.js';

const routes: FastifyPluginAsync = async (app) => {
  app.serveBuilt('/widget.js', { file: 'widget.js', ...FOR_ALL_SITES });
  app.serveBuilt('/widget.js.map', { file: 'widget.js.map', ...FOR_ALL_SITES });
};

export default routes;
