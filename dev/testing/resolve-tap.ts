import type { ResolveHook } from 'node:module';

const FILE = /\.test\.js$/;
const OF_FILE = new URL('./tap-of-file.js', import.meta.url).href;

/** A hook of Node's loader: gives each file of tests a `tap` of its own. */
export const resolve: ResolveHook = (specifier, context, next) => {
  const { parentURL = '' } = context;
  if (specifier !== 'tap' || !FILE.test(parentURL)) return next(specifier, context);
  return { url: `${OF_FILE}?${encodeURIComponent(parentURL)}`, format: 'module', shortCircuit: true };
};
