import { parseArgs } from 'node:util';
import { VERIFYING, type Verified, verify } from '../src/ledger/verification.js';
import type { Difference, Scope } from '../src/ledger/verification-statements.js';
import { connect } from '../src/postgres/connection.js';
import { isDatabaseError } from '../src/postgres/errors.js';
import { StartError } from '../src/start-error.js';
import { main, withDatabaseAsItIs } from './database.js';

const USAGE = `Recounts every score from the ledger, makes the digests of final seasons again, and says what differs. It only reads; the service may run.

  npm run verify -- [options]

  --board <id>    only this leaderboard, without the tokens
  --season <n>    only this season of it
  --show <n>      how many differences to print (20)

Exits with 0 if all scores equal the ledger, with 1 if some do not, and with 2 if that could not be found out.`;

const DIFFERS = 1;
const UNKNOWN = 2;

const OPTIONS = { application_name: 'scoreboard-api verify', connectionTimeoutMillis: 5_000 };

await main(async () => {
  const { scope, show } = readArguments();
  const start = performance.now();
  let shown = 0;
  const verified = await withDatabaseAsItIs((url) =>
    verifyAt(url, scope, (difference) => {
      if (shown++ < show) console.log(lineOf(difference));
    }),
  );
  if (verified === 'no leaderboard') throw new StartError(`There is no leaderboard "${scope.leaderboard}".`);
  if (verified === 'no season')
    throw new StartError(
      `The leaderboard "${scope.leaderboard}" has no season ${scope.season}, or its scores are deleted.`,
    );
  console.log(
    summaryOf(verified, (performance.now() - start) / 1000, Math.max(0, verified.differences - show)),
  );
  if (verified.differences > 0) process.exitCode = DIFFERS;
}, UNKNOWN);

async function verifyAt(
  url: string,
  scope: Scope,
  onDifference: (difference: Difference) => void,
): Promise<Verified | 'no leaderboard' | 'no season'> {
  const client = await connect(url, OPTIONS, VERIFYING);
  try {
    return await verify(client, scope, onDifference);
  } catch (error) {
    if (!isDatabaseError(error) || !(error instanceof Error)) throw error;
    throw new StartError(`The scores could not be verified, because PostgreSQL failed: ${error.message}`, {
      cause: error,
    });
  } finally {
    await client.end();
  }
}

function lineOf({ of, stored, ledger }: Difference): string {
  return `${of}: stored is ${stored}; the ledger says ${ledger}`;
}

function summaryOf(verified: Verified, seconds: number, notShown: number): string {
  const { at, boards, entries, events, tokens, reordered, finalSeasons, differences } = verified;
  const counted = [
    quantity(boards, 'board'),
    quantity(entries, 'entry', 'entries'),
    quantity(events, 'event'),
    ...(tokens === null ? [] : [quantity(tokens, 'consumed token')]),
    ...(finalSeasons > 0 ? [`the digests of ${quantity(finalSeasons, 'final season')}`] : []),
  ];
  return [
    ...(notShown > 0 ? [`… and ${quantity(notShown, 'more difference')}`] : []),
    `Verified ${counted.join(', ')}, as they were at ${new Date(at).toISOString()}, in ${seconds.toFixed(1)} s.`,
    ...(reordered > 0
      ? [
          `${quantity(reordered, 'entry', 'entries')}: right, if events of the same seconds were recorded in another order.`,
        ]
      : []),
    differences === 0
      ? 'All scores equal the ledger.'
      : `${quantity(differences, 'difference')}. See docs/operations.md#scores-differ-from-the-ledger`,
  ].join('\n');
}

function quantity(n: number, one: string, many = `${one}s`): string {
  return `${n.toLocaleString('en')} ${n === 1 ? one : many}`;
}

function readArguments(): { scope: Scope; show: number } {
  const { board: leaderboard, ...values } = parseCommandLine();
  const season = values.season === undefined ? undefined : Number(values.season);
  const show = Number(values.show);
  const isSeason =
    season === undefined || (Number.isInteger(season) && season > 0 && leaderboard !== undefined);
  if (!isSeason || !Number.isInteger(show) || show < 0) throw new StartError(USAGE);
  return { scope: { leaderboard, season }, show };
}

function parseCommandLine() {
  try {
    const options = {
      board: { type: 'string' },
      season: { type: 'string' },
      show: { type: 'string', default: '20' },
    } as const;
    return parseArgs({ options }).values;
  } catch (cause) {
    throw new StartError(USAGE, { cause });
  }
}
