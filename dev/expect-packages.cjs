const { existsSync } = require('node:fs');
const { join } = require('node:path');

const [, , name, ...given] = process.argv;

// They are missing before `npm ci`, and after `npm prune --omit=dev` on a machine that only serves.
try {
  require.resolve('esbuild');
} catch {
  const built = `dist/${name}.js`;
  const isBuilt = /^(src|scripts)\//.test(name) && existsSync(join(__dirname, '..', built));
  const instead = isBuilt ? ['node', built, ...given].join(' ') : 'npm ci --include=dev';
  console.error('The packages that build this are not installed. Run: %s', instead);
  process.exit(1);
}
