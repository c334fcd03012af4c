import { parseArgs } from 'node:util';
import pg from 'pg';
import { ServiceAccounts } from '../src/identity/service-accounts.js';
import { migrate } from '../src/migrate.js';
import { StartError } from '../src/start-error.js';
import { main, withDatabase } from './database.js';

const USAGE = 'Usage: npm run service-account -- create <name> --role server|admin';

await main(async () => {
  const { name, role } = readArguments();
  const { id, secret } = await withDatabase(async (url) => {
    await migrate(url);
    const client = new pg.Client(url);
    await client.connect();
    try {
      return await new ServiceAccounts(client).create(name, role);
    } finally {
      await client.end();
    }
  });
  console.log(`Service account "${name}" with the role ${role}. The secret is shown only now.

  client_id      ${id}
  client_secret  ${secret}

An access token for it:

  curl -s -u ${id}:${secret} -d grant_type=client_credentials http://localhost:3000/v1/auth/token
`);
});

function readArguments(): { name: string; role: 'server' | 'admin' } {
  try {
    const { positionals, values } = parseArgs({
      allowPositionals: true,
      options: { role: { type: 'string' } },
    });
    const [command, name, ...rest] = positionals;
    const { role } = values;
    if (command === 'create' && name && rest.length === 0 && (role === 'server' || role === 'admin'))
      return { name, role };
  } catch (error) {
    throw new StartError(USAGE, { cause: error });
  }
  throw new StartError(USAGE);
}
