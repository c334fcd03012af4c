import { parseArgs } from 'node:util';
import { type Journey, runJourney } from './smoke/journey.js';
import { SmokeFailure } from './smoke/smoke-failure.js';

const USAGE = `Tests a running service from the outside: a guest scores, reads its rank, receives it on the stream, and is erased.

  npm run smoke -- <url> [options]

  <url>            where the service is, for example https://scores.example
  --action <id>    the action to score with ("smoke-test" if it exists, else the shortest that players may issue)
  --metrics <url>  where /metrics is, if the load balancer hides it
  --no-metrics     do not check the metrics
  --help           this text

Exits with 0, or with 1 and one line that says what failed. With SCOREBOARD_CLIENT_ID and SCOREBOARD_CLIENT_SECRET of a
service account with the role admin it first defines a board and an action "smoke-test", so that no player sees the
guest. NODE_EXTRA_CA_CERTS names a certificate to trust.`;

/** Both limits together are below ten seconds. */
const LIMIT_MS = 8_000;
const CLEAN_UP_MS = 1_500;

try {
  const journey = readArguments();
  console.log(journey === undefined ? USAGE : `ok: ${await runJourney(journey)}`);
} catch (error) {
  console.error(error instanceof SmokeFailure ? error.message : error);
  process.exitCode = 1;
}
// Hanging connections and DNS lookups must not keep the process alive.
process.exit();

/** Undefined if only the help text is requested. */
function readArguments(): Journey | undefined {
  const { values, positionals } = parseCommandLine();
  if (values.help) return undefined;
  const [url, ...more] = positionals;
  if (url === undefined || more.length > 0) {
    throw new SmokeFailure('Name one service: npm run smoke -- http://127.0.0.1:3000 (see --help).');
  }
  const { SCOREBOARD_CLIENT_ID: clientId, SCOREBOARD_CLIENT_SECRET: clientSecret } = process.env;
  return {
    url: address(url),
    metricsUrl: values['no-metrics'] ? null : address(values.metrics?.replace(/\/metrics\/*$/, '') ?? url),
    actionId: values.action,
    admin: clientId && clientSecret ? { clientId, clientSecret } : undefined,
    limitMs: LIMIT_MS,
    cleanUpMs: CLEAN_UP_MS,
  };
}

function address(url: string): string {
  if (URL.canParse(url) && /^https?:/.test(url)) return url;
  throw new SmokeFailure(`An address must be like https://scores.example, not ${url}.`);
}

function parseCommandLine() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        action: { type: 'string' },
        metrics: { type: 'string' },
        'no-metrics': { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split('. ')[0] : String(cause);
    throw new SmokeFailure(`${reason} (see --help).`, { cause });
  }
}
