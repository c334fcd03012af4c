import { migrate } from '../../src/postgres/migrate.js';

/** A process that migrates, which a test can kill. */
const [, , url = '', folder = ''] = process.argv;
await migrate(url, { folder });
