import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { StartError } from '../src/start-error.js';
import { type Ask, atCloudWatch, atPrometheus } from './watch-rollback/triggers.js';

const USAGE = `Watches the rollback triggers after a deployment, at CloudWatch (through the command \`aws\`) or at Prometheus.

  npm run watch-rollback -- --minutes <n> --alarms <name,name,…>
  npm run watch-rollback -- --minutes <n> --prometheus <url>

  --every <seconds>  how often to ask (15)

Ends with 0 if none has fired in this time, with 1 as soon as one fires, and with 2 if nobody can tell.`;

const FIRED = 1;
const BLIND = 2;
/** Questions without an answer, one after the other, before what cannot be seen counts as blindness. */
const PATIENCE = 8;

try {
  const watch = readArguments();
  process.exitCode = await watchTriggers(watch.ask, watch.minutes * 60_000, watch.every * 1_000);
} catch (error) {
  console.error(error instanceof StartError ? error.message : error);
  process.exitCode = BLIND;
}

async function watchTriggers(ask: Ask, forMs: number, everyMs: number): Promise<number> {
  const until = performance.now() + forMs;
  let unanswered = 0;
  do {
    try {
      const firing = await ask();
      if (firing.length > 0) {
        console.error(`Fired: ${firing.join(', ')}. Look at docs/operations.md#rollback.`);
        return FIRED;
      }
      unanswered = 0;
    } catch (error) {
      const reason = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
      if (++unanswered === PATIENCE) {
        console.error(`The triggers cannot be seen: ${reason}`);
        return BLIND;
      }
    }
    await sleep(Math.max(0, Math.min(everyMs, until - performance.now())));
  } while (performance.now() < until);
  if (unanswered > 0) {
    console.error('The triggers could not be seen at the end.');
    return BLIND;
  }
  console.log('No rollback trigger has fired.');
  return 0;
}

function readArguments(): { ask: Ask; minutes: number; every: number } {
  const { values } = parseCommandLine();
  const { alarms, prometheus } = values;
  const minutes = Number(values.minutes);
  const every = Number(values.every);
  const names = (alarms ?? '').split(',').filter((name) => name !== '');
  if (!(minutes > 0) || !(every > 0) || names.length > 0 === (prometheus !== undefined)) {
    throw new StartError(USAGE);
  }
  return { ask: prometheus === undefined ? atCloudWatch(names) : atPrometheus(prometheus), minutes, every };
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
