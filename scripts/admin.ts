import { parseArgs } from 'node:util';
import pg from 'pg';
import type { AdminRole } from '../schemas/administrator.js';
import { Administrators, type Enrolment } from '../src/access/administrators.js';
import { loadJwtSecret } from '../src/config.js';
import { poolOptions } from '../src/postgres/connection.js';
import { migrate } from '../src/postgres/migrate.js';
import { Seal } from '../src/sealing.js';
import { StartError } from '../src/start-error.js';
import { main, withDatabase } from './database.js';
import { printMigration } from './print-migration.js';

const USAGE = `Usage: npm run admin -- create <name> --role admin|moderator
       npm run admin -- list
       npm run admin -- reset <name>
       npm run admin -- disable <name>
A name has 1 to 32 of A-Z a-z 0-9 _ . -`;

type Command =
  | { readonly name: 'create'; readonly person: string; readonly role: AdminRole }
  | { readonly name: 'reset'; readonly person: string }
  | { readonly name: 'disable'; readonly person: string }
  | { readonly name: 'list' };

await main(async () => {
  const command = readArguments();
  const secret = loadJwtSecret(process.env);
  await withDatabase(async (url) => {
    await migrate(url, { report: printMigration });
    const options = { application_name: 'scoreboard-api admin', connectionTimeoutMillis: 5_000, max: 1 };
    const pool = new pg.Pool(poolOptions(url, options, false));
    try {
      console.log(await run(command, new Administrators(pool, new Seal('administrator', secret))));
    } finally {
      await pool.end();
    }
  });
});

async function run(command: Command, people: Administrators): Promise<string> {
  if (command.name === 'list') {
    const lines = (await people.list()).map(
      ({ id, name, role, createdAt, disabledAt, seenAt, recoveryCodesLeft }) =>
        `${id}  ${role.padEnd(9)}  ${day(createdAt)}  ${disabledAt === null ? 'in force' : `disabled ${day(disabledAt)}`}  ${seenAt === null ? 'no session' : `seen ${day(seenAt)}`}  ${recoveryCodesLeft} recovery codes  ${name}`,
    );
    return lines.join('\n') || 'There is no administrator yet.';
  }
  const { person } = command;
  if (command.name === 'disable')
    return `Administrator "${person}" (${await people.disable(person)}) is disabled; all its sessions have ended.`;
  if (command.name === 'reset')
    return `Administrator "${person}" has other credentials; all its sessions have ended. ${shown(await people.reset(person))}`;
  const { role } = command;
  return `Administrator "${person}" with the role ${role}. ${shown(await people.create(person, role))}`;
}

function shown({ password, uri, recoveryCodes }: Enrolment): string {
  return `These are shown only once.

  password        ${password}
  for the app     ${uri}
  recovery codes  ${recoveryCodes.join('\n                  ')}

Add the otpauth line to an app for one-time codes, as a QR code or by its secret. A recovery code works once, in place of a code.`;
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
    const [name, person, ...rest] = positionals;
    const { role } = values;
    if (rest.length === 0) {
      if (name === 'list' && person === undefined && role === undefined) return { name };
      if (person !== undefined && /^[A-Za-z0-9_.-]{1,32}$/.test(person)) {
        if (name === 'create' && (role === 'admin' || role === 'moderator')) return { name, person, role };
        if (name === 'reset' && role === undefined) return { name, person };
        if (name === 'disable' && role === undefined) return { name, person };
      }
    }
  } catch (error) {
    throw new StartError(USAGE, { cause: error });
  }
  throw new StartError(USAGE);
}
