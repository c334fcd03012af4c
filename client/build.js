import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { build, transform } from 'esbuild';

/** What the service serves; plugins/site.ts finds each file's compressed forms beside it. */
const served = [
  'dist/widget.js',
  'dist/widget.js.map',
  'dist/site/index.html',
  'dist/site/game.js',
  'dist/site/game.js.map',
  'dist/site/game.css',
  'dist/site/game.css.map',
  'dist/site/game.svg',
];

/** @type {import('esbuild').Plugin} */
const minifiedCss = {
  name: 'minified CSS as text',
  setup: ({ onLoad }) =>
    onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const { code } = await transform(readFileSync(path, 'utf8'), { loader: 'css', minify: true });
      return { contents: code.trim(), loader: 'text' };
    }),
};

/** One file that any page may load with a script tag. */
await build({
  entryPoints: ['src/widget/live-leaderboard.ts'],
  outfile: 'dist/widget.js',
  bundle: true,
  minify: true,
  sourcemap: true,
  format: 'iife',
  target: 'es2022',
  legalComments: 'none',
  plugins: [minifiedCss],
});

/** The start page. */
await build({
  entryPoints: { game: 'src/game/main.ts' },
  outdir: 'dist/site',
  bundle: true,
  minify: true,
  sourcemap: true,
  format: 'esm',
  target: 'es2022',
  legalComments: 'none',
});
// For its own sake esbuild would write light-dark() out as rules for browsers that lack it; these lack popovers too.
await build({
  entryPoints: { game: 'src/game/game.css' },
  outdir: 'dist/site',
  minify: true,
  sourcemap: true,
  target: ['chrome123', 'firefox125', 'safari17.5'],
});
mkdirSync('dist/site', { recursive: true });
copyFileSync('src/game/index.html', 'dist/site/index.html');
copyFileSync('src/game/icon.svg', 'dist/site/game.svg');

for (const file of served) {
  const bytes = readFileSync(file);
  writeFileSync(`${file}.gz`, gzipSync(bytes, { level: 9 }));
  writeFileSync(`${file}.br`, brotliCompressSync(bytes));
}
