import { build } from 'esbuild';

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
