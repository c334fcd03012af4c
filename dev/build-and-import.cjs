const { join } = require('node:path');

process.setSourceMapsEnabled(true);
const [node, , module_, ...given] = process.argv;

import('./build.js').then(async ({ build }) => {
  await build();
  if (module_ === undefined) return;
  const file = join(__dirname, '..', 'dist', `${module_}.js`);
  process.argv = [node, file, ...given];
  await import(file);
});
