import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { build, transform } from 'esbuild';
import { writeWhole } from '../dev/write-whole.js';

const HERE = import.meta.dirname;

/** Writes client/dist/: the SDK for Node, and the files that the service serves, with compressed variants for plugins/site.ts. */
export async function buildForBrowsers() {
  const [forNode, ...served] = await Promise.all([
    buildSdkForNode(),
    buildSdk(),
    buildElement(),
    buildPage(),
    buildStyle(),
  ]);
  for (const { path, contents } of forNode) writeWhole(path, contents);
  for (const { path, contents } of served.flat()) serve(path, contents);
  serve(join(HERE, 'dist/client.d.ts'), readFileSync(join(HERE, 'client.d.ts')));
  serve(join(HERE, 'dist/site/index.html'), readFileSync(join(HERE, 'src/game/index.html')));
  serve(join(HERE, 'dist/site/game.svg'), readFileSync(join(HERE, 'src/game/icon.svg')));
}

/** Writes a file that is served, with its compressed variants. */
export function serve(path, contents) {
  writeWhole(path, contents);
  writeWhole(`${path}.gz`, gzipSync(contents, { level: 9 }));
  writeWhole(`${path}.br`, brotliCompressSync(contents));
}

/** One file that pages import, from the service, a CDN or through a bundler. */
const buildSdk = () =>
  bundle({
    entryPoints: { client: 'src/index.ts' },
    outdir: 'dist',
    minify: true,
    format: 'esm',
    target: 'es2022',
  });

/** Node has no EventSource: there the SDK uses a package. */
const buildSdkForNode = () =>
  bundle({
    entryPoints: { 'client.node': 'src/index.ts' },
    outdir: 'dist',
    platform: 'node',
    packages: 'external',
    sourcemap: false,
    format: 'esm',
    target: 'node20',
  });

/** One file that pages load with a script tag. */
const buildElement = () =>
  bundle({
    entryPoints: ['src/widget/live-leaderboard.ts'],
    outfile: 'dist/widget.js',
    minify: true,
    format: 'iife',
    target: 'es2022',
    plugins: [minifiedCss],
  });

/** @type {import('esbuild').Plugin} */
const minifiedCss = {
  name: 'minified CSS as text',
  setup: ({ onLoad }) =>
    onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const { code } = await transform(readFileSync(path, 'utf8'), { loader: 'css', minify: true });
      return { contents: code.trim(), loader: 'text' };
    }),
};

/** The start page. */
const buildPage = () =>
  bundle({
    entryPoints: { game: 'src/game/main.ts' },
    outdir: 'dist/site',
    minify: true,
    format: 'esm',
    target: 'es2022',
  });

const buildStyle = () =>
  bundle({
    entryPoints: { game: 'src/game/game.css' },
    outdir: 'dist/site',
    minify: true,
    // By default esbuild expands light-dark() for older browsers, which lack popovers anyway.
    target: ['chrome123', 'firefox125', 'safari17.5'],
  });

/** The files of a bundle, which are not written yet. */
export async function bundle(options) {
  const { outputFiles } = await build({
    absWorkingDir: HERE,
    bundle: true,
    sourcemap: true,
    legalComments: 'none',
    write: false,
    ...options,
  });
  return outputFiles;
}
