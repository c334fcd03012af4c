/* Loaded into each process of `npx tap`: a test is named by its source, and what runs is what was built of it. */
import { existsSync, readFileSync } from 'node:fs';
import { register } from 'node:module';

const ENVIRONMENT = '.tap/environment.json';

register('./built.js', import.meta.url);
/* c8 ignore next */ // The first time `before` runs, the file is not there.
if (existsSync(ENVIRONMENT)) Object.assign(process.env, JSON.parse(readFileSync(ENVIRONMENT, 'utf8')));
