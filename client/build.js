import { readFileSync, writeFileSync } from 'node:fs';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { build } from 'esbuild';

/** What the service serves; plugins/site.ts finds each file's compressed forms beside it. */
const served = ['dist/widget.js', 'dist/widget.js.map'];

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
});

for (const file of served) {
  const bytes = readFileSync(file);
  writeFileSync(`${file}.gz`, gzipSync(bytes, { level: 9 }));
  writeFileSync(`${file}.br`, brotliCompressSync(bytes));
}
