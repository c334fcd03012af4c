import { interruption, rerun } from './rerun.js';

const FOLDERS = [
  'src',
  'plugins',
  'routes',
  'schemas',
  'scripts',
  'dev',
  'bench',
  'client/src',
  'console/src',
  'migrations',
  'test',
];

/** `npm run test:watch -- test/some.test.ts`: runs tests as `npm test` does, and again at each change of a source. */
await rerun(FOLDERS, interruption(), 'dev/test', process.argv.slice(2));
