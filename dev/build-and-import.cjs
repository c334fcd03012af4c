const { join } = require('node:path');
const { pathToFileURL } = require('node:url');
const { endWithShell } = require('./end-with-shell.cjs');

const [node, , name, ...given] = process.argv;

process.setSourceMapsEnabled(true);
endWithShell();
run();

async function run() {
  const { build } = await import('./build.js');
  try {
    await build();
  } catch (error) {
    if (!('errors' in error)) throw error;
    process.exit(1); // Faults in the sources: esbuild has printed them.
  }
  if (name === undefined) return;
  const file = join(__dirname, '..', 'dist', `${name}.js`);
  process.argv = [node, file, ...given];
  await import(pathToFileURL(file).href);
}
