import { parseArgs } from 'node:util';
import pg from 'pg';
import { type ServiceAccount, ServiceAccounts } from '../src/access/service-accounts.js';
import { poolOptions } from '../src/postgres/connection.js';
import { migrate } from '../src/postgres/migrate.js';
import { StartError } from '../src/start-error.js';
import { main, withDatabase } from './database.js';
import { printMigration } from './print-migration.js';

const USAGE = `Usage: npm run service-account -- create <name> --role server|admin
       npm run service-account -- list
       npm run service-account -- revoke <name>`;

type Command =
  | { readonly name: 'create'; readonly account: string; readonly role: ServiceAccount['role'] }
  | { readonly name: 'list' }
  | { readonly name: 'revoke'; readonly account: string };

await main(async () => {
  const command = readArguments();
  await withDatabase(async (url) => {
    await migrate(url, { report: printMigration });
    const options = {
      application_name: 'scoreboard-api service-account',
      connectionTimeoutMillis: 5_000,
      max: 1,
    };
    const pool = new pg.Pool(poolOptions(url, options, false));
    try {
      console.log(await run(command, new ServiceAccounts(pool)));
    } finally {
      await pool.end();
    }
  });
});

async function run(command: Command, accounts: ServiceAccounts): Promise<string> {
  if (command.name === 'list') {
    const lines = (await accounts.list()).map(
      ({ id, role, name, createdAt, revokedAt }) =>
        `${id}  ${role.padEnd(6)}  ${day(createdAt)}  ${revokedAt === null ? 'in force' : `revoked ${day(revokedAt)}`}  ${name}`,
    );
    return lines.join('\n') || 'There is no service account yet.';
  }
  if (command.name === 'revoke') {
    const id = await accounts.revoke(command.account);
    return `Service account "${command.account}" (${id}) is revoked; its access tokens have stopped working.`;
  }
  const { account, role } = command;
  const { id, secret } = await accounts.create(account, role);
  return `Service account "${account}" with the role ${role}. The secret is shown only once.

  client_id      ${id}
  client_secret  ${secret}

An access token for it, where $URL is the address of the service:

  curl -s -u ${id}:${secret} -d grant_type=client_credentials "$URL/v1/auth/token"
`;
}

function day(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}

function readArguments(): Command {
  try {
    const { positionals, values } = parseArgs({
      allowPositionals: true,
      options: { role: { type: 'string' } },
    });
    const [name, account, ...rest] = positionals;
    const { role } = values;
    if (rest.length === 0) {
      if (name === 'create' && account && (role === 'server' || role === 'admin'))
        return { name, account, role };
      if (name === 'list' && account === undefined && role === undefined) return { name };
      if (name === 'revoke' && account && role === undefined) return { name, account };
    }
  } catch (error) {
    throw new StartError(USAGE, { cause: error });
  }
  throw new StartError(USAGE);
}
