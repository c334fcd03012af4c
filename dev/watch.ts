import { main, withDatabase } from '../scripts/database.js';
import { interruption, rerun } from './rerun.js';

const FOLDERS = ['src', 'plugins', 'routes', 'schemas', 'dev', 'client/src', 'console/src', 'migrations'];

/** `npm run dev`: serves as `npm start` does, and starts again at each change of a source. PostgreSQL stays up meanwhile. */
await main(async () => {
  const signal = interruption();
  await withDatabase(() => rerun(FOLDERS, signal, 'src/server'));
});
