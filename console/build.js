import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundle, serve } from '../client/build.js';

const HERE = import.meta.dirname;
const CLIENT = join(HERE, '../client/src/index.ts');

/** Writes console/dist/: the console, with compressed variants for plugins/site.ts. */
export async function buildConsole() {
  const [script, style] = await Promise.all([buildScript(), buildStyle()]);
  for (const { path, contents } of [...script, ...style]) serve(path, contents);
  for (const name of ['index.html', 'icon.svg'])
    serve(join(HERE, 'dist', name), readFileSync(join(HERE, 'src', name)));
}

const buildScript = () =>
  bundle({
    absWorkingDir: HERE,
    entryPoints: { console: 'src/main.ts' },
    outdir: 'dist',
    minify: true,
    format: 'esm',
    target: 'es2022',
    // From its sources: what is built of them may be of before.
    alias: { '@scoreboard/client': CLIENT },
  });

const buildStyle = () =>
  bundle({
    absWorkingDir: HERE,
    entryPoints: { console: 'src/styles/console.css' },
    outdir: 'dist',
    minify: true,
    target: ['chrome123', 'firefox125', 'safari17.5'],
  });
