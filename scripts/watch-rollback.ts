import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { StartError } from '../src/start-error.js';
import { type Check, inCloudWatch, inPrometheus } from './watch-rollback/triggers.js';

const USAGE = `Watches the rollback triggers after a deployment, in CloudWatch (by the command \`aws\`) or in Prometheus.

  npm run watch-rollback -- --minutes <n> --alarms <name,name,…>
  npm run watch-rollback -- --minutes <n> --prometheus <url>

  --every <seconds>  how often to check (15)

Exits with 0 if none has fired in this time, with 1 as soon as one fires, and with 2 if their state is unknown.`;

const FIRED = 1;
const UNKNOWN = 2;
/** This many failed checks in a row end the watch. */
const MAX_FAILED_CHECKS = 8;

try {
  const watch = readArguments();
  process.exitCode = await watchTriggers(watch.check, watch.minutes * 60_000, watch.every * 1_000);
} catch (error) {
  console.error(error instanceof StartError ? error.message : error);
  process.exitCode = UNKNOWN;
}

async function watchTriggers(check: Check, forMs: number, everyMs: number): Promise<number> {
  const until = performance.now() + forMs;
  let failed = 0;
  do {
    try {
      const firing = await check();
      if (firing.length > 0) {
        console.error(`Fired: ${firing.join(', ')}. Look at docs/operations.md#rollback.`);
        return FIRED;
      }
      failed = 0;
    } catch (error) {
      const reason = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
      if (++failed === MAX_FAILED_CHECKS) {
        console.error(`The state of the triggers is unknown: ${reason}`);
        return UNKNOWN;
      }
    }
    await sleep(Math.max(0, Math.min(everyMs, until - performance.now())));
  } while (performance.now() < until);
  if (failed > 0) {
    console.error('The last check of the triggers failed.');
    return UNKNOWN;
  }
  console.log('No rollback trigger has fired.');
  return 0;
}

function readArguments(): { check: Check; minutes: number; every: number } {
  const { values } = parseCommandLine();
  const { alarms, prometheus } = values;
  const minutes = Number(values.minutes);
  const every = Number(values.every);
  const names = (alarms ?? '').split(',').filter((name) => name !== '');
  if (!(minutes > 0) || !(every > 0) || names.length > 0 === (prometheus !== undefined)) {
    throw new StartError(USAGE);
  }
  const check = prometheus === undefined ? inCloudWatch(names) : inPrometheus(prometheus);
  return { check, minutes, every };
}

function parseCommandLine() {
  try {
    const options = {
      minutes: { type: 'string' },
      alarms: { type: 'string' },
      prometheus: { type: 'string' },
      every: { type: 'string', default: '15' },
    } as const;
    return parseArgs({ options });
  } catch (cause) {
    throw new StartError(USAGE, { cause });
  }
}
