import { parseArgs } from 'node:util';
import pg from 'pg';
import { SCOPES } from '../schemas/scope.js';
import type { ServiceAccount } from '../schemas/service-account.js';
import { known } from '../src/access/scopes.js';
import { type Powers, ServiceAccounts } from '../src/access/service-accounts.js';
import { Problem } from '../src/errors.js';
import { poolOptions } from '../src/postgres/connection.js';
import { migrate } from '../src/postgres/migrate.js';
import { StartError } from '../src/start-error.js';
import { main, withDatabase } from './database.js';
import { printMigration } from './print-migration.js';

const USAGE = `Usage: npm run service-account -- create <name> --role server|admin
       npm run service-account -- create <name> --scopes <scope>,<scope>,…
       npm run service-account -- list
       npm run service-account -- rotate <name> [--overlap <seconds>]
       npm run service-account -- revoke <name>
The scopes are ${SCOPES.join(', ')}.`;

const DEFAULT_OVERLAP = '86400';

type Command =
  | { readonly name: 'create'; readonly account: string; readonly powers: Powers }
  | { readonly name: 'list' }
  | { readonly name: 'rotate'; readonly account: string; readonly overlapSeconds: number }
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
    } catch (error) {
      throw error instanceof Problem ? new StartError(error.message, { cause: error }) : error;
    } finally {
      await pool.end();
    }
  });
});

async function run(command: Command, accounts: ServiceAccounts): Promise<string> {
  if (command.name === 'list') return (await list(accounts)) || 'There is no service account yet.';
  const { account } = command;
  if (command.name === 'create') {
    const { id, secret, role, scopes } = await accounts.create(account, command.powers);
    const what = role === null ? `the scopes ${scopes.join(', ')}` : `the role ${role}`;
    return `Service account "${account}" with ${what}. ${shown(id, secret)}`;
  }
  const id = await accounts.idOf(account);
  if (command.name === 'rotate') {
    const { secret } = await accounts.rotate(id, command);
    return `Service account "${account}" has another secret; the one before works for ${command.overlapSeconds} s more. ${shown(id, secret)}`;
  }
  await accounts.revoke(id);
  return `Service account "${account}" (${id}) is revoked; its access tokens have stopped working.`;
}

/** All that were ever made, oldest first. */
async function list(accounts: ServiceAccounts): Promise<string> {
  const lines: string[] = [];
  for (let before: string | null = null; ; ) {
    const page: ServiceAccount[] = await accounts.page(100, before);
    for (const { id, role, scopes, name, createdAt, lastUsedAt, revokedAt } of page) {
      const state = revokedAt === null ? 'in force' : `revoked ${day(revokedAt)}`;
      const use = lastUsedAt === null ? 'never used' : `used ${day(lastUsedAt)}`;
      lines.unshift([id, role ?? scopes.join(','), day(createdAt), state, use, name].join('  '));
    }
    before = page.at(-1)?.id ?? null;
    if (before === null) return lines.join('\n');
  }
}

function shown(id: string, secret: string): string {
  return `The secret is shown only once.

  client_id      ${id}
  client_secret  ${secret}

An access token for it, where $URL is the address of the service:

  curl -s -u ${id}:${secret} -d grant_type=client_credentials "$URL/v1/auth/token"
`;
}

function day(time: string): string {
  return time.slice(0, 10);
}

function readArguments(): Command {
  try {
    const { positionals, values } = parseArgs({
      allowPositionals: true,
      options: { role: { type: 'string' }, scopes: { type: 'string' }, overlap: { type: 'string' } },
    });
    const [name, account, ...rest] = positionals;
    const { overlap = DEFAULT_OVERLAP, ...given } = values;
    const powers = powersIn(given);
    const isPlain = given.role === undefined && given.scopes === undefined;
    if (rest.length === 0 && (values.overlap === undefined || name === 'rotate')) {
      if (name === 'create' && account && powers !== undefined) return { name, account, powers };
      if (name === 'list' && account === undefined && isPlain) return { name };
      if (name === 'rotate' && account && isPlain && /^\d{1,6}$/.test(overlap))
        return { name, account, overlapSeconds: Number(overlap) };
      if (name === 'revoke' && account && isPlain) return { name, account };
    }
  } catch (error) {
    throw new StartError(USAGE, { cause: error });
  }
  throw new StartError(USAGE);
}

/** Either a role or scopes that exist. */
function powersIn({ role, scopes }: { role?: string; scopes?: string }): Powers | undefined {
  if (scopes === undefined) return role === 'server' || role === 'admin' ? { role } : undefined;
  const names = scopes.split(',');
  const all = known(names);
  return role === undefined && all.length === new Set(names).size ? { scopes: all } : undefined;
}
