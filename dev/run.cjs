/*
 * Runs a module of this project after bringing dist/ up to date: node dev/run.cjs src/server [arguments].
 * This file is plain old JavaScript without imports, so that a Node.js that is too old can read it and says so.
 */
var needed = require('../package.json').engines.node.replace('>=', '');
var wanted = needed.split('.').map(Number);
var found = process.version.slice(1).split('.').map(Number);

if (found[0] < wanted[0] || (found[0] === wanted[0] && found[1] < wanted[1])) {
  console.error('scoreboard-api needs Node.js %s or newer; this is %s.', needed, process.version);
  process.exit(1);
}
require('./expect-packages.cjs');
require('./build-and-import.cjs');
